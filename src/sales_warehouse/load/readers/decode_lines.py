"""Cut delivered bytes into lines and turn them into UTF-8."""

import codecs
import sys

_BOMS = {
    "utf-8": [(codecs.BOM_UTF8, "utf-8")],
    "utf-16": [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    "utf-32": [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
}


class LineDecoder:
    """Cuts bytes in the feed's encoding into whole lines, and turns lines into UTF-8."""

    def __init__(self, encoding: str, line_end: str = "\n") -> None:
        name = codecs.lookup(encoding).name
        self._encoding = {"utf-8-sig": "utf-8"}.get(name, name)
        self._line_end = line_end
        self.line_end = line_end.encode()  # in UTF-8
        self.newline = self._encode(line_end)  # as delivered

    @property
    def encoding(self) -> str:
        """The encoding, once `start` has looked for a byte order mark with its byte order."""
        return self._encoding

    def _encode(self, text: str) -> bytes:
        empty = "".encode(self._encoding)  # a byte order mark, where the encoding writes one
        return text.encode(self._encoding)[len(empty) :]

    def start(self, head: bytes) -> int:
        """Look at the first bytes of the content; return how many of them are a byte order mark."""
        for bom, encoding in _BOMS.get(self._encoding, []):
            if head.startswith(bom):
                self._encoding = encoding
                self.newline = self._encode(self._line_end)
                return len(bom)
        if self._encoding in ("utf-16", "utf-32"):
            # Without a mark the machine's own order, and a mark further on is text like any other.
            self._encoding += "-le" if sys.byteorder == "little" else "-be"
            self.newline = self._encode(self._line_end)
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
                return data, data.split(self.line_end), {}
            if not self._encoding.startswith("iso2022"):
                text = data.decode(self._encoding).encode()
                lines = text.split(self.line_end)
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
            if self.line_end in decoded:
                errors[number] = f"not {self._encoding}: a line end inside the line"
                decoded = decoded.replace(self.line_end, b" ")
            lines.append(decoded)
        return self.line_end.join(lines), lines, errors

    def strip_carriage_return(self, line: bytes) -> bytes:
        """Return a delivered line without the carriage return that is part of its line end."""
        if self._line_end == "\r":
            return line
        end = self._encode("\r")
        return line.removesuffix(end) if len(line) % len(end) == 0 else line


def _describe(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        shown = error.object[error.start : error.end].hex(" ")
        return f"byte {error.start + 1} of the line ({shown}): {error.reason}"
    return str(error)
