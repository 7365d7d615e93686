"""Find the header of a text file after its byte order mark, preamble, blank lines and comments."""

import re
from collections.abc import Iterator
from itertools import chain

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.grammar import Grammar, Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_record import MAX_RECORD_BYTES


class HeaderFinder:
    """Reads content up to the first record. Afterwards `rest` is the content that was read and not used."""

    def __init__(self, dialect: Dialect, grammar: Grammar) -> None:
        self.decoder = LineDecoder(dialect.encoding, dialect.line_end_text)
        self.records: list[list[str]] = []  # the header; most have one record
        self.skipped: list[SkippedLine] = []
        self.rest = b""
        self.offset = 0  # of `rest` in the content
        self.line_number = 1  # of the first line of `rest`
        self._grammar = grammar
        self._comment = re.compile(dialect.comment) if dialect.comment is not None else None
        self._preamble_left = dialect.preamble_lines
        self._records_left = dialect.header_lines
        self._is_started = False

    def find(self, blocks: Iterator[bytes]) -> bytes:
        """Read blocks until the header is complete; return the bytes in front of the first record.

        Raises `FileRefused` when there is no header or it cannot be read.
        """
        begun = b""
        for block in chain(blocks, [b""]):
            begun += block
            self.rest += block
            if self._is_found(final=not block):
                break
            if len(self.rest) > MAX_RECORD_BYTES:
                raise FileRefused(f"no header ends within the first {MAX_RECORD_BYTES:,} bytes.")
        else:
            if self._preamble_left:
                raise FileRefused("the file ends inside its preamble. Compare the feed's preamble_lines with the file.")
            raise FileRefused("the file is empty: not even a header. Ask for the delivery again.")
        return begun[: self.offset]

    def join_texts(self) -> list[str]:
        """Return the header texts; those of a column in several records are joined with a blank."""
        if len({len(texts) for texts in self.records}) > 1:
            widths = ", ".join(str(len(texts)) for texts in self.records)
            raise FileRefused(
                f"the lines of the header have different numbers of fields ({widths}). "
                "Compare the feed's header, preamble_lines and delimiter with the file."
            )
        return [" ".join(filter(None, texts)) for texts in zip(*self.records, strict=True)]

    def _is_found(self, final: bool) -> bool:
        """Use as much of `rest` as possible; say whether the header is complete."""
        if not self._is_started:
            if len(self.rest) < self.decoder.mark_bytes and not final:
                return False
            self._is_started = True
            self.offset = self.decoder.start(self.rest)
            self.rest = self.rest[self.offset :]
        if self._preamble_left:
            self._pass_preamble(final)
        while self._records_left and not self._preamble_left:
            if not self._read_record(final):
                return False
        return not self._preamble_left

    def _complete_lines(self, final: bool) -> bytes:
        return self.rest if final else self.rest[: self.decoder.end_of_last_line(self.rest)]

    def _pass_preamble(self, final: bool) -> None:
        lines = self.decoder.split(self._complete_lines(final))
        if not lines[-1]:
            lines.pop()
        lines = lines[: self._preamble_left]
        for number, line in enumerate(lines, self.line_number):
            self.skipped.append(SkippedLine(number, None, "preamble", self.decoder.strip_carriage_return(line)))
        self._preamble_left -= len(lines)
        self._advance(lines)

    def _read_record(self, final: bool) -> bool:
        """Read one record of the header; return False if there is none or it is not complete."""
        data = self._complete_lines(final)
        if not data:
            return False
        _, lines, errors = self.decoder.to_utf8(data)
        if not lines[-1]:
            lines.pop()
        if self.decoder.line_end == b"\n":
            lines = [line.removesuffix(b"\r") for line in lines]
        delivered = self.decoder.split(data)
        first = next((n for n, line in enumerate(lines) if not self._is_skipped(line, delivered[n], n)), len(lines))
        if first:
            self._advance(delivered[:first])
            return self._read_record(final)
        found = self._grammar.parse(lines, 0)
        if isinstance(found, Unclosed) and not final and not found.too_long:
            return False
        if not isinstance(found, Parsed) or any(number < found.end for number in errors):
            span = found.end if isinstance(found, Parsed) else 1
            problem = found.detail if isinstance(found, Unsound) else "its quotes do not match"
            why = next((errors[n] for n in sorted(errors) if n < span), problem)
            raise FileRefused(
                f"line {self.line_number}: the header cannot be read: {why}. "
                "Compare the feed's encoding, delimiter and quote with the file."
            )
        if max(map(len, lines[: found.end])) > MAX_RECORD_BYTES:
            raise FileRefused(f"no header ends within the first {MAX_RECORD_BYTES:,} bytes.")
        self.records.append([value.decode() for value in found.values])
        self._records_left -= 1
        self._advance(delivered[: found.end])
        return True

    def _is_skipped(self, line: bytes, delivered: bytes, index: int) -> bool:
        """Say whether a line in front of the header is blank or a comment; the ledger keeps comments."""
        if self._grammar.is_blank(line):
            return True
        if self._comment is None or not self._comment.search(line.decode()):
            return False
        raw = self.decoder.strip_carriage_return(delivered)
        self.skipped.append(SkippedLine(self.line_number + index, None, "comment", raw))
        return True

    def _advance(self, lines: list[bytes]) -> None:
        used = min(sum(len(line) + len(self.decoder.newline) for line in lines), len(self.rest))
        self.rest = self.rest[used:]
        self.offset += used
        self.line_number += len(lines)
