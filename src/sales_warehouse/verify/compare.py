"""Compare one file, read again, with its rows and rejects in the warehouse."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.feeds.normalise import normalise_header
from sales_warehouse.ledger.fates import Tally
from sales_warehouse.ledger.find_entries import BookedFile
from sales_warehouse.verify.read_again import BookedReject, CannotRead, Record, RejectPlace, SecondReading

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
    reading: SecondReading, entry: BookedFile, dialect: Dialect, columns: Sequence[str], rows: Iterator[Row]
) -> Iterator[Difference]:
    """Give the differences between a file and the warehouse, as they come up; none when they are equal.

    `rows` are the file's rows of the raw table by row number, `columns` the raw table's without file id and row number.
    A column the file does not have must be NULL in all of its rows. At last the figures on the books are compared.
    """
    header = [normalise_header(text) for text in reading.header]
    yield from _find_missing_columns(header, columns)
    places = [header.index(column) if column in header else None for column in columns]
    tally = Tally()
    row = next(rows, None)
    try:
        for found in reading:
            while row is not None and row[0] < found.row_number:
                yield _describe_extra(row)
                row = next(rows, None)
            if isinstance(found, RejectPlace):
                tally.rejected += found.raw is not None
                yield from _find_reject_differences(found, dialect, len(header))
            elif found.values is None:
                tally.skipped += 1
            elif len(found.values) != len(header):
                yield Difference(
                    "a record of the wrong width is not among the rejects",
                    found.line_number,
                    found.row_number,
                    expected=f"{len(header)} fields",
                    found=f"{len(found.values)} fields",
                )
            else:
                tally.loaded += 1
                if row is None or row[0] != found.row_number:
                    yield Difference("missing row", found.line_number, found.row_number, expected=found.text)
                else:
                    yield from _find_value_differences(found, found.values, places, columns, row)
                    row = next(rows, None)
    except CannotRead as error:
        yield Difference(
            f"the csv module cannot read on here: {error}", error.line_number, reading.row_number + 1,
            found="nothing behind it was compared",
        )  # fmt: skip
        return
    while row is not None:
        yield _describe_extra(row)
        row = next(rows, None)
    yield from _find_figure_differences(tally, entry)


def _find_missing_columns(header: Sequence[str], columns: Sequence[str]) -> Iterator[Difference]:
    for column in header:
        if column not in columns:
            yield Difference("missing column: the raw table does not have it", column=column)


def _find_value_differences(
    record: Record, values: Sequence[str | None], places: Sequence[int | None], columns: Sequence[str], row: Row
) -> Iterator[Difference]:
    expected = [None if place is None else values[place] for place in places]
    if expected == list(row[1]):
        return
    for column, should_be, is_ in zip(columns, expected, row[1], strict=True):
        if should_be != is_:
            yield Difference("another value", record.line_number, record.row_number, column, should_be, is_)


def _find_reject_differences(place: RejectPlace, dialect: Dialect, fields: int) -> Iterator[Difference]:
    booked = place.booked
    if place.raw is None:
        yield Difference(
            "a reject that is not in the file: no line begins at its byte offset",
            booked.line_number,
            booked.row_number,
            column="byte_offset",
            found=str(booked.byte_offset),
        )
        return
    compared = (
        ("row_number", str(place.row_number), str(booked.row_number)),
        ("line_number", str(place.line_number), str(booked.line_number)),
        ("raw", _show(place.raw), _show(booked.raw)),
    )
    for column, expected, found in compared:
        if expected != found:
            yield Difference("another reject", place.line_number, place.row_number, column, expected, found)
    if place.raw == booked.raw and not _can_be(booked, dialect, fields):
        yield Difference(
            "a reject whose reason does not fit its bytes",
            place.line_number,
            place.row_number,
            column="reason",
            expected="another reason, or a row",
            found=booked.reason,
        )


def _can_be(reject: BookedReject, dialect: Dialect, fields: int) -> bool:
    """Say whether the bytes of a reject can have been rejected for its reason; true for reasons not known here."""
    try:
        text: str | None = reject.raw.decode(codecs.lookup(dialect.encoding).name)
    except UnicodeError:
        text = None
    if reject.reason == "encoding":
        # in an encoding with states, or one that writes line ends in another way, only the line by itself is wrong
        return text is None or "\n" in text or not _is_simple(dialect.encoding)
    if text is None:
        return reject.reason not in ("too_few_fields", "too_many_fields", "nul")
    if reject.reason == "nul":
        return "\0" in text
    if reject.reason in ("unbalanced_quote", "stray_quote"):
        return dialect.quote in text
    if reject.reason in ("too_few_fields", "too_many_fields"):
        line = text.replace("\r", " ").replace("\n", " ")
        try:
            values = next(csv.reader([line], delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True), [])
        except csv.Error:
            return False
        return len(values) < fields if reject.reason == "too_few_fields" else len(values) > fields
    return True


def _is_simple(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "ascii", "cp1252", "iso8859-1")


def _describe_extra(row: Row) -> Difference:
    values = ", ".join("NULL" if value is None else value for value in row[1])
    return Difference("extra row: the file has no such record", row_number=row[0], found=values)


def _find_figure_differences(tally: Tally, entry: BookedFile) -> Iterator[Difference]:
    compared = (
        ("records_read", tally.read, entry.records_read),
        ("rows_loaded", tally.loaded, entry.rows_loaded),
        ("rows_rejected", tally.rejected, entry.rows_rejected),
        ("rows_skipped", tally.skipped, entry.rows_skipped),
    )
    for column, expected, found in compared:
        if expected != found:
            yield Difference("another figure on the books", None, None, column, f"{expected:,}", f"{found:,}")


def _show(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
