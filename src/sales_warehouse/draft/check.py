"""Try a feed: load samples into a scratch database, build its staging model there, and sum up what comes out."""

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.draft.find_samples import uri_of
from sales_warehouse.draft.plan_staging import UNKNOWN_CURRENCY
from sales_warehouse.draft.scratch_database import scratch_database
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings
from sales_warehouse.stores.address import Inbox
from sales_warehouse.transform.problems import Problem
from sales_warehouse.transform.run_dbt import build_in_scratch

if TYPE_CHECKING:
    from sales_warehouse.stream.consume import StreamReport

RATES = Path("seeds/reference/exchange_rates.csv")
_TODO = re.compile(r"^\s*(?:#|--) (TODO [^\n]*(?:\n\s*(?:#|--)   [^\n]*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Sums:
    """A column of the staging view over its accepted rows: how many have a value, and its sum, least and greatest."""

    column: str
    rows: int
    total: Any
    least: Any
    greatest: Any


@dataclass
class CheckReport:
    """What came of the samples, files or messages."""

    load: LoadReport = field(default_factory=LoadReport)
    stream: "StreamReport | None" = None
    problems: tuple[Problem, ...] = ()
    outcomes: list[tuple[str, str, int]] = field(default_factory=list)  # status, issues, rows
    sums: list[Sums] = field(default_factory=list)
    todos: list[str] = field(default_factory=list)
    currencies: list[str] = field(default_factory=list)  # of accepted rows
    without_rates: list[str] = field(default_factory=list)  # those among them
    rates_command: str = ""  # that fetches these, and those that are there

    @property
    def needs_a_person(self) -> bool:
        """Say whether a file or a message was not loaded, or a model or test failed."""
        is_read = self.stream is None or not self.stream.needs_a_person
        is_loaded = not self.load.needs_a_person and not self.load.unmatched
        return not (is_read and is_loaded) or any(one.is_failure for one in self.problems)


def check_feed(settings: Settings, feed: Feed, paths: Sequence[Path], reporter: Reporter) -> CheckReport:
    """Load the samples, or the first messages of a topic, build and test the staging model, and leave nothing behind.

    Raises `ConfigurationError` for a sample that is no file, a project that dbt cannot read and a login without rights,
    and `KafkaAway`.
    """
    model = f"stg_{feed.source}__{feed.name}"
    if feed.topic is not None and paths:
        raise ConfigurationError(f"{feed.full_name} is a topic and has no files: name none, and its messages are read.")
    if feed.topic is None and not paths:
        raise ConfigurationError(f"{feed.full_name} is a feed of files: name some.")
    with scratch_database(settings) as scratch, _scratch_folder() as folder:
        inbox = folder / "inbox"
        for path in paths:
            _put(path, inbox, settings.inbox, feed)
        scratch = replace(scratch, home=folder / "home", inbox=inbox)
        with closing(server.connect(scratch, application_name="warehouse feed check")) as connection:
            if feed.topic is not None:
                report = CheckReport(stream=_read_messages(scratch, feed, feed.topic))
            else:
                report = CheckReport(run_load(connection, [feed], inbox, reporter, LoadOptions(settle_seconds=0)))
            report.todos = find_todos(settings.project, feed)
            if not _has_rows(connection):
                return report
            reporter.begin("dbt build")
            report.problems = build_in_scratch(scratch, folder, ["build", "--select", model])
            if not _is_built(connection, model):  # a unit test failed, which shows less than the rows
                build_in_scratch(scratch, folder, ["run", "--select", model])
            if _is_built(connection, model):
                _sum_up(connection, model, report)
                _look_for_rates(settings.project, report)
    return report


def _read_messages(scratch: Settings, feed: Feed, topic: Topic) -> "StreamReport":
    """Load the first messages of the topic; the consumer group is that of the scratch database."""
    # imported here: feeds of files need no client of Kafka
    from sales_warehouse.stream.consume import StreamOptions
    from sales_warehouse.stream.read_first import MOST_MESSAGES
    from sales_warehouse.stream.run_stream import run_stream

    # rejects of a check are sent to no topic, and its figures are no metrics of the stream
    tried = replace(feed, topic=replace(topic, dead_letter_topic=None))
    options = StreamOptions(once=True, window_seconds=1.0, most_messages=MOST_MESSAGES)
    return run_stream(replace(scratch, metrics_port=None), [tried], feed.full_name, (), options, lambda _: None)


def _has_rows(connection: Connection) -> bool:
    with transaction(connection) as cursor:
        cursor.execute("select exists (select from ledger.files where status = 'active')")
        return cursor.fetchone() == (True,)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="warehouse-check-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _put(path: Path, inbox: Path, real_inbox: Inbox, feed: Feed) -> None:
    """Put a sample where the feed expects it, with its control file if it has one; the time stays."""
    if not path.is_file():
        raise ConfigurationError(f"{path} is {'a folder: name its files' if path.is_dir() else 'not there'}.")
    target = inbox / uri_of(path, real_inbox, feed)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ConfigurationError(f"Two samples are called {path.name}. Check one of them at a time.")
    shutil.copy2(path, target)
    control = feed.contract.control
    if control is not None and control.file is not None:
        side = path.with_name(control.side_file_of(path.name))
        with suppress(FileNotFoundError):
            shutil.copy2(side, target.with_name(side.name))


def find_todos(project: Path, feed: Feed) -> list[str]:
    """Return what is still to be decided: the TODO lines of the feed's files."""
    folder = project / "models" / "staging" / feed.source
    names = (
        f"_{feed.source}__sources.yml",
        f"stg_{feed.source}__{feed.name}.sql",
        f"stg_{feed.source}__{feed.name}.yml",
    )
    found = []
    for name in names:
        with suppress(FileNotFoundError):
            text = (folder / name).read_text(encoding="utf-8")
            for match in _TODO.finditer(text):
                line = text.count("\n", 0, match.start(1)) + 1
                told = re.sub(r"\n\s*(?:#|--)\s*", " ", match[1]).removeprefix("TODO ")
                found.append(f"{(folder / name).relative_to(project)}:{line}: {told}")
    return found


def _is_built(connection: Connection, model: str) -> bool:
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass(%s) is not null", (f"staging.{model}",))
        return cursor.fetchone() == (True,)


def _look_for_rates(project: Path, report: CheckReport) -> None:
    """Name the currencies of accepted rows that the seed of exchange rates lacks; not the one of an open question."""
    with (project / RATES).open(encoding="utf-8", newline="") as rates:
        known = {row["currency"] for row in csv.DictReader(rates)}
    report.without_rates = sorted({*report.currencies} - known - {"EUR", UNKNOWN_CURRENCY})
    # the script writes the currencies it is given and no others
    wanted = " ".join(f"--currency {code}" for code in sorted(known.union(report.without_rates)))
    report.rates_command = f"python scripts/refresh_exchange_rates.py --download {wanted}"


def _sum_up(connection: Connection, model: str, report: CheckReport) -> None:
    """Count the rows by outcome, and sum up the accepted ones; the view casts each row once."""
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL(read_sql("draft/sql/keep_rows.sql")).format(sql.Identifier("staging", model)))
        cursor.execute(read_sql("draft/sql/count_outcomes.sql"))
        report.outcomes = [(status, issues, rows) for status, issues, rows in cursor.fetchall()]
        cursor.execute(read_sql("draft/sql/columns.sql"), (model,))
        for name, is_number in cursor.fetchall():
            column = sql.Identifier(name)
            total = sql.SQL("sum({})").format(column) if is_number else sql.SQL("null")
            cursor.execute(sql.SQL(read_sql("draft/sql/sum_column.sql")).format(column, total))
            [row] = cursor.fetchall()
            report.sums.append(Sums(name, *row))
        cursor.execute("select distinct currency from checked_rows where row_status = 'accepted'")
        report.currencies = sorted(currency for (currency,) in cursor if currency)
