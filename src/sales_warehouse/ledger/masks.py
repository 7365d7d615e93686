"""Mask erased persons: in the rows, the texts and the bytes of a feed each is replaced by a token of its own.

The ledger has no text of an erased person, only hashes of it under a key. So a delivery that brings the person again is
masked as it was when the person was erased, and no table says who that was.
"""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import LINEAGE_COLUMNS, Feed
from sales_warehouse.ledger.outcomes import Reject, SkippedLine

Row = Sequence[str | None]

_WORD = re.compile(r"\w+")
_MIN_CHARACTERS = 3  # a shorter text is in too many others
_LEAST_STAND_IN = 8  # letters of one that is no usual word
_HEXADECIMAL = re.compile(r"((?:^|\\)\\x)((?:[0-9a-f]{2})+)")  # bytes as a text, see stream/read_messages.py
_BLANKS = " \t\r\n"  # around a value they do not count, here as in SQL


def as_value(text: str | None) -> str:
    """Return a value without the blanks around it; empty where there is none."""
    return (text or "").strip(_BLANKS)


def hash_record(key: bytes, feed: str, columns: Sequence[str], values: Sequence[str]) -> bytes:
    """Return the keyed hash of the values that say whose a record is."""
    return _hash(key, [feed, *columns, *(f"{len(value)}:{value}" for value in values)])


def hash_words(key: bytes, words: Sequence[str]) -> bytes:
    """Return the keyed hash of words that follow one another in a text."""
    return _hash(key, words)


def _hash(key: bytes, parts: Sequence[str]) -> bytes:
    text = " ".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=key, digest_size=32).digest()


def spellings_of(text: str, least: int = _MIN_CHARACTERS) -> list[list[str]]:
    """Return the words of a text in each way that a file may write them; none of one that is shorter than `least`."""
    if len(text) < least:
        return []
    forms = [text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text), json.dumps(text)[1:-1]]
    return [words for form in dict.fromkeys(forms) if (words := _WORD.findall(form))]


def stand_in_of(token: str, size: int) -> str:
    """Return what stands for a token where a text must keep its length: so many letters and digits."""
    letters = base64.b32encode(hashlib.blake2b(token.encode(), digest_size=40).digest()).decode().lower()
    return (letters * (size // len(letters) + 1))[:size]


def stand_ins_of(token: str, text: str) -> list[tuple[str, bool]]:
    """Return what stands for a text of a person where it must keep its length, in each way that it may be written.

    Beside each is whether it is the person's alone: a short one may be a word.
    """
    if len(text) < _MIN_CHARACTERS:
        return []
    found = {}
    for form in dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]):
        if words := list(_WORD.finditer(form)):
            size = len(form[words[0].start() : words[-1].end()].encode("utf-8", "surrogatepass"))
            found[stand_in_of(token, size)] = size >= _LEAST_STAND_IN
    return list(found.items())


def _find_strings(raw: bytes) -> Iterator[tuple[int, str]]:
    """Yield the bytes as a text, then each text in them that has its length in front, as in Avro; with its place.

    Without the schema it is not known which bytes are a length, so there are more of these texts than there are texts.
    """
    yield 0, raw.decode("utf-8", "surrogateescape")
    for place in range(len(raw)):
        behind = place + 1
        while behind < len(raw) and raw[behind - 1] >= 0x80 and behind - place < 4:
            behind += 1
        number = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(raw[place:behind]))
        size = number >> 1
        if number & 1 or size < _MIN_CHARACTERS or behind + size > len(raw):
            continue
        try:
            yield behind, raw[behind : behind + size].decode()
        except UnicodeDecodeError:
            continue


@dataclass(frozen=True)
class Masks:
    """The erased persons, as the records of one feed and any text may have them."""

    feed: Feed
    key: bytes
    columns: tuple[tuple[str, ...], ...]  # that persons of the feed were found by
    records: Mapping[bytes, str]  # token by hash
    texts: Mapping[bytes, tuple[str, bool]]  # token by hash, and whether the text is the person's alone
    lengths: tuple[int, ...]  # of these texts in words, the longest first

    @property
    def tokens(self) -> set[str]:
        """The tokens of the persons whose texts these are."""
        return {token for token, _ in self.texts.values()}

    def find_person(self, columns: Sequence[str], row: Row) -> str | None:
        """Return the token of the person whose record this is."""
        for names in self.columns:
            if all(name in columns for name in names):
                values = [as_value(row[columns.index(name)]) for name in names]
                if token := self.records.get(hash_record(self.key, self.feed.full_name, names, values)):
                    return token
        return None

    def mask_row(self, columns: Sequence[str], row: Row) -> list[str | None]:
        """Return the values of a record; a person's are masked, as are texts of columns that are not declared."""
        token = self.find_person(columns, row)
        if token is None:
            return list(row)
        return [self._mask_value(column, value, token) for column, value in zip(columns, row, strict=True)]

    def _mask_value(self, column: str, value: str | None, token: str) -> str | None:
        if not as_value(value) or value is None:
            return value  # a missing value stays one
        if column in self.feed.personal:
            return token
        if column in ("_key", "_headers"):
            return self.mask_envelope(value, {token})
        is_declared = column in self.feed.columns or column in LINEAGE_COLUMNS
        return value if is_declared else self.mask_text(value, {token})

    def mask_envelope(self, text: str, near: Collection[str] = ()) -> str:
        """Return key or headers of a message, as text, without erased persons; bytes are hexadecimal in them."""
        return self.mask_text(_HEXADECIMAL.sub(partial(self._mask_hexadecimal, near), text), near)

    def _mask_hexadecimal(self, near: Collection[str], found: re.Match[str]) -> str:
        return found[1] + self.mask_in_place(bytes.fromhex(found[2]), near).hex()

    def mask_text(self, text: str, near: Collection[str] = ()) -> str:
        """Return a text without erased persons; `near` are the tokens of those whose text it is known to be."""
        found = self._find(text)
        persons = {token for *_, token, is_alone in found if is_alone or token in text} | set(near)
        for start, end, token, is_alone in reversed(found):
            if is_alone or token in persons:
                text = text[:start] + token + text[end:]
        return text

    def _find(self, text: str) -> list[tuple[int, int, str, bool]]:
        """Return where texts of erased persons are, with their tokens, and whether they are the person's alone."""
        words = list(_WORD.finditer(text))
        found: list[tuple[int, int, str, bool]] = []
        place = 0
        while place < len(words):
            for length in self.lengths:
                some = words[place : place + length]
                hit = self.texts.get(hash_words(self.key, [word[0] for word in some])) if len(some) == length else None
                if hit is not None:
                    found.append((some[0].start(), some[-1].end(), *hit))
                    place += length
                    break
            else:
                place += 1
        return found

    def mask_bytes(self, raw: bytes) -> bytes:
        """Return bytes as delivered without erased persons; all others are as they were."""
        if self.feed.topic is not None and b"\0" in raw:
            return self.mask_in_place(raw)
        encoding = self.feed.dialect.encoding
        for errors in ("surrogateescape", "backslashreplace"):
            try:
                text = raw.decode(encoding, errors)
                masked = self.mask_text(text)
                return raw if masked == text else masked.encode(encoding, errors)
            except UnicodeError:  # a codec without this way around
                continue
        return raw

    def mask_in_place(self, raw: bytes, near: Collection[str] = ()) -> bytes:
        """Return bytes that are no text, such as a value in Avro, without erased persons.

        Each text of a person is replaced by one of the same length, so the bytes can be decoded as before.
        """
        spans: list[tuple[int, int, str, bool]] = []
        for place, text in _find_strings(raw):
            for start, end, token, is_alone in self._find(text):
                first, size = (len(part.encode("utf-8", "surrogateescape")) for part in (text[:start], text[start:end]))
                spans.append((place + first, size, token, is_alone))
        persons = {token for *_, token, is_alone in spans if is_alone} | set(near)
        masked = bytearray(raw)
        for place, size, token, is_alone in sorted(spans, key=lambda span: (span[0], -span[1])):
            if is_alone or token in persons:
                masked[place : place + size] = stand_in_of(token, size).encode()
        return bytes(masked)

    def mask_reject(self, reject: Reject) -> Reject:
        """Return a reject without erased persons."""
        raw = self.mask_bytes(reject.raw)
        masks = {"detail": self.mask_text, "replayed_as": self.mask_text}
        masks |= {"key": self.mask_envelope, "headers": self.mask_envelope}
        texts: dict[str, Any] = {
            name: mask(text) for name, mask in masks.items() if (text := getattr(reject, name)) is not None
        }
        size_bytes = reject.size_bytes if raw != reject.raw else reject.delivered_bytes
        return replace(reject, raw=raw, delivered_bytes=size_bytes, **texts)

    def mask_skipped(self, line: SkippedLine) -> SkippedLine:
        """Return a skipped line without erased persons."""
        return SkippedLine(line.line_number, line.row_number, line.kind, self.mask_bytes(line.raw))


def read_masks(cursor: Cursor, feed: Feed) -> Masks | None:
    """Return the masks of a feed; None when no person was erased."""
    cursor.execute("select key from ledger.erasure_key")
    found = cursor.fetchone()
    if found is None:
        return None
    cursor.execute("select columns, hash, token from ledger.erased_records where feed = %s", (feed.full_name,))
    records = cursor.fetchall()
    cursor.execute("select hash, word_count, token, is_alone from ledger.erased_texts")
    texts = cursor.fetchall()
    return Masks(
        feed,
        bytes(found[0]),
        tuple(dict.fromkeys(tuple(columns) for columns, *_ in records)),
        {bytes(digest): token for _, digest, token in records},
        {bytes(digest): (token, is_alone) for digest, _, token, is_alone in texts},
        tuple(sorted({count for _, count, *_ in texts}, reverse=True)),
    )


def mask_message(cursor: Cursor, feed: Feed, message: str | None) -> str | None:
    """Return a message about a file, which may quote it, without erased persons."""
    masks = read_masks(cursor, feed) if message else None
    return masks.mask_text(message) if masks and message else message
