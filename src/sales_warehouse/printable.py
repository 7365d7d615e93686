r"""Show control characters as Python writes them, ``\x1b`` or ``\u202e``, instead of sending them to a terminal.

File names, headers and values come from senders. An escape sequence in them could recolour or overwrite the output, a
right-to-left mark could reverse it, a line break could forge a line.
"""

import re

_LINES = "\n\t"
# control characters, marks of direction, separators of lines, halves of characters that no encoding can write
_ACTING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
_IN_TEXT = re.compile(f"[{_ACTING}]")
_IN_LINE = re.compile(f"[{_ACTING}{_LINES}]")


def show_text(text: str) -> str:
    """Return a text that may have several lines."""
    return _IN_TEXT.sub(_write, text)


def show_line(text: str) -> str:
    """Return a text that must stay on one line, such as a name."""
    return _IN_LINE.sub(_write, text)


def show_json(text: str) -> str:
    """Return JSON with the same meaning and no control character."""
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]
