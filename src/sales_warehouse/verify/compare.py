"""Compare a file, read a second time, with its rows, rejects and skipped lines in the warehouse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.masks import Masks
from sales_warehouse.ledger.outcomes import SkippedLine, Tally
from sales_warehouse.verify.records import KEPT_KINDS, CannotRead, Record, RejectPlace, SecondReading, Values

Row = tuple[int, Sequence[str | None]]  # row number, values in the order of the raw table's columns
Kept = tuple[Iterator[Row], Iterator[SkippedLine]]


@dataclass(frozen=True)
class Difference:
    """A difference between file and warehouse: `expected` by the file, `found` in the warehouse."""

    what: str
    line_number: int | None = None
    row_number: int | None = None
    column: str | None = None
    expected: str | None = None
    found: str | None = None


def find_differences(
    reading: SecondReading, entry: LedgerFile, columns: Sequence[str], kept: Kept, masks: Masks | None = None
) -> Iterator[Difference]:
    """Give the differences between a file and the warehouse, in the order of the file; none when they are equal.

    `kept` are the file's rows of the raw table by row number, and its skipped lines in the ledger by line number;
    `columns` are the raw table's without file id and row number. Erased persons are masked in the file first. A column
    that the file does not have must be NULL in all of its rows. The figures in the ledger are compared last.
    """
    for column in reading.columns:
        if column is not None and column not in columns:
            yield Difference("missing column: the raw table does not have it", column=column)
    comparison = _Comparison(reading, columns, kept, masks)
    try:
        for found in reading:
            yield from comparison.take(found)
    except CannotRead as error:
        what = f"the second reading cannot go on here: {error}"
        yield Difference(what, error.line_number, reading.row_number, found="nothing behind it was compared")
    else:
        yield from comparison.finish(entry)


def _differ(place: Record | RejectPlace | SkippedLine, what: str, **details: str | None) -> Difference:
    return Difference(what, place.line_number, place.row_number, **details)


def _compare(place: Record | RejectPlace, what: str, **pairs: tuple[object, object]) -> Iterator[Difference]:
    """Compare the expected and the found value of each column."""
    for column, (expected, found) in pairs.items():
        if expected != found:
            yield _differ(place, what, column=column, expected=_show(expected), found=_show(found))


class _Comparison:
    """How far the rows and the skipped lines of the warehouse are compared."""

    def __init__(self, reading: SecondReading, columns: Sequence[str], kept: Kept, masks: Masks | None) -> None:
        self._reading, self._columns, self._masks = reading, columns, masks
        self._rows, self._skips = kept
        names = list(reading.columns)
        self._width = len(names)
        self._places = [names.index(column) if column in names else None for column in columns]
        self._tally = Tally()
        self._row = next(self._rows, None)
        self._skip = next(self._skips, None)

    def take(self, found: Record | RejectPlace) -> Iterator[Difference]:
        """Compare the next record or reject of the file."""
        if found.row_number is not None:
            yield from self._take_extra_rows(found.row_number)
        if isinstance(found, RejectPlace):
            yield from self._compare_reject(found)
        elif found.values is None:
            self._tally.skipped += found.row_number is not None
            if found.skipped_as in KEPT_KINDS:
                yield from self._compare_skip(found)
        elif found.problem is not None:
            what = f"a record that cannot be loaded ({found.problem}) is not among the rejects"
            yield _differ(found, what, expected=self._mask(found.text))
        elif len(found.values) != self._width:
            what = "a record of the wrong width is not among the rejects"
            yield _differ(found, what, expected=f"{self._width} fields", found=f"{len(found.values)} fields")
        else:
            yield from self._compare_rows(found, found.text, [found.values, *found.more])

    def finish(self, entry: LedgerFile) -> Iterator[Difference]:
        """Compare what is left at the end of the file, and the figures in the ledger."""
        yield from self._take_extra_rows()
        yield from self._take_extra_skips()
        for column, figure in (
            ("records_read", self._tally.read),
            ("records_loaded", self._tally.loaded),
            ("rows_loaded", self._tally.rows),
            ("rows_rejected", self._tally.rejected),
            ("rows_skipped", self._tally.skipped),
        ):
            found = getattr(entry, column)
            if figure != found:
                yield Difference("another figure in the ledger", None, None, column, f"{figure:,}", f"{found:,}")

    def _take_extra_rows(self, before: int | None = None) -> Iterator[Difference]:
        while self._row is not None and (before is None or self._row[0] < before):
            number, values = self._row
            self._row = next(self._rows, None)
            shown = ", ".join("NULL" if value is None else value for value in values)
            yield Difference("extra row: the file has no such record", row_number=number, found=shown)

    def _take_extra_skips(self, before: Record | None = None) -> Iterator[Difference]:
        while self._skip is not None and (before is None or _order(self._skip) < _order(before)):
            booked, self._skip = self._skip, next(self._skips, None)
            what = f"a {booked.kind} line in the ledger that is none in the file"
            yield _differ(booked, what, found=_show(booked.raw))

    def _compare_rows(self, place: Record | RejectPlace, text: str, rows: Sequence[Values]) -> Iterator[Difference]:
        self._tally.loaded += 1
        self._tally.more_rows += len(rows) - 1
        for values in rows:
            yield from self._compare_row(place, text, values)

    def _compare_row(self, place: Record | RejectPlace, text: str, values: Values) -> Iterator[Difference]:
        if self._row is None or self._row[0] != place.row_number:
            yield _differ(place, "missing row", expected=self._mask(text))
            return
        row, self._row = self._row, next(self._rows, None)
        expected = [
            self._reading.constants.get(column) if index is None else values[index]
            for column, index in zip(self._columns, self._places, strict=True)
        ]
        if self._masks is not None:
            expected = self._masks.mask_row(self._columns, expected)
        if expected == list(row[1]):
            return
        for column, should_be, is_ in zip(self._columns, expected, row[1], strict=True):
            if should_be != is_ and not self._mean_the_same(column, should_be, is_):
                yield _differ(place, "another value", column=column, expected=should_be, found=is_)

    def _mask(self, text: str) -> str:
        return text if self._masks is None else self._masks.mask_text(text)

    def _mask_bytes(self, raw: bytes) -> bytes:
        return raw if self._masks is None else self._masks.mask_bytes(raw)

    def _mean_the_same(self, column: str, one: str | None, other: str | None) -> bool:
        form = self._reading.normal_forms.get(column)
        return form is not None and one is not None and other is not None and form(one) == form(other)

    def _compare_skip(self, line: Record) -> Iterator[Difference]:
        yield from self._take_extra_skips(line)
        if self._skip is None or self._skip.line_number != line.line_number:
            what = f"a {line.skipped_as} line is not among the skipped lines in the ledger"
            yield _differ(line, what, expected=_show(self._mask_bytes(line.raw)))
            return
        booked, self._skip = self._skip, next(self._skips, None)
        yield from _compare(
            line,
            "another skipped line",
            row_number=(line.row_number, booked.row_number),
            kind=(line.skipped_as, booked.kind),
            raw=(self._mask_bytes(line.raw), booked.raw),
        )

    def _compare_reject(self, place: RejectPlace) -> Iterator[Difference]:
        booked = place.booked
        if place.raw is None:
            what, offset = "a reject that is not in the file: no record begins at its place", str(booked.byte_offset)
            yield Difference(what, booked.line_number, booked.row_number, column="byte_offset", found=offset)
            return
        yield from _compare(
            place,
            "another reject",
            row_number=(place.row_number, booked.row_number),
            line_number=(place.line_number, booked.line_number),
            raw=(self._mask_bytes(place.raw), booked.raw),
        )
        if place.raw == booked.raw and not place.fits_reason:
            what, expected = "a reject whose reason does not fit its bytes", "another reason, or a row"
            yield _differ(place, what, column="reason", expected=expected, found=booked.reason)
        if booked.replayed_as is None:
            self._tally.rejected += 1
        else:
            yield from self._compare_replayed(place, booked.replayed_as)

    def _compare_replayed(self, place: RejectPlace, text: str) -> Iterator[Difference]:
        """Compare the rows of a repaired record with the text that replaced the record."""
        try:
            rows = self._reading.parse_rows(text)
            problem = f"{len(rows[0])} fields" if rows else "no items"
        except CannotRead as error:
            rows, problem = [], str(error)
        if rows and len(rows[0]) == self._width:
            yield from self._compare_rows(place, text, rows)
        else:
            self._tally.loaded += 1
            what, expected = "a replayed record whose repaired text is none", f"{self._width} fields"
            yield _differ(place, what, column="replayed_as", expected=expected, found=problem)


def _order(place: Record | SkippedLine) -> tuple[int, int]:
    """Return the order of skipped lines; one line of a JSON document may have several."""
    return place.line_number, place.row_number or 0


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "NULL" if value is None else str(value)
