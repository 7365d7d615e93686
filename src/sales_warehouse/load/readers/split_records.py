"""Cut the content of a text file into records, check each, and write them as COPY wants them.

Sound lines, nearly all, are handled many at a time by operations that run in C; only a line that looks wrong
is looked at by itself. Every record gets its row number here, in front of it, so that the server has nothing to
compute.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain, repeat

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.grammar import Grammar, Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long

# Row numbers are written as thousands and the rest, so that the rest comes ready-made from a list.
_GROUP = 10_000

Problem = tuple[str, str]  # reason and detail of a reject


class RecordSplitter:
    """Turns the content of one file, block by block, into COPY data, rejects and skipped lines."""

    def __init__(
        self, dialect: Dialect, grammar: Grammar, columns: Sequence[str] = (), counts_by_block: bool = False
    ) -> None:
        """`columns` are those of a file without header, in their order."""
        self.grammar = grammar
        self._decoder = LineDecoder(dialect.encoding, dialect.line_end_text)
        self._columns = list(columns)
        self._preamble_left = dialect.preamble_lines
        self._header_left = dialect.header_lines
        self._header: list[list[str]] = []  # the records it is made of
        self._refuses_repeats = dialect.repeated_header == "refuse"
        patterns = {"comment": dialect.comment, "trailer": dialect.trailer}
        self._patterns = {kind: re.compile(pattern) for kind, pattern in patterns.items() if pattern is not None}
        self._rest = b""  # content read and not yet used: an unfinished line or record
        self._offset = 0  # of `_rest` in the content
        self._line_number = 1  # of the first line of `_rest`
        self._started = False
        self._file_id = b""
        # In COPY's text format a quote is a character like any other, a backslash and a carriage return are not.
        self.is_plain_text = grammar.is_plain_text
        self._marks_of_csv = {*grammar.marks_of_csv, b"\\"}
        # whether the server is left to find lines that are too short for as many delimiters as others have too many
        self.counts_by_block = counts_by_block
        self.tally = Tally()
        self._rejects: list[Reject] = []
        self._skipped: list[SkippedLine] = []

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Take in content until the header is whole; return its texts, or None to ask for more.

        Of a header of several records the texts of a column are joined with a blank. A file without header has the
        declared columns. Raises `FileRefused` when there is no header or it cannot be read.
        """
        self._rest += block
        if not self._started and (final or len(self._rest) >= len(codecs.BOM_UTF32_LE)):
            self._started = True
            self._offset = self._decoder.start(self._rest)
            self._rest = self._rest[self._offset :]
        if not self._started:
            return None
        self._pass_preamble(final)
        while not self._preamble_left:
            if not self._header_left:
                header = self._join_header() if self._header else self._columns
                self.fields = len(header)
                return header
            if not self._read_header_record(final):
                break
        if final and self._preamble_left:
            raise FileRefused("the file ends inside its preamble. Compare the feed's preamble_lines with the file.")
        if final:
            raise FileRefused("the file is empty: not even a header. Ask for the delivery again.")
        if len(self._rest) > MAX_RECORD_BYTES:
            raise FileRefused(f"no header ends within the first {MAX_RECORD_BYTES:,} bytes.")
        return None

    def find_head(self, begun: bytes) -> bytes:
        """Return what stands in front of the first record, from what was read until the header was whole."""
        return begun[: self._offset]

    def start(self, file_id: int) -> None:
        """Set the file id that goes in front of every record; call once, between header and records."""
        self._file_id = str(file_id).encode()
        if self.grammar.is_copyable:
            self._check = self.grammar.sound_record(self.fields)

    def split(self, block: bytes, final: bool) -> bytes:
        """Take in content and return the sound records among it as COPY data, `final` with the last block.

        As long as `is_plain_text` holds, they can go to COPY in its text format as well as in CSV.
        Rejects wait for `take_rejects`, skipped lines for `take_skipped`, every record is counted in `tally`. Raises
        `FileRefused` when a line does not end within `MAX_LINE_BYTES`.
        """
        if not final and len(self._decoder.newline) == 1 and len(self._rest) + len(block) <= MAX_LINE_BYTES:
            # nearly every block: copied once, what is left over apart
            end = self._decoder.end_of_last_line(block)
            if not end:
                self._rest += block
                return b""
            data = b"".join((self._rest, memoryview(block)[:end]))
            self._rest = block[end:]
            return b"".join(self._split_lines(data, final))
        data = self._rest + block
        end = len(data) if final else self._decoder.end_of_last_line(data)
        if len(data) > MAX_LINE_BYTES:  # with the blocks of the loader this is rare, so it may cost something
            for number, line in enumerate(self._decoder.split(data)):
                if len(line) > MAX_LINE_BYTES:
                    raise FileRefused(
                        f"line {self._line_number + number} is longer than {MAX_LINE_BYTES:,} bytes: "
                        "this is no text in lines, or its line ends are not those that are declared."
                    )
        self._rest = data[end:]
        if not end:
            return b""
        return b"".join(self._split_lines(data[:end], final))

    def take_rejects(self) -> list[Reject]:
        """Return the rejects found since the last call."""
        rejects, self._rejects = self._rejects, []
        return rejects

    def take_skipped(self) -> list[SkippedLine]:
        """Return the lines found since the last call that are no records because the declaration says so."""
        skipped, self._skipped = self._skipped, []
        return skipped

    def _pass_preamble(self, final: bool) -> None:
        end = len(self._rest) if final else self._decoder.end_of_last_line(self._rest)
        if not self._preamble_left or not end:
            return
        lines = self._decoder.split(self._rest[:end])
        if not lines[-1]:
            lines.pop()
        lines = lines[: self._preamble_left]
        for number, line in enumerate(lines, self._line_number):
            self._skipped.append(SkippedLine(number, None, "preamble", self._decoder.strip_carriage_return(line)))
        self._preamble_left -= len(lines)
        self._advance(lines)

    def _read_header_record(self, final: bool) -> bool:
        """Take one record of the header out of `_rest`; False when it is not whole yet, or there is none."""
        end = len(self._rest) if final else self._decoder.end_of_last_line(self._rest)
        if not end:
            return False
        data = self._rest[:end]
        _, lines, errors = self._decoder.to_utf8(data)
        if not lines[-1]:
            lines.pop()
        whole = [line.removesuffix(b"\r") for line in lines] if self._decoder.line_end == b"\n" else lines
        delivered = self._decoder.split(data)
        first = next(
            (n for n, line in enumerate(whole) if not self._is_before_header(line, delivered[n], n)), len(whole)
        )
        if first:
            self._advance(delivered[:first])
            return self._read_header_record(final)
        found = self.grammar.parse(whole, 0)
        if isinstance(found, Unclosed) and not final and not found.too_long:
            return False
        if not isinstance(found, Parsed) or any(number < found.end for number in errors):
            span = found.end if isinstance(found, Parsed) else 1
            problem = found.detail if isinstance(found, Unsound) else "its quotes do not match"
            why = next((errors[n] for n in sorted(errors) if n < span), problem)
            raise FileRefused(
                f"line {self._line_number}: the header cannot be read: {why}. "
                "Compare the feed's encoding, delimiter and quote with the file."
            )
        if max(map(len, whole[: found.end])) > MAX_RECORD_BYTES:
            raise FileRefused(f"no header ends within the first {MAX_RECORD_BYTES:,} bytes.")
        self._header.append([value.decode() for value in found.values])
        self._header_left -= 1
        self._advance(delivered[: found.end])
        return True

    def _is_before_header(self, line: bytes, delivered: bytes, place: int) -> bool:
        """Say whether a line in front of the header is blank or a comment; a comment goes into the ledger."""
        if self.grammar.is_blank(line):
            return True
        comment = self._patterns.get("comment")
        if comment is None or not comment.search(line.decode()):
            return False
        raw = self._decoder.strip_carriage_return(delivered)
        self._skipped.append(SkippedLine(self._line_number + place, None, "comment", raw))
        return True

    def _join_header(self) -> list[str]:
        if len({len(texts) for texts in self._header}) > 1:
            widths = ", ".join(str(len(texts)) for texts in self._header)
            raise FileRefused(
                f"the lines of the header have different numbers of fields ({widths}). "
                "Compare the feed's header, preamble_lines and delimiter with the file."
            )
        return [" ".join(filter(None, texts)) for texts in zip(*self._header, strict=True)]

    def _split_lines(self, data: bytes, final: bool) -> Iterator[bytes]:
        text, delivered, errors = self._decoder.to_utf8(data)
        if not delivered[-1]:
            delivered.pop()  # what stands behind the last line end is no line
        lines, newlines = delivered, None
        other_end = b"\r" if self._decoder.line_end == b"\n" else b"\n"
        if other_end == b"\r" and b"\r" in text:
            lines = [line.removesuffix(b"\r") for line in delivered]
            newlines = [b"\r\n" if line.endswith(b"\r") else b"\n" for line in delivered]
        # what is left of carriage returns (or, where these end lines, line feeds), and all NULs, stand inside a line
        returns, nuls = (
            [number for number, line in enumerate(lines) if byte in line] if byte in text else []
            for byte in (other_end, b"\0")
        )
        if self.is_plain_text and (returns or any(mark in text for mark in self._marks_of_csv)):
            self.is_plain_text = False
        problems: dict[int, Problem] = {number: ("encoding", error) for number, error in errors.items()}
        problems |= self._find_long_lines(data)
        skipped = self._find_skipped(lines)
        if self._refuses_repeats and self._header:
            self._refuse_repeated_header(lines)
        records, suspects = self._check_lines(text, lines, {*problems, *skipped, *returns, *nuls})
        at = 0
        offsets: list[int] = []
        for suspect in suspects:
            if suspect < at:
                continue  # it belongs to a record that started before
            yield self._number(records[at:suspect])
            at = suspect
            offsets = offsets or self._find_offsets(data)
            line = lines[suspect]
            if self.grammar.is_blank(line) or suspect in skipped:
                self.tally.skipped += 1
                if suspect in skipped:
                    raw = self._cut_raw(data, offsets, suspect, suspect + 1)
                    place = self._line_number + suspect
                    self._skipped.append(SkippedLine(place, self.tally.read, skipped[suspect], raw))
                at += 1
                continue
            if (whole := self._join_record(lines, newlines, suspect)) and problems.keys().isdisjoint(
                range(suspect, whole[1])
            ):
                yield self._number([whole[0]])
                at = whole[1]
                continue
            found = self.grammar.parse(lines, suspect, newlines)
            if isinstance(found, Unclosed) and not found.too_long and not final:
                # The record may go on in the next block: keep it for then.
                self._rest = data[offsets[suspect] :] + self._rest
                self._offset += offsets[suspect]
                self._line_number += suspect
                return
            end = found.end if isinstance(found, Parsed) else suspect + 1
            problem = self._find_problem(found, range(suspect, end), problems)
            if isinstance(found, Parsed) and end > suspect + 1 and len(found.values) != self.fields:
                # Over several lines and of the wrong width: more likely a quote too many than a long record,
                # so only the first line is taken out and the lines behind it get their own chance.
                end = suspect + 1
                problem = problems.get(
                    suspect, ("unbalanced_quote", "a quote opens a field and closes it in the wrong place")
                )
            if problem is None:
                assert isinstance(found, Parsed)
                yield self._number([self.grammar.write(found.values, found.quoted)])
            else:
                self._rejects.append(
                    Reject(
                        row_number=self.tally.read + 1,
                        line_number=self._line_number + suspect,
                        byte_offset=self._offset + offsets[suspect],
                        reason=problem[0],
                        detail=problem[1],
                        raw=self._cut_raw(data, offsets, suspect, end),
                    )
                )
                self.tally.rejected += 1
            at = end
        yield self._number(records[at:])
        self._offset += len(data)
        self._line_number += len(lines)

    def _find_offsets(self, data: bytes) -> list[int]:
        """Return where each line of `data` starts, and at the end where the next would."""
        width = len(self._decoder.newline)
        return list(accumulate((len(line) + width for line in self._decoder.split(data)), initial=0))

    def _cut_raw(self, data: bytes, offsets: list[int], start: int, end: int) -> bytes:
        """Return the lines from `start` to before `end` as delivered, without the last line end."""
        raw = data[offsets[start] : offsets[end] - len(self._decoder.newline)]
        return self._decoder.strip_carriage_return(raw)

    def _find_long_lines(self, data: bytes) -> dict[int, Problem]:
        if len(data) <= MAX_RECORD_BYTES:
            return {}
        return {
            number: ("too_long", describe_too_long(line))
            for number, line in enumerate(self._decoder.split(data))
            if len(line) > MAX_RECORD_BYTES
        }

    def _find_skipped(self, lines: list[bytes]) -> dict[int, str]:
        """Return the lines the declaration says are no records, and their kind."""
        skipped: dict[int, str] = {}
        for kind, pattern in self._patterns.items():
            for number, line in enumerate(lines):
                if number not in skipped and pattern.search(line.decode()):
                    skipped[number] = kind
        return skipped

    def _refuse_repeated_header(self, lines: list[bytes]) -> None:
        """Raise `FileRefused` for a line that is the header once more."""
        texts = [text.encode() for text in self._header[0]]
        starts = tuple(mark + texts[0] for mark in (self.grammar.quote, b""))
        for number, line in enumerate(lines):
            if line.lstrip(b" \t").startswith(starts):
                found = self.grammar.parse(lines, number)
                if isinstance(found, Parsed) and found.values == texts:
                    raise FileRefused(
                        f"line {self._line_number + number} is the header once more: these are two files in one. "
                        "Ask for them apart, or declare repeated_header: load if the lines behind it belong here."
                    )

    def _check_lines(self, text: bytes, lines: list[bytes], more: set[int]) -> tuple[list[bytes], list[int]]:
        """Return the lines as records for COPY, and which of them are not, each by itself, sound, or are of `more`."""
        if not self.grammar.is_copyable:
            translated = [self.grammar.translate(line, self.fields) for line in lines]
            unsound = [index for index, record in enumerate(translated) if record is None]
            return [record or b"" for record in translated], sorted(more.union(unsound))
        delimiter, quote, check = self.grammar.delimiter, self.grammar.quote, self._check
        delimiters = self.fields - 1
        if quote in text:
            suspects = [
                index
                for index, line in enumerate(lines)
                if (not check(line) if quote in line else line.count(delimiter) != delimiters) or not line
            ]
        elif self.counts_by_block and delimiters and text.count(delimiter) == delimiters * len(lines):
            suspects = []
        else:
            counts = list(map(bytes.count, lines, repeat(delimiter)))
            suspects = []
            if counts.count(delimiters) < len(lines) or (not delimiters and b"" in lines):
                suspects = [index for index, line in enumerate(lines) if counts[index] != delimiters or not line]
        return lines, sorted(more.union(suspects)) if more else suspects

    def _join_record(self, lines: list[bytes], newlines: list[bytes] | None, start: int) -> tuple[bytes, int] | None:
        """Return a sound record that goes on over several lines, and the index of the line behind it.

        It ends with the first line up to which the quotes are even in number. None when it does not end here, is too
        long or is not sound: then `parse` says why.
        """
        quote = self.grammar.quote
        if not self.grammar.is_copyable or lines[start].count(quote) % 2 == 0:
            return None
        length = len(lines[start])
        for end in range(start + 1, len(lines)):
            length += len(lines[end]) + 1
            if length > MAX_RECORD_BYTES:
                return None
            if lines[end].count(quote) % 2:
                line_ends = newlines[start:end] if newlines else repeat(self._decoder.line_end)
                inner = zip(lines[start:end], line_ends, strict=False)
                text = b"".join(chain.from_iterable(inner)) + lines[end]
                return (text, end + 1) if self._check(text) and b"\0" not in text else None
        return None

    def _find_problem(
        self, found: Parsed | Unclosed | Unsound, span: range, problems: Mapping[int, Problem]
    ) -> Problem | None:
        """Return reason and detail for a record that cannot be loaded, None for one that can."""
        for index in span:
            if index in problems:
                return problems[index]
        if isinstance(found, Unclosed):
            return "unbalanced_quote", "a quote opens a field and never closes it"
        if isinstance(found, Unsound):
            return found.reason, found.detail
        if any(b"\0" in value for value in found.values):
            column = next(number for number, value in enumerate(found.values, 1) if b"\0" in value)
            return "nul", f"a NUL byte in field {column}"
        if len(found.values) != self.fields:
            reason = "too_few_fields" if len(found.values) < self.fields else "too_many_fields"
            return reason, f"{len(found.values)} fields where the header has {self.fields}"
        return None

    def _number(self, records: list[bytes]) -> bytes:
        """Return sound records with file id and row number in front, each with a line end behind."""
        if not records:
            return b""
        delimiter = self.grammar.copy_delimiter
        endings = _endings(delimiter)
        parts: list[bytes] = []
        at, number = 0, self.tally.read + 1
        while at < len(records):
            group, ending = divmod(number, _GROUP)
            take = min(len(records) - at, _GROUP - ending)
            front = b"%b%b%d" % (self._file_id, delimiter, group)
            numbered = [b"\n" + front] * (3 * take)
            numbered[0] = front
            numbered[1::3] = endings[ending : ending + take]
            numbered[2::3] = records[at : at + take]
            numbered.append(b"\n")
            parts += numbered
            at += take
            number += take
        self.tally.loaded += len(records)
        return b"".join(parts)

    def _advance(self, lines: list[bytes]) -> None:
        used = min(sum(len(line) + len(self._decoder.newline) for line in lines), len(self._rest))
        self._rest = self._rest[used:]
        self._offset += used
        self._line_number += len(lines)


@lru_cache(maxsize=16)
def _endings(delimiter: bytes) -> list[bytes]:
    return [b"%04d%b" % (number, delimiter) for number in range(_GROUP)]
