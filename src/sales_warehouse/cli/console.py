"""Two consoles: results go to standard output, everything else to standard error, so that output can be piped."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from sales_warehouse.printable import show_text

# A pipe has no width. Rich would fold everything into 80 columns.
_PIPE_WIDTH = 1_000_000


class _SafeConsole(Console):
    """Shows control characters as text instead of sending them to the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the visible form of a text; every printed string passes through here."""
        return super().render_str(show_text(text), **options)


# no emoji: `:tea:` in a product's name is text
out = _SafeConsole(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = _SafeConsole(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _PIPE_WIDTH)


def note(message: str) -> None:
    """Print a message as it is, below a result; the terminal breaks long lines, so that paths can be copied."""
    out.print(message, markup=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a message as it is to standard error."""
    err.print(message, markup=False, soft_wrap=True)


def count(number: int, thing: str) -> str:
    """Return a number with what it counts: ``1 file``, ``1,204 files``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
