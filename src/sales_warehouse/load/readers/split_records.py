"""Cut the content of a text file into records, check each, and write them as COPY data.

Nearly all lines are sound: these are processed many at a time by operations that run in C. Only a line that looks wrong
is parsed by itself. The row number in front of each record is written here, so that the server has nothing to compute.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, chain, repeat

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import MARK, LineDecoder
from sales_warehouse.load.readers.find_header import find_header
from sales_warehouse.load.readers.grammar import Grammar, Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.reader import Header, Problem, Reader
from sales_warehouse.load.readers.sort_records import UNKNOWN, RecordSorter
from sales_warehouse.load.readers.watch_encoding import EncodingWatch

# Row numbers are written as ten thousands and the rest, so that the rest comes from a list.
_GROUP = 10_000
# So are those of whole blocks; a file with fewer records than `_GROUP` does not need the longer list.
_LONG_GROUP = 100_000


class _Lines:
    """The complete lines of one block, as delivered and in UTF-8."""

    def __init__(self, data: bytes, decoder: LineDecoder) -> None:
        self._data, self._decoder = data, decoder
        self.text, delivered, errors = decoder.to_utf8(data)
        if not delivered[-1]:
            delivered.pop()  # there is no line after the last line end
        self.utf8 = delivered
        self.newlines: list[bytes] | None = None  # None: all are those of the dialect
        other_end = b"\r" if decoder.line_end == b"\n" else b"\n"
        if other_end == b"\r" and b"\r" in self.text:
            self.utf8 = [line.removesuffix(b"\r") for line in delivered]
            self.newlines = [b"\r\n" if line.endswith(b"\r") else b"\n" for line in delivered]
        # the carriage returns that are left (or line feeds, if carriage returns end the lines) are inside a line
        self.returns = self._lines_with(other_end)
        self.has_mark = b"\xef" in self.text and b"\xbb" in self.text and MARK in self.text
        starts = enumerate(self.utf8) if self.has_mark else ()
        self.marked = [number for number, line in starts if line.startswith(MARK)]
        self.nuls = self._lines_with(b"\0")
        self.problems: dict[int, Problem] = {number: ("encoding", error) for number, error in errors.items()}
        if len(data) > MAX_RECORD_BYTES:
            for number, line in enumerate(decoder.split(data)):
                if len(line) > MAX_RECORD_BYTES:
                    self.problems[number] = "too_long", describe_too_long(line)

    def __len__(self) -> int:
        return len(self.utf8)

    @property
    def without_marks(self) -> list[bytes]:
        """The lines in UTF-8, each without a byte order mark in front."""
        return [line.removeprefix(MARK) for line in self.utf8] if self.marked else self.utf8

    @cached_property
    def offsets(self) -> list[int]:
        """Where each line starts in the block, and at the end where the next would."""
        width = len(self._decoder.newline)
        return list(accumulate((len(line) + width for line in self._decoder.split(self._data)), initial=0))

    def raw(self, start: int, end: int) -> bytes:
        """Return the lines from `start` to before `end` as delivered, without the last line end."""
        raw = self._data[self.offsets[start] : self.offsets[end] - len(self._decoder.newline)]
        return self._decoder.strip_carriage_return(raw)

    def tail(self, start: int) -> bytes:
        """Return the block from line `start` on as delivered."""
        return self._data[self.offsets[start] :]

    def _lines_with(self, byte: bytes) -> list[int]:
        return [number for number, line in enumerate(self.utf8) if byte in line] if byte in self.text else []


class TextReader(Reader):
    """Reads delimited text, fields in columns or any other format with a `Grammar`."""

    def __init__(
        self,
        dialect: Dialect,
        grammar: Grammar,
        file_id: int,
        columns: Sequence[str] = (),
        counts_by_block: bool = False,
    ) -> None:
        """`columns` are those of a file without header, in their order."""
        super().__init__(grammar, file_id)
        self._sorter = RecordSorter(dialect.record_types, grammar) if dialect.record_types else None
        self.counts_by_block = counts_by_block and self._sorter is None
        # In COPY's text format a quote has no meaning; a backslash and a carriage return have one.
        self.is_plain_text = grammar.is_plain_text
        self._marks_of_csv = {*grammar.marks_of_csv, b"\\"}
        self._dialect = dialect
        self._columns = list(columns)
        patterns = {"comment": dialect.comment, "trailer": dialect.trailer}
        self._patterns = {kind: re.compile(pattern) for kind, pattern in patterns.items() if pattern is not None}
        self._refused_header: list[bytes] = []  # a record with these values refuses the file
        is_plain = grammar.is_copyable and dialect.line_end_text == "\n" and not self._patterns
        self._is_plain = is_plain and dialect.repeated_header != "refuse"  # no line has to be looked at by itself
        self._watch = EncodingWatch(dialect)
        self._marks_removed = 0
        self._has_marks_inside = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the text read so far."""
        notes = list(self._watch.notes)
        if self._marks_removed:
            notes.append(f"files were joined: {self._marks_removed:,} byte order marks between records were left out")
        if self._has_marks_inside:
            notes.append("byte order marks (U+FEFF) inside values were loaded as delivered")
        return tuple(notes)

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the header texts, those of several records joined; without header the declared columns."""
        begun, found = b"", None
        while found is None:
            block = next(blocks, b"")
            begun += block
            found = find_header(begun, self._dialect, self.grammar, final=not block)
        texts = found.join_texts() if found.records else self._columns
        if found.records and self._dialect.repeated_header == "refuse":
            self._refused_header = [text.encode() for text in found.records[0]]
        self._decoder = found.decoder
        self._skipped = found.skipped
        self._watch.add(begun[: found.size_bytes], b"")
        self._offset = found.size_bytes  # of `_rest` in the content
        self._rest = begun[self._offset :]  # content read and not yet used: an incomplete line or record
        self._line_number = found.lines + 1  # of the first line of `_rest`
        self._fields = len(texts)
        if self.grammar.is_copyable:
            self._check = self.grammar.sound_record(self._fields)
        carried = self._sorter.columns if self._sorter else ()
        return Header([*texts, *carried], begun[: self._offset])

    def _split(self, block: bytes, final: bool) -> bytes:
        found = self._split_block(block, final)
        if final:
            self._watch.finish()
        return found

    def _split_block(self, block: bytes, final: bool) -> bytes:
        if not final and len(self._decoder.newline) == 1 and len(self._rest) + len(block) <= MAX_LINE_BYTES:
            # nearly every block: copied once, without what is left over
            end = self._decoder.end_of_last_line(block)
            if not end:
                self._rest += block
                return b""
            data = b"".join((self._rest, memoryview(block)[:end]))
            self._rest = block[end:]
            numbered = self._number_block(data)
            return b"".join(self._split_lines(data, final)) if numbered is None else numbered
        data = self._rest + block
        end = len(data) if final else self._decoder.end_of_last_line(data)
        if len(data) > MAX_LINE_BYTES:  # rare with the blocks of the loader, so it may be slow
            for number, line in enumerate(self._decoder.split(data)):
                if len(line) > MAX_LINE_BYTES:
                    raise FileRefused(
                        f"line {self._line_number + number} is longer than {MAX_LINE_BYTES:,} bytes: "
                        "the file is not text in lines, or has other line ends than declared."
                    )
        self._rest = data[end:]
        if not end:
            return b""
        return b"".join(self._split_lines(data[:end], final))

    def _number_block(self, data: bytes) -> bytes | None:
        """Return lines that are all sound records as COPY data; None if they must be looked at by themselves.

        They are not cut apart: the block becomes a format, in which each line begins with a place for its number.
        """
        delimiter, delimiters, first = self.grammar.delimiter, self._fields - 1, self.tally.read + 1
        group, ending = divmod(first, _LONG_GROUP)
        is_plain = self.counts_by_block and self._is_plain and self._decoder.encoding == "utf-8"
        if not is_plain or not delimiters or first < _GROUP or len(data) > MAX_RECORD_BYTES:
            return None
        marks = (self.grammar.quote, b"\r", b"\0", *([b"\\"] if self.is_plain_text else []))
        if any(mark in data for mark in marks) or not (data.isascii() or _is_text(data)):
            return None
        escaped = data.replace(b"%", b"%%") if b"%" in data else data
        front = b"%b%b%b" % (self.front.encode(), delimiter, b"%d" % group if group else b"")
        front = front.replace(b"%", b"%%") + b"%b"
        lines = escaped.replace(b"\n", b"\n" + front)
        records = (len(lines) - len(escaped)) // len(front)
        if ending + records > _LONG_GROUP or data.count(delimiter) != delimiters * records:
            return None
        self.tally.loaded += records
        self._offset += len(data)
        self._line_number += records
        numbers = _long_endings(delimiter)[ending : ending + records]
        return b"".join((front, memoryview(lines)[: -len(front)])) % tuple(numbers)

    def _split_lines(self, data: bytes, final: bool) -> Iterator[bytes]:
        lines = _Lines(data, self._decoder)
        if self.is_plain_text and (lines.returns or any(mark in lines.text for mark in self._marks_of_csv)):
            self.is_plain_text = False
        skipped = self._find_skipped(lines.without_marks)
        if self._refused_header:
            self._refuse_repeated_header(lines.without_marks)
        records, suspects = self._check_lines(lines, skipped)
        at = 0
        for suspect in suspects:
            if suspect < at:
                continue  # part of a record that started before
            yield self._take(lines, records, at, suspect)
            marked = lines.has_mark and lines.utf8[suspect].startswith(MARK)
            if marked:
                lines.utf8[suspect] = lines.utf8[suspect].removeprefix(MARK)
            kind = skipped.get(suspect)
            if self.grammar.is_blank(lines.utf8[suspect]) or kind in self._patterns:
                self._skip(lines, suspect, kind)
                at = suspect + 1
                continue
            found = self._read_suspect(lines, suspect, final, kind)
            if found is None:
                # the record may continue in the next block
                self._rest = lines.tail(suspect) + self._rest
                self._end_lines(lines, data, suspect)
                return
            self._marks_removed += marked
            record, at = found
            if record is not None:
                yield self._number([record])
        yield self._take(lines, records, at, len(lines))
        self._end_lines(lines, data, len(lines))

    def _end_lines(self, lines: _Lines, data: bytes, end: int) -> None:
        """Count the lines in front of `end`, which are read."""
        size_bytes = len(data) if end == len(lines) else lines.offsets[end]
        if self._watch.is_needed:
            self._watch.add(data[:size_bytes], lines.text)
        self._has_marks_inside |= lines.has_mark and any(MARK in line for line in lines.utf8[:end])
        self._offset += size_bytes
        self._line_number += end

    def _take(self, lines: _Lines, records: list[bytes], start: int, end: int) -> bytes:
        """Return sound records of one line each as COPY data; without the header record they need, they are rejects."""
        if self._sorter is None or self._sorter.has_header:
            return self._number(records[start:end])
        for index in range(start, end):
            self._reject_lines(lines, index, index + 1, self._sorter.no_header)
        return b""

    def _reject_lines(self, lines: _Lines, start: int, end: int, problem: Problem) -> None:
        place = self._line_number + start, self._offset + lines.offsets[start]
        self._reject(*place, problem, lines.raw(start, end))

    def _check_lines(self, lines: _Lines, skipped: dict[int, str]) -> tuple[list[bytes], list[int]]:
        """Return the lines as records for COPY, and the numbers of those that must be looked at by themselves."""
        marked = {*lines.problems, *skipped, *lines.returns, *lines.nuls, *lines.marked}
        if not self.grammar.is_copyable:
            translated = [self.grammar.translate(line, self._fields) for line in lines.utf8]
            unsound = [index for index, record in enumerate(translated) if record is None]
            return [record or b"" for record in translated], sorted(marked.union(unsound))
        delimiter, quote, check = self.grammar.delimiter, self.grammar.quote, self._check
        delimiters = self._fields - 1
        if quote in lines.text:
            suspects = [
                index
                for index, line in enumerate(lines.utf8)
                if (not check(line) if quote in line else line.count(delimiter) != delimiters) or not line
            ]
        elif self.counts_by_block and delimiters and lines.text.count(delimiter) == delimiters * len(lines):
            suspects = []
        else:
            counts = list(map(bytes.count, lines.utf8, repeat(delimiter)))
            suspects = []
            if counts.count(delimiters) < len(lines) or (not delimiters and b"" in lines.utf8):
                suspects = [index for index, line in enumerate(lines.utf8) if counts[index] != delimiters or not line]
        return lines.utf8, sorted(marked.union(suspects)) if marked else suspects

    def _read_suspect(
        self, lines: _Lines, start: int, final: bool, kind: str | None
    ) -> tuple[bytes | None, int] | None:
        """Return the record at line `start` (None: a reject) and the index of the next line; None if it continues.

        `kind` is that of a record of another type.
        """
        needs_header = self._sorter is not None and kind is None and not self._sorter.has_header
        joined = self._join_record(lines, start) if kind is None and not needs_header else None
        if joined is not None and lines.problems.keys().isdisjoint(range(start, joined[1])):
            return joined
        found = RecordSorter.unknown if kind == UNKNOWN else self.grammar.parse(lines.utf8, start, lines.newlines)
        if isinstance(found, Unclosed) and not found.too_long and not final:
            return None
        end = found.end if isinstance(found, Parsed) else start + 1
        problem = next((lines.problems[index] for index in range(start, end) if index in lines.problems), None)
        if kind is not None and self._sorter is not None:
            if any(self._sorter.is_own(line) for line in lines.utf8[start + 1 : end]):
                end, found = start + 1, RecordSorter.unbalanced
                problem = lines.problems.get(start)
            problem = problem or self._sorter.take(kind, lines.utf8[start], found)
            if problem is None:
                self.tally.skipped += 1
            else:
                self._sorter.forget(kind)
                self._reject_lines(lines, start, end, problem)
            return None, end
        if isinstance(found, Parsed) and len(found.values) != self._fields:
            found = self.grammar.fit(found, self._fields, end == start + 1)
        if isinstance(found, Parsed) and end > start + 1 and len(found.values) != self._fields:
            # Several lines and the wrong width: more likely a quote too many than a long record. So only the first line
            # is rejected, and the lines after it are read by themselves.
            end = start + 1
            problem = lines.problems.get(start, ("unbalanced_quote", "a quote opens a field and closes it too late"))
        problem = problem or self._find_problem(found)
        if self._sorter is not None and needs_header:
            problem = problem or self._sorter.no_header
        if problem is None:
            assert isinstance(found, Parsed)
            return self.grammar.write(found.values, found.quoted), end
        self._reject_lines(lines, start, end, problem)
        return None, end

    def _join_record(self, lines: _Lines, start: int) -> tuple[bytes, int] | None:
        """Return a sound record of several lines, and the index of the line after it; None if there is none.

        It ends with the first line up to which the number of quotes is even.
        """
        quote = self.grammar.quote
        if not self.grammar.is_copyable or lines.utf8[start].count(quote) % 2 == 0:
            return None
        length = len(lines.utf8[start])
        for end in range(start + 1, len(lines)):
            length += len(lines.utf8[end]) + 1
            if length > MAX_RECORD_BYTES:
                return None
            if lines.utf8[end].count(quote) % 2:
                line_ends = lines.newlines[start:end] if lines.newlines else repeat(self._decoder.line_end)
                inner = zip(lines.utf8[start:end], line_ends, strict=False)
                text = b"".join(chain.from_iterable(inner)) + lines.utf8[end]
                return (text, end + 1) if self._check(text) and b"\0" not in text else None
        return None

    def _find_problem(self, found: Parsed | Unclosed | Unsound) -> Problem | None:
        """Return reason and detail for a record that cannot be loaded, None for one that can."""
        if isinstance(found, Unclosed):
            return "unbalanced_quote", "a quote opens a field and never closes it"
        if isinstance(found, Unsound):
            return found.reason, found.detail
        if nul := next((number for number, value in enumerate(found.values, 1) if b"\0" in value), None):
            return "nul", f"a NUL byte in field {nul}"
        if len(found.values) != self._fields:
            reason = "too_few_fields" if len(found.values) < self._fields else "too_many_fields"
            detail = f"{len(found.values)} fields where the header has {self._fields}"
            if len(found.values) == self._fields + 1 and not found.values[-1]:
                detail += "; the last is empty: see trailing_delimiter in the feed's declaration"
            return reason, detail
        return None

    def _skip(self, lines: _Lines, index: int, kind: str | None) -> None:
        """Count a line that is not a record; the ledger keeps it unless it is blank."""
        self.tally.skipped += 1
        if kind in self._patterns:
            raw = lines.raw(index, index + 1)
            self._skipped.append(SkippedLine(self._line_number + index, self.tally.read, kind, raw))

    def _find_skipped(self, lines: list[bytes]) -> dict[int, str]:
        """Return the lines that are not records by the feed's declaration, and their kind."""
        skipped: dict[int, str] = {}
        for kind, pattern in self._patterns.items():
            for number, line in enumerate(lines):
                if number not in skipped and pattern.search(line.decode()):
                    skipped[number] = kind
        if self._sorter is not None:
            for number, line in enumerate(lines):
                if number not in skipped and (found := self._sorter.kind_of(line.decode())):
                    skipped[number] = found
        return skipped

    def _refuse_repeated_header(self, lines: list[bytes]) -> None:
        """Raise `FileRefused` for a line that repeats the header."""
        starts = tuple(mark + self._refused_header[0] for mark in (self.grammar.quote, b""))
        for number, line in enumerate(lines):
            if line.lstrip(b" \t").startswith(starts):
                found = self.grammar.parse(lines, number)
                if isinstance(found, Parsed) and found.values == self._refused_header:
                    raise FileRefused(
                        f"line {self._line_number + number} repeats the header: these are two files in one. "
                        "Ask for them apart, or declare repeated_header: load if the lines after it belong here."
                    )

    def _number(self, records: list[bytes]) -> bytes:
        """Return sound records with file id and row number in front, each with a line end."""
        if not records:
            return b""
        delimiter, before = self.grammar.copy_delimiter, self.front.encode()
        if self._sorter is not None and self._sorter.carried:
            records = [record + self._sorter.carried for record in records]
        endings = _endings(delimiter)
        parts: list[bytes] = []
        at, number = 0, self.tally.read + 1
        while at < len(records):
            group, ending = divmod(number, _GROUP)
            take = min(len(records) - at, _GROUP - ending)
            front = b"%b%b%d" % (before, delimiter, group)
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


@lru_cache(maxsize=16)
def _endings(delimiter: bytes) -> list[bytes]:
    return [b"%04d%b" % (number, delimiter) for number in range(_GROUP)]


@lru_cache(maxsize=1)  # 6 MB
def _long_endings(delimiter: bytes) -> list[bytes]:
    return [b"%05d%b" % (number, delimiter) for number in range(_LONG_GROUP)]


def _is_text(data: bytes) -> bool:
    """Say whether bytes are UTF-8 without byte order marks."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return MARK not in data
