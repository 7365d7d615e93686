"""Where words go: results to standard output, everything else to standard error, so that output can be piped."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from sales_warehouse.printable import show_text

# Without a terminal there is no width to keep to; Rich would fold everything into 80 columns.
_WIDTH_OF_A_PIPE = 1000


class _SafeConsole(Console):
    """Shows control characters instead of obeying them, whoever wrote the text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is to be seen; all that is printed or put into a table passes through here."""
        return super().render_str(show_text(text), **options)


# no emoji: `:tea:` in a product's name is text
out = _SafeConsole(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
err = _SafeConsole(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _WIDTH_OF_A_PIPE)
