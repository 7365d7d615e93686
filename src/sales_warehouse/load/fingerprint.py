"""The fingerprint of a file's records, from a few of them: it finds files that may have the same records.

The records are cut out of the COPY data while they pass, around the sampled positions only. The hash of a record does
not depend on how its values are spelled: letters and digits of the declared columns count, in any order of the columns,
and of a value without letters its digits but zeros, in any order. So 17.5 and 17.50, 1.234,50 and 1234.5, 2024-05-01
and 01.05.2024 agree. Records that agree by chance do no harm, because `same_records` compares the values; but that
costs some milliseconds for each file with the same fingerprint.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

from sales_warehouse.ledger.outcomes import Fingerprint
from sales_warehouse.load.readers.grammar import Grammar
from sales_warehouse.load.readers.reader import Block

# So many records at the beginning are all hashed; of a file that has no more, their order does not matter.
FIRST_RECORDS = 32

# Beyond these, records with this text are sampled, one in some hundred: the same ones in every file that has them.
_MARK = b"371"
_MARKED_BYTES = 64 * 1024  # at the beginning of a file

_DROPPED = bytes(code for code in range(256) if not (code < 128 and chr(code).isalnum()))
_LOWER = bytes(range(256)).lower()


class Sampler:
    """Takes the fingerprint of one file from the blocks of its COPY data."""

    def __init__(self, front: bytes, grammar: Grammar, columns: Sequence[str], declared: Collection[str]) -> None:
        """`front` is what is in front of the row number, `columns` what is behind it; only `declared` ones count."""
        self._before_row, self._delimiter, self._quote = front, grammar.copy_delimiter, grammar.copy_quote
        delimiter = re.escape(self._delimiter)
        self._dropped = _DROPPED.replace(self._delimiter, b"")
        self._front = re.compile(rb"^%b%b\d+%b" % (re.escape(front), delimiter, delimiter), re.MULTILINE)
        self._picked = [number - len(columns) for number, column in enumerate(columns) if column in declared]
        self._has_others = len(self._picked) < len(columns)
        self._next = 1  # position of the next record to hash, among the loaded ones
        self._hashes: dict[int, bytes] = {}  # by position: of 1, 2, 4 and so on, and of those up to FIRST_RECORDS
        self._marked: dict[bytes, None] = {}
        self._bytes = 0

    @cached_property
    def _front(self) -> re.Pattern[bytes]:
        """What is in front of a record, whatever its number. Few files need it, and each has its own."""
        delimiter = re.escape(self._delimiter)
        return re.compile(rb"^%b%b\d+%b" % (re.escape(self._before_row), delimiter, delimiter), re.MULTILINE)

    def add(self, block: Block, before: int, after: int, first_row: int | None) -> None:
        """Look at the next block, with the rows after position `before` up to `after`.

        `first_row` is the row number of its first record if it has nothing but sound records, otherwise None.
        """
        if self._bytes < _MARKED_BYTES and after > FIRST_RECORDS:
            self._add_marked(block)
        wanted = []
        while self._next <= after:
            is_doubled = self._next & (self._next - 1) == 0
            if is_doubled or not self._marked:
                wanted.append(self._next)
            self._next += 1 if self._next < FIRST_RECORDS else self._next
        starts = self._find(block.copy_data, [position - before for position in wanted], first_row) if wanted else ()
        for position, start in zip(wanted, starts, strict=True):
            self._hashes[position] = self._hash(self._cut(block, start))
        self._bytes += len(block.copy_data)

    def finish(self, rows: int) -> Fingerprint:
        """Return the fingerprint of a file with so many rows."""
        if not self._hashes:
            return Fingerprint(rows)
        if rows <= FIRST_RECORDS:
            told = sorted(self._hashes.values())
        else:
            told = [digest for position, digest in self._hashes.items() if position & (position - 1) == 0]
        return Fingerprint(rows, _as_bigint(_digest(b"".join(told))), _sample(self._marked or self._hashes.values()))

    def _find(self, data: bytes, wanted: Sequence[int], first_row: int | None) -> Iterator[int]:
        """Yield where the text of each wanted record starts; they are counted from 1 in this block."""
        found = self._find_by_row(data, wanted, first_row) if first_row is not None else None
        if found is None:
            last, numbers = wanted[-1], set(wanted)
            found = []
            for number, match in enumerate(self._front.finditer(data), 1):
                if number in numbers:
                    found.append(match.end())
                if number == last:
                    break
        yield from found

    def _find_by_row(self, data: bytes, wanted: Sequence[int], first_row: int) -> list[int] | None:
        """Return the starts of records by their row numbers; None when one is not where it is expected."""
        found, at = [], 0
        padded = self._number(first_row, True)
        is_padded = data.startswith(padded)
        for number in wanted:
            front = self._number(first_row + number - 1, is_padded)
            place = 0 if at == 0 and data.startswith(front) else data.find(b"\n" + front, at) + 1
            if place == 0 and not (at == 0 and data.startswith(front)):
                return None
            at = place + len(front)
            found.append(at)
        return found

    def _number(self, row: int, is_padded: bool) -> bytes:
        """Return what is in front of a record. Readers of text write row numbers with at least five digits."""
        written = b"%05d" % row if is_padded else b"%d" % row
        return b"%b%b%b%b" % (self._before_row, self._delimiter, written, self._delimiter)

    def _add_marked(self, block: Block) -> None:
        data, at = block.copy_data, 0
        while (place := data.find(_MARK, at, _MARKED_BYTES)) >= 0:
            start = data.rfind(b"\n", 0, place) + 1
            front = self._front.match(data, start)
            if front is None:  # in a record of several lines
                at = place + 1
                continue
            text = self._cut(block, front.end())
            if place >= front.end():
                self._marked[self._hash(text)] = None
            at = max(front.end() + len(text), place + 1) if place >= front.end() else front.end()

    def _cut(self, block: Block, start: int) -> bytes:
        """Return the text of the record that starts there."""
        data = block.copy_data
        if block.is_plain_text:
            return data[start : data.find(b"\n", start)]
        following = self._front.search(data, start)
        return data[start : following.start() if following else len(data)]

    def _hash(self, text: bytes) -> bytes:
        if text.isascii() and self._quote not in text:
            values = text.translate(_LOWER, self._dropped).split(self._delimiter)
        else:
            delimiter, quote = self._delimiter.decode(), self._quote.decode()
            line = text.decode(errors="replace").rstrip("\n")
            values = list(map(_fold, next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])))
        if self._has_others:
            values = [values[number] for number in self._picked if -number <= len(values)]
        return hash_record(values)


def hash_record(values: Sequence[bytes]) -> bytes:
    """Return the hash of a record, made of the letters and digits of its values, that is blind to their spelling."""
    return _digest(b"\0".join(sorted([_strip(value) if value.isdigit() else value for value in values if value])))


def _fold(value: str) -> bytes:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", value).casefold())).encode()


def _strip(digits: bytes) -> bytes:
    digits = digits.translate(None, b"0")
    # a date has three digits or more; the numbers of two stores are not to be the same
    return bytes(sorted(digits)) if len(digits) > 2 else digits


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _as_bigint(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)


def _sample(hashes: Collection[bytes]) -> tuple[int, ...]:
    return tuple(sorted({_as_bigint(one) for one in hashes}))
