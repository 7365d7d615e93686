"""Cut a content into physical lines, in bytes, each with its number and offset."""

import codecs
import re
import sys
from collections.abc import Callable, Iterator

_BOMS = {
    "utf-8": {codecs.BOM_UTF8: "utf-8"},
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
}


class Lines:
    r"""The lines of a content, one by one.

    A line ends with ``\n``, and one ``\r`` right before it belongs to its end; or, where that is declared, with ``\r``.
    """

    def __init__(self, read: Callable[[], bytes], encoding: str, line_end: str = "lf") -> None:
        """`read` gives the uncompressed content in blocks, none at its end."""
        self._read = read
        name = codecs.lookup(encoding).name
        self._encoding = {"utf-8-sig": "utf-8"}.get(name, name)
        head = b""
        while len(head) < len(codecs.BOM_UTF32_LE) and (block := read()):
            head += block
        mark = self._find_mark(head)
        self._ends = self._encode("\r" if line_end == "cr" else "\n")
        self._return = b"" if line_end == "cr" else self._encode("\r")
        self._cut = self._cut_lines(head[len(mark) :])
        self.number = 1  # of the next line
        self.offset = len(mark)  # of the next line
        self._next = next(self._cut, b"")

    @property
    def is_at_end(self) -> bool:
        """Say whether there is no further line."""
        return not self._next

    def take(self) -> bytes:
        """Return the next line as delivered, with its line end."""
        line = self._next
        self.number += 1
        self.offset += len(line)
        self._next = next(self._cut, b"")
        return line

    def decode(self, line: bytes) -> str:
        """Return a line as text; raises `UnicodeError` when it is not text in the declared encoding."""
        return line.decode(self._encoding)

    def strip_end(self, line: bytes) -> bytes:
        """Return lines without the line end of the last one."""
        if len(line) % len(self._ends):
            return line  # cut short inside a character: its last bytes are not a line end
        return line.removesuffix(self._ends).removesuffix(self._return)

    def _find_mark(self, head: bytes) -> bytes:
        for mark, encoding in _BOMS.get(self._encoding, {}).items():
            if head.startswith(mark):
                self._encoding = encoding
                return mark
        if self._encoding in ("utf-16", "utf-32"):
            self._encoding += "-le" if sys.byteorder == "little" else "-be"
        return b""

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding)[len("".encode(self._encoding)) :]

    def _cut_lines(self, rest: bytes) -> Iterator[bytes]:
        width = len(self._ends)
        # only a line end at a whole character is one
        wide = re.compile(b"(?:(?!%b).{%d})*+%b" % (re.escape(self._ends), width, re.escape(self._ends)), re.S)
        while True:
            if width == 1:
                lines = rest.split(self._ends)
                rest = lines.pop()
                for line in lines:
                    yield line + self._ends
            else:
                at = 0
                while found := wide.match(rest, at):
                    yield found[0]
                    at = found.end()
                rest = rest[at:]
            block = self._read()
            if not block:
                break
            rest += block
        if rest:
            yield rest
