"""Cut delivered bytes into lines and decode these to UTF-8."""

import codecs
import sys

# A byte order mark in UTF-8, as it is in front of a file that was appended to another.
MARK = codecs.BOM_UTF8

_BOMS = {
    "utf-8": [(codecs.BOM_UTF8, "utf-8")],
    "utf-16": [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    "utf-32": [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")],
}


class LineDecoder:
    """Cuts bytes in the feed's encoding into complete lines, and decodes lines to UTF-8."""

    def __init__(self, encoding: str, line_end: str = "\n") -> None:
        name = codecs.lookup(encoding).name
        self.encoding = {"utf-8-sig": "utf-8"}.get(name, name)  # with its byte order after `start`
        self._line_end = line_end
        # a byte order mark is looked for once so many bytes are there
        self.mark_bytes = max((len(bom) for bom, _ in _BOMS.get(self.encoding, ())), default=0)
        self.line_end = line_end.encode()  # in UTF-8
        self.newline = self._encode(line_end)  # as delivered

    def _encode(self, text: str) -> bytes:
        empty = "".encode(self.encoding)  # a byte order mark, where the encoding writes one
        return text.encode(self.encoding)[len(empty) :]

    def start(self, head: bytes) -> int:
        """Find the byte order mark in the first `mark_bytes` of the content; return how many bytes it has."""
        for bom, encoding in _BOMS.get(self.encoding, []):
            if head.startswith(bom):
                self.encoding = encoding
                self.newline = self._encode(self._line_end)
                return len(bom)
        if self.encoding in ("utf-16", "utf-32"):
            # without a mark it is the byte order of this machine, and a mark later in the content is text
            self.encoding += "-le" if sys.byteorder == "little" else "-be"
            self.newline = self._encode(self._line_end)
        return 0

    def end_of_last_line(self, data: bytes) -> int:
        """Return the position after the last line end in `data`, 0 if there is none."""
        width, position = len(self.newline), len(data)
        while (position := data.rfind(self.newline, 0, position)) >= 0:
            if position % width == 0:
                return position + width
            position += width - 1  # found across two characters: search again before its last byte
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
        """Return `data` in UTF-8, as a whole and in the lines of `split`, and why some lines cannot be decoded.

        Such a line has replacement characters, so that the end of its record is found.
        """
        try:
            if self.encoding == "utf-8":
                if not data.isascii():
                    data.decode()
                return data, data.split(self.line_end), {}
            if not self.encoding.startswith("iso2022"):
                text = data.decode(self.encoding).encode()
                lines = text.split(self.line_end)
                if len(lines) == len(self.split(data)):
                    return text, lines, {}
        except UnicodeError:
            pass
        lines, errors = [], {}
        for number, line in enumerate(self.split(data)):
            try:
                decoded = line.decode(self.encoding).encode()
            except UnicodeError as error:
                errors[number] = f"not {self.encoding}: {describe_undecodable(error)}"
                decoded = line.decode(self.encoding, "replace").encode("utf-8", "replace")
            if self.line_end in decoded:
                errors[number] = f"not {self.encoding}: a line end inside the line"
                decoded = decoded.replace(self.line_end, b" ")
            lines.append(decoded)
        return self.line_end.join(lines), lines, errors

    def strip_carriage_return(self, line: bytes) -> bytes:
        """Return a delivered line without the carriage return that is part of its line end."""
        if self._line_end == "\r":
            return line
        end = self._encode("\r")
        return line.removesuffix(end) if len(line) % len(end) == 0 else line


def describe_undecodable(error: UnicodeError) -> str:
    """Return the bytes of a line that cannot be decoded, their place and the reason."""
    if isinstance(error, UnicodeDecodeError):
        shown = error.object[error.start : error.end].hex(" ")
        return f"byte {error.start + 1} of the line ({shown}): {error.reason}"
    return str(error)
