"""Load public suites of difficult CSV files, each with its own declared dialect, and compare with the right answers.

- csv-spectrum: 12 files and their answers as JSON.
- Pollock (Hasso Plattner Institute): a sales file corrupted in many ways, the dialect of each, and the right answers.

Every file is a feed of its own in the database of the caller. One run of the loader loads all files.
"""

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Dialect, Feed, MaxRejects
from sales_warehouse.feeds.names import normalise_header
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.reporter import Reporter

Table = list[list[str]]

EQUAL = "equal"
EQUAL_BUT_FOR_REJECTS = "equal but for rejects"
REFUSED = "refused as a whole"
WRONG = "silently wrong"
VERDICTS = (EQUAL, EQUAL_BUT_FOR_REJECTS, REFUSED, WRONG)


@dataclass(frozen=True)
class Loaded:
    """The result of loading one file: its rows and rejects by position among the records, NULL as empty text."""

    outcome: Outcome
    rows: dict[int, list[str]]
    rejects: list[int]

    def judge(self, right: Table) -> str:
        """Compare with the right answer, record by record; a blank line is not a record of the answer."""
        if self.outcome.status == "refused":
            return REFUSED
        positions = sorted([*self.rows, *self.rejects])
        # after the last record of the answer only rejects are allowed
        if len(positions) < len(right) or any(position in self.rows for position in positions[len(right) :]):
            return WRONG
        expected = {position: row for position, row in zip(positions, right, strict=False) if position in self.rows}
        if expected != self.rows:
            return WRONG
        return EQUAL_BUT_FOR_REJECTS if self.rejects else EQUAL


@dataclass(frozen=True)
class Verdict:
    """The verdict on one file of a suite."""

    name: str
    verdict: str
    message: str | None


def run_csv_spectrum(connection: Connection, suite: Path, inbox: Path) -> list[Verdict]:
    """Load the 12 files, all with the same dialect: quotes inside an unquoted field are text."""
    feeds, answers = [], {}
    for path in sorted((suite / "csvs").glob("*.csv")):
        answer = json.loads((suite / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        records = answer if isinstance(answer, list) else [answer]
        if path.stem == "location_coordinates":
            # The answer has another telephone number than the file, which has 2095257564.
            assert records[0]["Contact Phone Number"] == "1234567890"
            records[0]["Contact Phone Number"] = "2095257564"
        feeds.append(_make_feed("spectrum", path, list(records[0]), Dialect(stray_quotes="text")))
        answers[path.stem] = [list(record.values()) for record in records]
    loaded = _load(connection, feeds, inbox, suite / "csvs")
    return [Verdict(name, loaded[name].judge(answer), loaded[name].outcome.message) for name, answer in answers.items()]


def run_pollock(connection: Connection, suite: Path, inbox: Path, out: Path | None = None) -> list[Verdict]:
    """Load each file with the dialect of its parameters; a file with a second header in the middle is refused.

    Writes what was loaded into `out`, in the layout of Pollock's own evaluation: ``<out>/<name>_converted.csv``.
    """
    feeds, answers, names = [], {}, {}
    for path in sorted((suite / "csv").glob("*.csv")):
        parameters = json.loads((suite / "parameters" / f"{path.name}_parameters.json").read_text(encoding="utf-8"))
        with (suite / "clean" / path.name).open(encoding="utf-8", newline="") as file:
            answer = list(csv.reader(file))
        header = answer[:1] if parameters["header_lines"] else []
        # a file without header or without a record has no column names among its parameters
        columns = parameters["column_names"] or (
            header[0] if header else [f"c{number}" for number in range(parameters["n_columns"] or 1)]
        )
        feeds.append(_make_feed("pollock", path, columns, _read_dialect(parameters)))
        answers[path.stem], names[path.stem] = answer[len(header) :], (columns if header else None)
    loaded = _load(connection, feeds, inbox, suite / "csv")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, columns in names.items():
            with (out / f"{name}.csv_converted.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
                if columns is not None:
                    writer.writerow(columns)
                writer.writerows(loaded[name].rows.values())
    return [Verdict(name, loaded[name].judge(answer), loaded[name].outcome.message) for name, answer in answers.items()]


def kind_of(name: str) -> str:
    """Return the kind of corruption of one of Pollock's files: its name without positions and numbers."""
    return re.sub(r"_?(row)?\d.*", "", name).replace("_row", "")


def count_by_kind(verdicts: Sequence[Verdict]) -> dict[str, Counter[str]]:
    """Return the number of files by kind and verdict."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        counts.setdefault(kind_of(verdict.name), Counter())[verdict.verdict] += 1
    return counts


def _read_dialect(parameters: dict[str, str | int]) -> Dialect:
    """Return a file's parameters as a dialect; empty parameters have their default."""
    escape, quote = parameters["escapechar"], parameters["quotechar"]
    return Dialect(
        delimiter=str(parameters["delimiter"] or ","),
        quote=str(quote or '"'),
        encoding=str(parameters["encoding"]),
        escape=str(escape) if escape not in ("", quote) else None,
        line_end="cr" if parameters["row_delimiter"] == "\r" else "lf",
        preamble_lines=int(parameters["preamble_lines"]),
        header_lines=int(parameters["header_lines"]),
        repeated_header="refuse",
    )


def _make_feed(source: str, path: Path, columns: Sequence[str], dialect: Dialect) -> Feed:
    return Feed(
        source=f"{source}_{path.stem}",  # equal records of one source count once
        name=path.stem,
        schema="raw",
        identifier=f"{source}__{path.stem}",
        location=f"{path.stem}/*",
        columns=tuple(map(normalise_header, columns)),
        dialect=dialect,
        max_rejects=MaxRejects.parse("100%"),
    )


def _load(connection: Connection, feeds: list[Feed], inbox: Path, folder: Path) -> dict[str, Loaded]:
    for feed in feeds:
        (inbox / feed.name).mkdir()
        # some of the files have the same bytes, but each is of a feed of its own
        shutil.copy(folder / f"{feed.name}.csv", inbox / feed.name)
    report = run_load(connection, feeds, inbox, Reporter(), LoadOptions(settle_seconds=0))
    assert not report.unmatched
    return {
        feed.name: _read_back(connection, feed, outcome)
        for feed in feeds
        for outcome in report.outcomes
        if outcome.feed == feed.full_name
    }


def _read_back(connection: Connection, feed: Feed, outcome: Outcome) -> Loaded:
    columns = sql.SQL(", ").join(sql.SQL("coalesce({}, '')").format(sql.Identifier(name)) for name in feed.columns)
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("select _row_number, {} from {} order by _row_number").format(columns, raw_table(feed)))
        rows = {row[0]: list(row[1:]) for row in cursor}
        cursor.execute(
            "select row_number from ledger.rejects where file_id = %s order by row_number", (outcome.file_id,)
        )
        return Loaded(outcome, rows, [number for (number,) in cursor])
