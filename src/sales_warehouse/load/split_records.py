"""Cut the content of a delimited file into records, check each, and write them as COPY wants them.

Sound lines, nearly all, are handled many at a time by operations that run in C; only a line that looks wrong
is looked at by itself. Every record gets its row number here, in front of it, so that the server has nothing to
compute.
"""

import codecs
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, chain, repeat
from operator import add

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.fates import Reject, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.parse_record import MAX_RECORD_BYTES, Parsed, RecordGrammar, Stray, Unclosed

_BOMS = {
    "utf-8": [(codecs.BOM_UTF8, "utf-8")],
    "utf-16": [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    "utf-32": [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
}
# Row numbers are written as thousands and the rest, so that the rest comes ready-made from a list.
_GROUP = 10_000


class LineDecoder:
    """Cuts bytes in the feed's encoding into whole lines, and turns lines into UTF-8."""

    def __init__(self, encoding: str) -> None:
        name = codecs.lookup(encoding).name
        self._encoding = {"utf-8-sig": "utf-8"}.get(name, name)
        self.newline = self._encode("\n")

    @property
    def encoding(self) -> str:
        """The encoding, once `start` has seen a byte order mark with its byte order."""
        return self._encoding

    def _encode(self, text: str) -> bytes:
        empty = "".encode(self._encoding)  # a byte order mark, where the encoding writes one
        return text.encode(self._encoding)[len(empty) :]

    def start(self, head: bytes) -> int:
        """Look at the first bytes of the content; return how many of them are a byte order mark."""
        for bom, encoding in _BOMS.get(self._encoding, []):
            if head.startswith(bom):
                self._encoding = encoding
                self.newline = self._encode("\n")
                return len(bom)
        if self._encoding in ("utf-16", "utf-32"):
            # Without a mark the machine's own order, and a mark further on is text like any other.
            self._encoding += "-le" if sys.byteorder == "little" else "-be"
            self.newline = self._encode("\n")
        return 0

    def end_of_last_line(self, data: bytes) -> int:
        """Return the position behind the last line end in `data`, 0 if there is none."""
        width, position = len(self.newline), len(data)
        while (position := data.rfind(self.newline, 0, position)) >= 0:
            if position % width == 0:
                return position + width
            position += width - 1  # a false find across two characters: look again before its last byte
        return 0

    def split(self, data: bytes) -> list[bytes]:
        """Return the lines of `data` as delivered, without their line ends."""
        if len(self.newline) == 1:
            return data.split(self.newline)
        lines, start, search = [], 0, 0
        while (position := data.find(self.newline, search)) >= 0:
            if position % len(self.newline) == 0:
                lines.append(data[start:position])
                start = search = position + len(self.newline)
            else:
                search = position + 1
        return [*lines, data[start:]]

    def to_utf8(self, data: bytes) -> tuple[bytes, list[bytes], dict[int, str]]:
        """Return `data` in UTF-8, whole and in lines, and for each line that could not be decoded the reason.

        Such a line is given with replacement characters: good enough to see where its record ends. There are
        as many lines as `split` gives.
        """
        try:
            if self._encoding == "utf-8":
                if not data.isascii():
                    data.decode()
                return data, data.split(b"\n"), {}
            if not self._encoding.startswith("iso2022"):
                text = data.decode(self._encoding).encode()
                lines = text.split(b"\n")
                if len(lines) == len(self.split(data)):
                    return text, lines, {}
        except UnicodeError:
            pass
        lines, errors = [], {}
        for number, line in enumerate(self.split(data)):
            try:
                decoded = line.decode(self._encoding).encode()
            except UnicodeError as error:
                errors[number] = f"not {self._encoding}: {_describe(error)}"
                decoded = line.decode(self._encoding, "replace").encode("utf-8", "replace")
            if b"\n" in decoded:
                errors[number] = f"not {self._encoding}: a line end inside the line"
                decoded = decoded.replace(b"\n", b" ")
            lines.append(decoded)
        return b"\n".join(lines), lines, errors

    def strip_carriage_return(self, line: bytes) -> bytes:
        """Return a delivered line without the carriage return that is part of its line end."""
        end = self._encode("\r")
        return line.removesuffix(end) if len(line) % len(end) == 0 else line


class RecordSplitter:
    """Turns the content of one file, block by block, into COPY data and rejects."""

    def __init__(self, dialect: Dialect) -> None:
        self.grammar = RecordGrammar(dialect)
        self._decoder = LineDecoder(dialect.encoding)
        self._rest = b""  # content read and not yet used: an unfinished line or record
        self._offset = 0  # of `_rest` in the content
        self._line_number = 1  # of the first line of `_rest`
        self._started = False
        self._file_id = b""
        # In COPY's text format a quote is a character like any other, a backslash and a carriage return are not.
        self.is_plain_text = self.grammar.is_plain_text
        self.tally = Tally()
        self._rejects: list[Reject] = []

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Take in content until the header record is whole; return its texts, or None to ask for more.

        Raises `FileRefused` when there is no header or it cannot be read.
        """
        self._rest += block
        if not self._started and (final or len(self._rest) >= len(codecs.BOM_UTF32_LE)):
            self._started = True
            self._offset = self._decoder.start(self._rest)
            self._rest = self._rest[self._offset :]
        if not self._started:
            return None
        end = len(self._rest) if final else self._decoder.end_of_last_line(self._rest)
        while end:
            data = self._rest[:end]
            _, lines, errors = self._decoder.to_utf8(data)
            if not lines[-1]:
                lines.pop()
            whole = [line.removesuffix(b"\r") for line in lines]
            blank = next((number for number, line in enumerate(whole) if line), len(whole))
            if blank:  # blank lines before the header
                self._advance(self._decoder.split(data)[:blank])
                end = len(self._rest) if final else self._decoder.end_of_last_line(self._rest)
                continue
            found = self.grammar.parse(whole, 0)
            if isinstance(found, Unclosed) and not final and not found.too_long:
                break
            if not isinstance(found, Parsed) or any(number < found.end for number in errors):
                span = found.end if isinstance(found, Parsed) else 1
                why = next((errors[n] for n in sorted(errors) if n < span), "its quotes do not match")
                raise FileRefused(
                    f"line {self._line_number}: the header cannot be read: {why}. "
                    "Compare the feed's encoding, delimiter and quote with the file."
                )
            if max(map(len, whole[: found.end])) > MAX_RECORD_BYTES:
                raise FileRefused(f"no header ends within the first {MAX_RECORD_BYTES:,} bytes.")
            self._advance(self._decoder.split(data)[: found.end])
            self.fields = len(found.values)
            return [value.decode() for value in found.values]
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
        self._check = self.grammar.sound_record(self.fields)

    def split(self, block: bytes, final: bool) -> bytes:
        """Take in content and return the sound records among it as COPY data, `final` with the last block.

        As long as `is_plain_text` holds, they can go to COPY in its text format as well as in CSV.
        Rejects wait for `take_rejects`, every record is counted in `tally`. Raises `FileRefused` when a line
        does not end within the longest record there may be.
        """
        data = self._rest + block
        end = len(data) if final else self._decoder.end_of_last_line(data)
        if len(data) > MAX_RECORD_BYTES:  # with the blocks of the loader this is rare, so it may cost something
            for number, line in enumerate(self._decoder.split(data)):
                if len(line) > MAX_RECORD_BYTES:
                    raise FileRefused(
                        f"line {self._line_number + number} is longer than {MAX_RECORD_BYTES:,} bytes: "
                        "this is no delimited text, or its line ends are lost."
                    )
        self._rest = data[end:]
        if not end:
            return b""
        return b"".join(self._split_lines(data[:end], final))

    def take_rejects(self) -> list[Reject]:
        """Return the rejects found since the last call."""
        rejects, self._rejects = self._rejects, []
        return rejects

    def _split_lines(self, data: bytes, final: bool) -> Iterator[bytes]:
        text, delivered, errors = self._decoder.to_utf8(data)
        if not delivered[-1]:
            delivered.pop()  # what stands behind the last line end is no line
        lines, newlines = delivered, None
        if b"\r" in text:
            lines = [line.removesuffix(b"\r") for line in delivered]
            newlines = [b"\r\n" if line.endswith(b"\r") else b"\n" for line in delivered]
        # what is left of carriage returns, and all NULs, stand inside a line
        returns, nuls = (
            [number for number, line in enumerate(lines) if byte in line] if byte in text else []
            for byte in (b"\r", b"\0")
        )
        if self.grammar.quote in text or b"\\" in text or returns:
            self.is_plain_text = False
        suspects = self._find_suspects(text, lines, {*errors, *returns, *nuls})
        at = 0
        offsets: list[int] = []
        for suspect in suspects:
            if suspect < at:
                continue  # it belongs to a record that started before
            yield self._number(lines[at:suspect])
            at = suspect
            offsets = offsets or self._find_offsets(data)
            line = lines[suspect]
            if not line:
                self.tally.skipped += 1
                at += 1
                continue
            if (whole := self._join_record(lines, newlines, suspect)) and errors.keys().isdisjoint(
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
            problem = self._find_problem(found, line, range(suspect, end), errors)
            if isinstance(found, Parsed) and end > suspect + 1 and len(found.values) != self.fields:
                # Over several lines and of the wrong width: more likely a quote too many than a long record,
                # so only the first line is taken out and the lines behind it get their own chance.
                end = suspect + 1
                problem = ("unbalanced_quote", "a quote opens a field and closes it in the wrong place")
                if suspect in errors:
                    problem = ("encoding", errors[suspect])
            if problem is None:
                assert isinstance(found, Parsed)
                yield self._number([self.grammar.write(found.values, found.quoted)])
            else:
                raw = data[offsets[suspect] : offsets[end] - len(self._decoder.newline)]
                self._rejects.append(
                    Reject(
                        row_number=self.tally.read + 1,
                        line_number=self._line_number + suspect,
                        byte_offset=self._offset + offsets[suspect],
                        reason=problem[0],
                        detail=problem[1],
                        raw=self._decoder.strip_carriage_return(raw),
                    )
                )
                self.tally.rejected += 1
            at = end
        yield self._number(lines[at:])
        self._offset += len(data)
        self._line_number += len(lines)

    def _find_offsets(self, data: bytes) -> list[int]:
        """Return where each line of `data` starts, and at the end where the next would."""
        width = len(self._decoder.newline)
        return list(accumulate((len(line) + width for line in self._decoder.split(data)), initial=0))

    def _find_suspects(self, text: bytes, lines: list[bytes], more: set[int]) -> list[int] | range:
        """Return the lines that are not, each by itself, a sound record of the right width, and those of `more`."""
        if not self.grammar.is_copyable:
            return range(len(lines))  # every record has to be written anew
        delimiter, quote, check = self.grammar.delimiter, self.grammar.quote, self._check
        delimiters = self.fields - 1
        if quote in text:
            suspects = [
                index
                for index, line in enumerate(lines)
                if (not check(line) if quote in line else line.count(delimiter) != delimiters) or not line
            ]
        else:
            counts = list(map(bytes.count, lines, repeat(delimiter)))
            suspects = []
            if counts.count(delimiters) < len(lines) or (not delimiters and b"" in lines):
                suspects = [index for index, line in enumerate(lines) if counts[index] != delimiters or not line]
        return sorted(more.union(suspects)) if more else suspects

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
                inner = zip(lines[start:end], newlines[start:end] if newlines else repeat(b"\n"), strict=False)
                text = b"".join(chain.from_iterable(inner)) + lines[end]
                return (text, end + 1) if self._check(text) and b"\0" not in text else None
        return None

    def _find_problem(
        self, found: Parsed | Unclosed | Stray, line: bytes, span: range, errors: dict[int, str]
    ) -> tuple[str, str] | None:
        """Return reason and detail for a record that cannot be loaded, None for one that can."""
        for index in span:
            if index in errors:
                return "encoding", errors[index]
        if isinstance(found, Unclosed):
            return "unbalanced_quote", "a quote opens a field and never closes it"
        if isinstance(found, Stray):
            return _describe_stray(found, line, self.grammar)
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
        parts = []
        at, number = 0, self.tally.read + 1
        while at < len(records):
            group, ending = divmod(number, _GROUP)
            take = min(len(records) - at, _GROUP - ending)
            front = b"%b%b%d" % (self._file_id, delimiter, group)
            numbered = map(add, endings[ending : ending + take], records[at : at + take])
            parts.append(front + (b"\n" + front).join(numbered) + b"\n")
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


def _describe(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        shown = error.object[error.start : error.end].hex(" ")
        return f"byte {error.start + 1} of the line ({shown}): {error.reason}"
    return str(error)


def _describe_stray(stray: Stray, line: bytes, grammar: RecordGrammar) -> tuple[str, str]:
    if line.count(grammar.quote) % 2:
        return "unbalanced_quote", f"a quote opens field {stray.column} or stands inside it and has no partner"
    return "stray_quote", f"a quote stands inside field {stray.column}, where none may stand undoubled"
