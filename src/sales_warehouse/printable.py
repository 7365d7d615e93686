r"""Show characters that would act on a terminal instead of being seen, as Python writes them: ``\x1b``, ``\u202e``.

Names of files, headers and values come from senders. An escape sequence among them could recolour or overwrite what a
person reads, a right-to-left mark turn it around, a line break forge a line of output.
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
    """Return a text that has to stay in its line, such as a name."""
    return _IN_LINE.sub(_write, text)


def show_json(text: str) -> str:
    """Return JSON that means the same and acts on no terminal."""
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]
