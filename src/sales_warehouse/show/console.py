"""Where words go: results to standard output, everything else to standard error, so that output can be piped."""

import sys

from rich.console import Console

# Without a terminal there is no width to keep to; Rich would fold everything into 80 columns.
_WIDTH_OF_A_PIPE = 1000

# no emoji: `:tea:` in a product's name is text
out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
err = Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _WIDTH_OF_A_PIPE)
