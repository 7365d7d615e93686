"""The fingerprint of a file's records, from a few of them: it finds files that may have the same records.

The records are cut out of the COPY data while they pass, around the sampled positions only. The hash of a record does
not depend on how its values are spelled: letters and digits of the declared columns, without zeros, in any order. So
17.5 and 17.50, 1.234,50 and 1234.5, 2024-05-01 and 01.05.2024 agree, and so do columns in another order. Records that
agree by chance do no harm, because `same_records` compares the values.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

from sales_warehouse.ledger.outcomes import Fingerprint
from sales_warehouse.load.readers.grammar import Grammar
from sales_warehouse.load.readers.reader import Block

# So many records at the beginning are all hashed; of a file that has no more, their order does not matter.
FIRST_RECORDS = 32

# Beyond these, records with this text are sampled, one in some hundred: the same ones in every file that has them.
_MARK = b"371"
_MARKED_BYTES = 64 * 1024  # at the beginning of a file

_DROPPED = bytes(code for code in range(256) if not (code < 128 and chr(code).isalnum()) or code == ord("0"))
_LOWER = bytes(range(256)).lower()


class Sampler:
    """Takes the fingerprint of one file from the blocks of its COPY data."""

    def __init__(self, front: bytes, grammar: Grammar, columns: Sequence[str], declared: Collection[str]) -> None:
        """`front` is what is in front of the row number, `columns` what is behind it; only `declared` ones count."""
        self._before_row, self._delimiter, self._quote = front, grammar.copy_delimiter, grammar.copy_quote
        delimiter = re.escape(self._delimiter)
        self._front = re.compile(rb"^%b%b\d+%b" % (re.escape(front), delimiter, delimiter), re.MULTILINE)
        self._picked = [number - len(columns) for number, column in enumerate(columns) if column in declared]
        self._has_others = len(self._picked) < len(columns)
        self._next = 1  # position of the next record to hash, among the loaded ones
        self._at_positions: list[bytes] = []  # hashes of the records 1 to FIRST_RECORDS, then of every doubled position
        self._marked: dict[bytes, None] = {}
        self._bytes = 0

    def add(self, block: Block, before: int, after: int, first_row: int | None) -> None:
        """Look at the next block, with the rows after position `before` up to `after`.

        `first_row` is the row number of its first record if it has nothing but sound records, otherwise None.
        """
        data = block.copy_data
        if self._next <= after:
            wanted = []
            while self._next <= after:
                wanted.append(self._next - before)
                self._next += 1 if self._next < FIRST_RECORDS else self._next
            for start in self._find(data, wanted, first_row):
                self._at_positions.append(self._hash(self._cut(block, start)))
        if self._bytes < _MARKED_BYTES and after > FIRST_RECORDS:
            self._add_marked(block)
        self._bytes += len(data)

    def finish(self, rows: int) -> Fingerprint:
        """Return the fingerprint of a file with so many rows."""
        if not self._at_positions:
            return Fingerprint(rows)
        hashes = self._at_positions
        if rows <= FIRST_RECORDS:
            return Fingerprint(rows, _as_bigint(_digest(b"".join(sorted(hashes)))), _sample(hashes))
        doubled = [hashes[2**power - 1] for power in range(FIRST_RECORDS.bit_length())] + hashes[FIRST_RECORDS:]
        return Fingerprint(rows, _as_bigint(_digest(b"".join(doubled))), _sample(self._marked or hashes))

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
        return hash_record(self._pick(text) if self._has_others else text)

    def _pick(self, text: bytes) -> bytes:
        """Return the declared columns of a record."""
        delimiter, quote = self._delimiter.decode(), self._quote.decode()
        line = text.decode(errors="replace").rstrip("\n")
        fields = next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])
        return "".join(fields[number] for number in self._picked if -number <= len(fields)).encode()


def hash_record(text: bytes) -> bytes:
    """Return the hash of a record that does not depend on how its values are spelled."""
    if text.isascii():
        kept = text.translate(_LOWER, _DROPPED)
    else:
        folded = unicodedata.normalize("NFC", text.decode(errors="replace")).casefold()
        kept = "".join(letter for letter in folded if letter.isalnum() and letter != "0").encode()
    return _digest(bytes(sorted(kept)))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _as_bigint(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)


def _sample(hashes: Collection[bytes]) -> tuple[int, ...]:
    return tuple(sorted({_as_bigint(one) for one in hashes}))
