"""Turn header texts into column names."""

import re
import unicodedata

MAX_IDENTIFIER_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1; a longer name would be cut in silence

_WORD_STARTS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[\W_]+")


def normalise_header(text: str) -> str:
    """Return the column name a header text stands for.

    ``InvoiceNo``, ``Invoice No`` and ``invoice_no`` all give ``invoice_no``; ``CustomerID`` gives
    ``customer_id`` and ``Sub-Category`` gives ``sub_category``. Leading and trailing underscores go,
    so no header can collide with the loader's own ``_file_id`` and ``_row_number``. The result is
    empty when the text holds no letter or digit.
    """
    text = unicodedata.normalize("NFKC", text)
    # Lower case first: of some letters it is two characters, and the second is no letter.
    return _NO_WORD.sub("_", _WORD_STARTS.sub("_", text).lower()).strip("_")
