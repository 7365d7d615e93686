"""Remove the fields of columns that are not loaded from COPY data."""

import re
from collections.abc import Sequence

from sales_warehouse.load.readers.grammar import Grammar


class FieldFilter:
    """Keeps file id, row number and some fields of each record; all are sound, so one pattern matches them."""

    def __init__(self, grammar: Grammar, is_kept: Sequence[bool]) -> None:
        """`is_kept` tells for each column of the file whether its field is kept."""
        delimiter, quote = re.escape(grammar.copy_delimiter), re.escape(grammar.copy_quote)
        in_csv = b"(?:%b(?:[^%b]++|%b%b)*+%b|[^%b%b\n]*+)" % (quote, quote, quote, quote, quote, delimiter, quote)
        in_text = b"(?:[^%b\\\\\n]++|\\\\.)*+" % delimiter
        self._in_csv, self._in_text = (_compile(field, delimiter, is_kept) for field in (in_csv, in_text))

    def apply(self, data: bytes, is_plain_text: bool) -> bytes:
        """Return the COPY data, in the text format or CSV, without the fields that are not kept."""
        pattern, template = self._in_text if is_plain_text else self._in_csv
        return pattern.sub(template, data)


def _compile(field: bytes, delimiter: bytes, is_kept: Sequence[bool]) -> tuple[re.Pattern[bytes], bytes]:
    """Return a pattern for a record, with a group for each run of kept fields, and the template of these groups."""
    runs: list[tuple[bool, int]] = [(True, 1)]  # the row number; the file id has no delimiter in front
    for kept in is_kept:
        if kept == runs[-1][0]:
            runs[-1] = (kept, runs[-1][1] + 1)
        else:
            runs.append((kept, 1))
    parts = []
    for kept, count in runs:
        fields = b"(?:%b%b){%d}" % (delimiter, field, count)
        parts.append(b"(%b)" % fields if kept else fields)
    groups = sum(kept for kept, _ in runs)
    template = b"".join(b"\\g<%d>" % number for number in range(1, groups + 2))
    return re.compile(b"^(%b)%b\n" % (field, b"".join(parts)), re.DOTALL | re.MULTILINE), template + b"\n"
