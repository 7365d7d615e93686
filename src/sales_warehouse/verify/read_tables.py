"""Read a workbook or a Parquet file a second time, by another library than the loader's, in a process of its own."""

import importlib.util
import json
import re
from collections.abc import Iterator
from typing import Any

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.readers.parse_in_subprocess import SubprocessContent
from sales_warehouse.verify.records import NotComparable, Record, RejectPlace, SecondReading, Values
from sales_warehouse.verify.write_values import read_row, write_in_micros, write_in_utc, write_row

# The module that reads a format a second time, and the package to install for it; xlsx needs none.
_LIBRARIES = {
    "parquet": ("duckdb", "duckdb"),
    "xls": ("python_calamine", "python-calamine"),
}
_PROGRAM = "sales_warehouse.verify.reread_in_subprocess"
_ERROR = re.compile(r"#[A-Z/0!?]+")
_NUMBER = re.compile("-?[0-9.]+")
_DATE = re.compile("[0-9]-[0-9]|:")


class TableReading(SecondReading):
    """A workbook or a Parquet file, read a second time row by row."""

    def __init__(self, content: ContentReader, feed: Feed, rejects: Iterator[Reject]) -> None:
        """`rejects` come by their row number.

        Raises `NotComparable` where the library is missing or cannot read what the file holds, and `FileRefused` for a
        content that is not of its format.
        """
        module, package = _LIBRARIES.get(feed.file_format, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            raise NotComparable(
                f"not compared: {feed.file_format} is read a second time by {package}, which is not installed. "
                f"Install it: pip install {package}"
            )
        super().__init__(feed, rejects)
        self._lines_before = 0 if feed.file_format == "parquet" else feed.workbook.header_row
        self._hides_errors = feed.file_format == "xls"  # python-calamine gives a cell with an error as an empty one
        self._process = SubprocessContent(content, feed, _PROGRAM)
        try:
            head = json.loads(self._process.read())["header"]
            if "not_comparable" in head:
                raise NotComparable(head["not_comparable"][0])
        except BaseException:
            self.close()
            raise
        self.columns = self.name_columns(head["names"])
        forms = {"instants": write_in_utc, "micros": write_in_micros}
        for kind, form in forms.items():
            self.normal_forms |= {column: form for column in self.name_columns(head.get(kind, [])) if column}

    def close(self) -> None:
        """End the process that reads."""
        self._process.__exit__()

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        for kind, *cells in self._read_rows():
            self.row_number += 1
            line_number = self.row_number + self._lines_before
            while self.reject is not None and self.reject.row_number < self.row_number:
                yield RejectPlace(self.take_reject(), self.row_number, line_number, None)
            if self.reject is not None and self.reject.row_number == self.row_number:
                yield self._place(self.take_reject(), kind, cells, line_number)
            elif kind in ("blank", "total"):
                yield Record(self.row_number, line_number, write_row(cells), None, kind)
            else:
                problem = None if kind == "record" else kind
                yield Record(self.row_number, line_number, write_row(cells), list(cells), problem=problem)
        while self.reject is not None:
            yield RejectPlace(self.take_reject(), self.row_number, self.row_number + self._lines_before, None)

    def _read_rows(self) -> Iterator[list[Any]]:
        while group := self._process.read():
            yield from json.loads(group)

    def _place(self, reject: Reject, kind: str, cells: Values, line_number: int) -> RejectPlace:
        if self._hides_errors and reject.reason == "bad_cell":
            booked = read_row(reject.raw.decode("utf-8", "surrogateescape"))
            unseen = [*cells, *[None] * (len(booked) - len(cells))]
            cells = [held if _is_hidden(held or "", seen) else seen for seen, held in zip(unseen, booked, strict=False)]
            is_found = any(_is_hidden(held or "", seen) for seen, held in zip(unseen, booked, strict=False))
            kind = "bad_cell" if is_found else kind
        raw = write_row(cells).encode("utf-8", "surrogateescape")
        return RejectPlace(reject, self.row_number, line_number, raw, kind == reject.reason)

    def parse(self, text: str) -> Values:
        """Return the values of one row that is written with tabs between them."""
        return read_row(text)


def _is_hidden(held: str, seen: str | None) -> bool:
    """Say whether python-calamine hides what a cell of an xls held: an error, or a date outside of the calendar."""
    if seen is None:
        return _ERROR.fullmatch(held) is not None
    return _NUMBER.fullmatch(held) is not None and _DATE.search(seen) is not None
