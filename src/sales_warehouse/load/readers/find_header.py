"""Find the header of a text file after its byte order mark, preamble, blank lines and comments."""

import re
from dataclasses import dataclass, field

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.grammar import Grammar, Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_record import MAX_RECORD_BYTES


@dataclass
class Head:
    """The part of a text file in front of its first record."""

    decoder: LineDecoder
    size_bytes: int
    lines: int = 0
    records: list[list[str]] = field(default_factory=list)  # the header; usually it has one record
    skipped: list[SkippedLine] = field(default_factory=list)

    def join_texts(self) -> list[str]:
        """Return the header texts; those of a column in several records are joined with a blank."""
        if len({len(texts) for texts in self.records}) > 1:
            widths = ", ".join(str(len(texts)) for texts in self.records)
            raise FileRefused(
                f"the lines of the header have different numbers of fields ({widths}). "
                "Compare the feed's header, preamble_lines and delimiter with the file."
            )
        return [" ".join(filter(None, texts)) for texts in zip(*self.records, strict=True)]


def find_header(begun: bytes, dialect: Dialect, grammar: Grammar, final: bool) -> Head | None:
    """Return the head of the file that begins like this, None if more content is needed.

    Raises `FileRefused` when there is no header or it cannot be read.
    """
    decoder = LineDecoder(dialect.encoding, dialect.line_end_text)
    if len(begun) < decoder.mark_bytes and not final:
        return None
    head = Head(decoder, decoder.start(begun))
    content = begun[head.size_bytes :]
    complete = content if final else content[: decoder.end_of_last_line(content)]
    delivered = decoder.split(complete)
    if not delivered[-1]:
        delivered.pop()  # there is no line after the last line end
    raws = [decoder.strip_carriage_return(line) for line in delivered[: dialect.preamble_lines]]
    head.skipped = [SkippedLine(number, None, "preamble", raw) for number, raw in enumerate(raws, 1)]
    head.lines = len(raws)
    is_found = head.lines == dialect.preamble_lines and _read_records(head, delivered, dialect, grammar, final)
    head.size_bytes += sum(len(line) + len(decoder.newline) for line in delivered[: head.lines])
    head.size_bytes = min(head.size_bytes, len(begun))  # the last line may have no line end
    if is_found:
        return head
    if final and head.lines < dialect.preamble_lines:
        raise FileRefused("the file ends inside its preamble. Compare the feed's preamble_lines with the file.")
    if final:
        raise FileRefused("the file is empty: not even a header. Ask for the delivery again.")
    if len(begun) - head.size_bytes > MAX_RECORD_BYTES:
        raise _describe_too_long()
    return None


def _read_records(head: Head, delivered: list[bytes], dialect: Dialect, grammar: Grammar, final: bool) -> bool:
    """Read the records of the header from complete lines; return False if some are missing."""
    if not dialect.header_lines:
        return True
    comment = re.compile(dialect.comment) if dialect.comment is not None else None
    _, lines, errors = head.decoder.to_utf8(head.decoder.newline.join(delivered))
    if head.decoder.line_end == b"\n":
        lines = [line.removesuffix(b"\r") for line in lines]
    while len(head.records) < dialect.header_lines and head.lines < len(lines):
        line = lines[head.lines]
        if grammar.is_blank(line):
            head.lines += 1
            continue
        if comment is not None and comment.search(line.decode()):
            raw = head.decoder.strip_carriage_return(delivered[head.lines])
            head.skipped.append(SkippedLine(head.lines + 1, None, "comment", raw))
            head.lines += 1
            continue
        found = grammar.parse(lines, head.lines)
        if isinstance(found, Unclosed) and not final and not found.too_long:
            return False
        end = found.end if isinstance(found, Parsed) else head.lines + 1
        why = next((errors[number] for number in range(head.lines, end) if number in errors), None)
        if why is not None or not isinstance(found, Parsed):
            problem = found.detail if isinstance(found, Unsound) else "its quotes do not match"
            raise FileRefused(
                f"line {head.lines + 1}: the header cannot be read: {why or problem}. "
                "Compare the feed's encoding, delimiter and quote with the file."
            )
        if max(map(len, lines[head.lines : end])) > MAX_RECORD_BYTES:
            raise _describe_too_long()
        head.records.append([value.decode() for value in found.values])
        head.lines = end
    return len(head.records) == dialect.header_lines


def _describe_too_long() -> FileRefused:
    return FileRefused(
        f"no header ends within the first {MAX_RECORD_BYTES:,} bytes. Compare the feed's encoding, line_end and quote "
        "with the file; if it is no text, ask for it again."
    )
