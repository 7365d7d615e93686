"""Compare a file that was copied with the control figures of its sender."""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import RECORDS, Control
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.outcomes import SkippedLine, Tally
from sales_warehouse.ledger.prepare import raw_table, summarise_new_rows
from sales_warehouse.load.outcome import FileRefused

_SHOWN_CHARACTERS = 80
_KEPT_LINES = 3  # one is expected, the others are for the message

# A number in a figure or a summed value, as the server accepts it; the exponent is limited, as all digits are written.
_NUMBER = r"[+-]?([0-9]{1,60}(MARK[0-9]{0,60})?|MARK[0-9]{1,60})([eE][+-]?[0-9]{1,2})?"
_NUMBER_PATTERNS = {mark: f"^{_NUMBER.replace('MARK', re.escape(mark))}$" for mark in (".", ",")}


@dataclass(frozen=True)
class ControlLine:
    """The place of control figures, and the figures as they are written there."""

    place: str
    figures: dict[str, str | None]


class TrailerLines:
    """The control lines among the skipped lines of a file; the first ones are enough."""

    def __init__(self, control: Control | None, encoding: str) -> None:
        self._pattern = re.compile(control.pattern) if control is not None and control.file is None else None
        name = codecs.lookup(encoding).name
        # only the start of a file has the byte order mark
        self._encodings = [f"{name}-le", f"{name}-be"] if name in ("utf-16", "utf-32") else [name]
        self.lines: list[ControlLine] = []

    def add(self, lines: Iterable[SkippedLine]) -> None:
        """Add skipped lines in the order of the file."""
        if self._pattern is None:
            return
        for line in lines:
            if line.kind == "trailer" and len(self.lines) < _KEPT_LINES:
                texts = (line.raw.decode(encoding, "replace") for encoding in self._encodings)
                if found := next(filter(None, map(self._pattern.search, texts)), None):
                    self.lines.append(ControlLine(f"line {line.line_number:,}", found.groupdict()))


def check_control(cursor: Cursor, file: InboxFile, file_id: int, tally: Tally, trailers: TrailerLines) -> None:
    """Compare the records that were read and the rows that were copied with the control figures.

    `records` is the number of records without the skipped ones; any other figure is the exact sum of a column over the
    file's rows. Raises `FileRefused` with all figures that differ, expected and found.
    """
    control = file.feed.contract.control
    if control is None:
        return
    line = _the_one_line(_read_side_file(file, control) if control.file else trailers.lines, file, control)
    expected = {figure: _parse(line, figure, control) for figure in control.figures}
    found = {RECORDS: Decimal(tally.loaded + tally.rejected)} if RECORDS in expected else {}
    if columns := [figure for figure in control.figures if figure != RECORDS]:
        found |= _sum(cursor, file, file_id, columns, control.decimal)
    differing = [
        f"{figure}: expected {expected[figure]:f}, found {found[figure]:f}"
        for figure in control.figures
        if expected[figure] != found[figure]
    ]
    if differing:
        raise FileRefused(
            f"the control figures ({line.place}) do not agree: {'; '.join(differing)}. "
            "The delivery is incomplete, or its figures are wrong. Ask for it again."
        )


def _read_side_file(file: InboxFile, control: Control) -> list[ControlLine]:
    """Return the control lines of the control file; raise `FileRefused` when it is not text."""
    assert file.side is not None
    content = file.side.content
    assert content is not None  # a delivery without its control file waits
    encoding = codecs.lookup(file.feed.dialect.encoding).name
    try:
        text = content.decode({"utf-8": "utf-8-sig"}.get(encoding, encoding))
    except UnicodeError as error:
        raise FileRefused(f"the control file {file.side.uri} is not {encoding}: {error}. Ask for it again.") from None
    text = "\n".join(text.splitlines())
    found = re.finditer(control.pattern, text, re.MULTILINE)
    return [
        ControlLine(f"{file.side.uri}, line {text.count(chr(10), 0, match.start()) + 1:,}", match.groupdict())
        for match in found
    ]


def _the_one_line(lines: Sequence[ControlLine], file: InboxFile, control: Control) -> ControlLine:
    if len(lines) == 1:
        return lines[0]
    where = f"the control file {file.side.uri}" if file.side is not None else "the file"
    option = "control.pattern" if control.file else "control.trailer"
    if not lines:
        raise FileRefused(
            f"{where} states no control figures: no line matches {option}. It is cut short, or the pattern of the "
            "feed's declaration is wrong. Ask for it again, or correct the pattern."
        )
    places = ", ".join(line.place for line in lines[:_KEPT_LINES])
    raise FileRefused(
        f"{where} states control figures more than once: {option} matches {places}. Correct the file, or the pattern "
        "of the feed's declaration."
    )


def _parse(line: ControlLine, figure: str, control: Control) -> Decimal:
    text = (line.figures[figure] or "").strip()
    pattern = "^[0-9]{1,18}$" if figure == RECORDS else _NUMBER_PATTERNS[control.decimal]
    if not re.match(pattern, text):
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        raise FileRefused(
            f"the control figures ({line.place}) cannot be read: {figure} is {shown!r}, which is not a number"
            f"{'' if figure == RECORDS else f' with the decimal mark {control.decimal!r}'}. "
            "Correct it, or the control of the feed's declaration."
        )
    return Decimal(text.replace(control.decimal, "."))


def _sum(cursor: Cursor, file: InboxFile, file_id: int, columns: Sequence[str], mark: str) -> dict[str, Decimal]:
    """Return the sums of columns over the file's rows; an empty value is 0.

    Raises `FileRefused` with the first row whose value is not a number.
    """
    summarise_new_rows(cursor, file.feed)  # so that the rows of other files are not read
    sums = []
    for column in columns:
        value = sql.SQL("nullif(btrim({}, E' \\t\\r\\n'), '')").format(sql.Identifier(column))
        is_number = sql.SQL("{} ~ {}").format(value, sql.Literal(_NUMBER_PATTERNS[mark]))
        sums.append(
            sql.SQL(
                "coalesce(sum(case when {is_number} then replace({value}, {mark}, '.')::numeric end), 0), "
                "min(_row_number) filter (where not {is_number})"
            ).format(is_number=is_number, value=value, mark=sql.Literal(mark))
        )
    cursor.execute(
        sql.SQL("select {} from {} where _file_id = %s").format(sql.SQL(", ").join(sums), raw_table(file.feed)),
        (file_id,),
    )
    row = cursor.fetchone()
    assert row is not None
    for column, wrong in zip(columns, row[1::2], strict=True):
        if wrong is not None:
            select = sql.SQL("select left({}, %s) from {} where _file_id = %s and _row_number = %s")
            cursor.execute(
                select.format(sql.Identifier(column), raw_table(file.feed)), (_SHOWN_CHARACTERS, file_id, wrong)
            )
            [text] = cursor.fetchone() or ("",)
            raise FileRefused(
                f"{column} cannot be summed for the control figures: {text!r} in row {wrong:,} is not a number with "
                f"the decimal mark {mark!r}. Correct the file, or the control of the feed's declaration."
            )
    return dict(zip(columns, row[::2], strict=True))
