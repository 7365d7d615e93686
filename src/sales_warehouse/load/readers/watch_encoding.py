"""Watch the bytes of a text file for signs that it is in another encoding than its feed declares."""

import codecs
import inspect
import re
from typing import cast

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import MARK

_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_C1 = bytes(range(0x80, 0xA0))
_CP1252_LACKS = b"\x81\x8d\x8f\x90\x9d"

# So many characters that the text would have make chance impossible, in scripts other than Latin different ones.
_ENOUGH, _ENOUGH_DIFFERENT = 2, 4

_TRIED = 1000  # lines of a file that is not UTF-8 as a whole


class EncodingWatch:
    """What the lines of one file say about its encoding.

    A file is in UTF-8 when each byte beyond ASCII is part of a valid UTF-8 sequence, and several of these are
    characters that the text would have. By chance, a sound text has others: ``É®`` in cp1252 is a valid sequence.
    ``PIÃ™`` in cp1252 is ``PIÙ`` in UTF-8: of such words alone, which are the same bytes, a file is refused, since the
    refusal is seen and the wrong letter is not.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._declared = codecs.lookup(dialect.encoding)
        name = self._declared.name
        # latin-1 is often declared for texts of cp1252
        self._repertoire = "cp1252" if name == "iso8859-1" else name
        bases = inspect.getmro(cast(type, self._declared.incrementaldecoder))
        self._is_multi_byte = any(base.__name__ == "MultibyteIncrementalDecoder" for base in bases)
        # whether there is anything to watch for
        self.is_needed = name != "ascii" and not name.startswith("utf") and _is_ascii_based(name)
        self._may_be_utf8 = self.is_needed
        self._mark_in_line = dialect.line_end_text.encode() + MARK
        self._has_mark = False
        self._line_end = dialect.line_end_text.encode()
        self._lines_in_utf8 = self._lines_tried = 0
        self._has_c1 = name.startswith("iso8859")
        self._refuses = dialect.on_encoding_drift == "refuse"
        self._is_latin = _has(self._repertoire, "é")
        self._likely: list[str] = []  # the first characters of UTF-8
        self.c1_bytes = 0
        self._only_in_cp1252 = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        notes = []
        if self.c1_bytes:
            advice = "in cp1252 they are letters and signs: " if self._only_in_cp1252 else ""
            control = "character" if self.c1_bytes == 1 else "characters"
            notes.append(
                f"{self.c1_bytes:,} control {control} (0x80 to 0x9F) in its text; {advice}compare the encoding of the "
                f"feed, {self._declared.name}, with the file"
            )
        if self._has_drifted:
            notes.append(f"{self._describe_drift()}: loaded as declared, because of on_encoding_drift: warn")
        elif self._lines_in_utf8 >= _ENOUGH or self._is_enough:
            notes.append(f"some lines look like UTF-8, the feed declares {self._declared.name}")
        return tuple(notes)

    def add(self, lines: bytes, in_utf8: bytes) -> None:
        """Look at complete lines as delivered, and as they were decoded."""
        if not self.is_needed or lines.isascii():
            return
        may_have_mark = b"\xbf" in lines and b"\xbb" in lines and b"\xef" in lines  # each is faster than the whole mark
        if may_have_mark and (lines.startswith(MARK) or self._mark_in_line in lines):
            self._has_mark = True
        # in UTF-8 each of these characters begins with 0xC2; most texts have few of them or none
        if self._has_c1 and b"\xc2" in in_utf8 and (found := len(lines) - len(lines.translate(None, _C1))):
            self.c1_bytes += found
            self._only_in_cp1252 &= len(lines) == len(lines.translate(None, _CP1252_LACKS))
        if self._may_be_utf8:
            try:
                text = lines.decode()
            except UnicodeDecodeError:
                self._may_be_utf8 = False
            else:
                self._count_characters(text)
        # in a file that is not UTF-8 as a whole some lines can be: sought where Latin letters of UTF-8 begin
        if not self._may_be_utf8 and self._is_latin and self._lines_tried < _TRIED and b"\xc3" in lines:
            for line in lines.split(self._line_end):
                if b"\xc3" in line and self._lines_tried < _TRIED:
                    self._try_line(line)

    def finish(self) -> None:
        """Raise `FileRefused` for a file in UTF-8 where another encoding is declared."""
        if self._refuses and self._has_drifted:
            raise FileRefused(
                f"{self._describe_drift()}. Declare encoding: utf-8 if all deliveries are in it, ask for this one in "
                f"{self._declared.name}, or declare on_encoding_drift: warn to load it as it is."
            )

    def _try_line(self, line: bytes) -> None:
        self._lines_tried += 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return
        places = ((found[0], found.start()) for found in _BEYOND_ASCII.finditer(text))
        if any(self._is_likely(letter, text[at - 1 : at], text[at + 1 : at + 2]) for letter, at in places):
            self._lines_in_utf8 += 1

    @property
    def _has_drifted(self) -> bool:
        return self._has_mark or (self._may_be_utf8 and self._is_enough)

    @property
    def _is_enough(self) -> bool:
        return len(self._likely) >= _ENOUGH and (self._is_latin or len(set(self._likely)) >= _ENOUGH_DIFFERENT)

    def _describe_drift(self) -> str:
        if self._has_mark:
            return f"a byte order mark of UTF-8 is in the file, the feed declares {self._declared.name}"
        example = self._likely[-1]
        read = example.encode().decode(self._declared.name, "replace")
        return f"the file is in UTF-8, the feed declares {self._declared.name}: {example} would become {read}"

    def _count_characters(self, text: str) -> None:
        for found in _BEYOND_ASCII.finditer(text):
            if self._is_enough:
                return
            character, at = found[0], found.start()
            is_new = len(self._likely) < _ENOUGH or character not in self._likely
            if is_new and self._is_likely(character, text[at - 1 : at], text[at + 1 : at + 2]):
                self._likely.append(character)

    def _is_likely(self, character: str, before: str, after: str) -> bool:
        """Say whether a character is one that the text would have, and no sign behind an accented capital."""
        is_declared = _has(self._repertoire, character)
        if character >= "\u0800":
            is_sign = "\u2000" <= character < "\u3000" or character > "\uffff"
            return is_declared or is_sign or before >= "\u0800" or after >= "\u0800"
        if self._is_multi_byte:  # half-width katakana can look like this
            return False
        is_inside_word = any("a" <= letter <= "z" or letter > "\x7f" for letter in (before, after))
        is_odd = character.islower() and "A" <= before <= "Z"
        return (is_declared and not is_odd) or (is_inside_word and character < "\u07c0")


def _has(encoding: str, character: str) -> bool:
    try:
        return bool(character.encode(encoding))
    except UnicodeError:
        return False


def _is_ascii_based(name: str) -> bool:
    ascii_bytes = bytes(range(32, 127))
    try:
        return ascii_bytes.decode(name) == ascii_bytes.decode("ascii") and not name.startswith(("iso2022", "hz"))
    except UnicodeError:
        return False
