"""Compare one file, read again, with its rows, rejects and skipped lines in the warehouse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.verify.records import (
    KEPT_KINDS,
    BookedSkip,
    CannotRead,
    Record,
    RejectPlace,
    SecondReading,
    Values,
)

Row = tuple[int, Sequence[str | None]]  # row number, values in the order of the raw table's columns


@dataclass(frozen=True)
class Difference:
    """One thing on which file and warehouse do not agree: `expected` by the file, `found` in the warehouse."""

    what: str
    line_number: int | None = None
    row_number: int | None = None
    column: str | None = None
    expected: str | None = None
    found: str | None = None


def find_differences(
    reading: SecondReading, entry: LedgerFile, columns: Sequence[str], rows: Iterator[Row], skips: Iterator[BookedSkip]
) -> Iterator[Difference]:
    """Give the differences between a file and the warehouse, as they come up; none when they are equal.

    `rows` are the file's rows of the raw table by row number, `columns` the raw table's without file id and row number,
    `skips` its skipped lines in the ledger by line number. A column the file does not have must be NULL in all of its
    rows. At last the figures in the ledger is compared.
    """
    yield from _find_missing_columns(reading.columns, columns)
    comparison = _Comparison(reading, columns, rows, skips)
    try:
        for found in reading:
            yield from comparison.take(found)
    except CannotRead as error:
        yield Difference(
            f"the second reading cannot go on here: {error}", error.line_number, reading.row_number,
            found="nothing behind it was compared",
        )  # fmt: skip
        return
    yield from comparison.finish(entry)


def _find_missing_columns(names: Sequence[str | None], columns: Sequence[str]) -> Iterator[Difference]:
    for column in names:
        if column is not None and column not in columns:
            yield Difference("missing column: the raw table does not have it", column=column)


class _Comparison:
    """How far the rows and the skipped lines of the warehouse are compared."""

    def __init__(
        self, reading: SecondReading, columns: Sequence[str], rows: Iterator[Row], skips: Iterator[BookedSkip]
    ) -> None:
        self._reading, self._columns, self._rows, self._skips = reading, columns, rows, skips
        names = list(reading.columns)
        self._width = len(names)
        self._places = [names.index(column) if column in names else None for column in columns]
        self._tally = Tally()
        self._row = next(rows, None)
        self._skip = next(skips, None)

    def take(self, found: Record | RejectPlace) -> Iterator[Difference]:
        """Compare what stands next in the file."""
        if found.row_number is not None:
            while self._row is not None and self._row[0] < found.row_number:
                yield self._take_extra()
        if isinstance(found, RejectPlace):
            yield from self._compare_reject(found)
        elif found.values is None:
            self._tally.skipped += found.row_number is not None
            if found.skipped_as in KEPT_KINDS:
                yield from self._compare_skip(found)
        elif found.problem is not None:
            yield Difference(
                f"a record that cannot be loaded ({found.problem}) is not among the rejects",
                found.line_number, found.row_number, expected=found.text,
            )  # fmt: skip
        elif len(found.values) != self._width:
            yield Difference(
                "a record of the wrong width is not among the rejects",
                found.line_number,
                found.row_number,
                expected=f"{self._width} fields",
                found=f"{len(found.values)} fields",
            )
        else:
            self._tally.loaded += 1
            yield from self._compare_row(found.line_number, found.row_number, found.text, found.values)

    def finish(self, entry: LedgerFile) -> Iterator[Difference]:
        """Compare what is left when the file is at its end, and the figures in the ledger."""
        while self._row is not None:
            yield self._take_extra()
        while self._skip is not None:
            yield self._take_extra_skip()
        for column, expected, found in (
            ("records_read", self._tally.read, entry.records_read),
            ("rows_loaded", self._tally.loaded, entry.rows_loaded),
            ("rows_rejected", self._tally.rejected, entry.rows_rejected),
            ("rows_skipped", self._tally.skipped, entry.rows_skipped),
        ):
            if expected != found:
                yield Difference("another figure in the ledger", None, None, column, f"{expected:,}", f"{found:,}")

    def _take_extra(self) -> Difference:
        assert self._row is not None
        number, values = self._row
        self._row = next(self._rows, None)
        shown = ", ".join("NULL" if value is None else value for value in values)
        return Difference("extra row: the file has no such record", row_number=number, found=shown)

    def _compare_row(self, line_number: int, row_number: int | None, text: str, values: Values) -> Iterator[Difference]:
        if self._row is None or self._row[0] != row_number:
            yield Difference("missing row", line_number, row_number, expected=text)
            return
        row, self._row = self._row, next(self._rows, None)
        expected = [None if place is None else values[place] for place in self._places]
        if expected == list(row[1]):
            return
        for column, should_be, is_ in zip(self._columns, expected, row[1], strict=True):
            if should_be != is_ and not self._mean_the_same(column, should_be, is_):
                yield Difference("another value", line_number, row_number, column, should_be, is_)

    def _mean_the_same(self, column: str, one: str | None, other: str | None) -> bool:
        form = self._reading.normal_forms.get(column)
        return form is not None and one is not None and other is not None and form(one) == form(other)

    def _compare_skip(self, line: Record) -> Iterator[Difference]:
        while self._skip is not None and self._skip.line_number < line.line_number:
            yield self._take_extra_skip()
        if self._skip is None or self._skip.line_number != line.line_number:
            yield Difference(
                f"a {line.skipped_as} line is not among the skipped lines in the ledger",
                line.line_number,
                line.row_number,
                expected=_show(line.raw),
            )
            return
        booked, self._skip = self._skip, next(self._skips, None)
        for column, expected, found in (
            ("row_number", _show_number(line.row_number), _show_number(booked.row_number)),
            ("kind", str(line.skipped_as), booked.kind),
            ("raw", _show(line.raw), _show(booked.raw)),
        ):
            if expected != found:
                yield Difference("another skipped line", line.line_number, line.row_number, column, expected, found)

    def _take_extra_skip(self) -> Difference:
        assert self._skip is not None
        booked, self._skip = self._skip, next(self._skips, None)
        return Difference(
            f"a {booked.kind} line in the ledger that is none in the file",
            booked.line_number,
            booked.row_number,
            found=_show(booked.raw),
        )

    def _compare_reject(self, place: RejectPlace) -> Iterator[Difference]:
        booked = place.booked
        if place.raw is None:
            yield Difference(
                "a reject that is not in the file: no record begins at its place",
                booked.line_number,
                booked.row_number,
                column="byte_offset",
                found=str(booked.byte_offset),
            )
            return
        for column, expected, found in (
            ("row_number", str(place.row_number), str(booked.row_number)),
            ("line_number", str(place.line_number), str(booked.line_number)),
            ("raw", _show(place.raw), _show(booked.raw)),
        ):
            if expected != found:
                yield Difference("another reject", place.line_number, place.row_number, column, expected, found)
        if place.raw == booked.raw and not place.fits_reason:
            yield Difference(
                "a reject whose reason does not fit its bytes",
                place.line_number,
                place.row_number,
                column="reason",
                expected="another reason, or a row",
                found=booked.reason,
            )
        if booked.replayed_as is None:
            self._tally.rejected += 1
        else:
            yield from self._compare_replayed(place, booked.replayed_as)

    def _compare_replayed(self, place: RejectPlace, text: str) -> Iterator[Difference]:
        """Compare the row of a repaired record with the text it was repaired to."""
        self._tally.loaded += 1
        try:
            values = self._reading.parse(text)
        except CannotRead as error:
            values, problem = [], str(error)
        else:
            problem = f"{len(values)} fields"
        if len(values) != self._width:
            yield Difference(
                "a replayed record whose repaired text is none",
                place.line_number,
                place.row_number,
                "replayed_as",
                f"{self._width} fields",
                problem,
            )
            return
        yield from self._compare_row(place.line_number, place.row_number, text, values)


def _show(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _show_number(number: int | None) -> str:
    return "NULL" if number is None else str(number)
