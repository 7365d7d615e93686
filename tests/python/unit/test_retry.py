"""Which errors are retried, how often, and what the report then contains."""

from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from sales_warehouse.cli.main import explain_database_error
from sales_warehouse.errors import ConfigurationError, ServerAway, ServerUnreachable
from sales_warehouse.load import retry
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.retry import ATTEMPTS, is_transient, load_with_retries
from sales_warehouse.load.run_load import LoadReport
from sales_warehouse.reporter import Reporter


class RecordingReporter(Reporter):
    """A reporter that keeps what it receives."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.finished: list[Outcome] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def finish(self, outcome: Outcome) -> None:
        self.finished.append(outcome)


class FakeConnection:
    """A connection that is only closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    monkeypatch.setattr(retry.random, "uniform", lambda low, high: (low + high) / 2)
    return waits


def replace_load(monkeypatch: pytest.MonkeyPatch, *runs: Any) -> tuple[RecordingReporter, list[FakeConnection]]:
    """Make each run of the load report its outcomes and then raise or return its last item."""
    left = list(runs)
    lines: list[FakeConnection] = []

    def run_load(connection: Any, feeds: Any, inbox: Any, reporter: Any, *_: Any) -> LoadReport:
        *outcomes, end = left.pop(0)
        for outcome in outcomes:
            reporter.finish(outcome)
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(retry, "run_load", run_load)
    return RecordingReporter(), lines


def load(reporter: RecordingReporter, lines: list[FakeConnection]) -> LoadReport:
    def connect() -> Any:
        lines.append(FakeConnection())
        return lines[-1]

    return load_with_retries(connect, [], Path("inbox"), reporter)


def lost() -> psycopg2.OperationalError:
    return psycopg2.OperationalError("server closed the connection unexpectedly\n\tThis probably means …")


def test_a_lost_connection_is_retried_and_reported(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    reporter, lines = replace_load(monkeypatch, (lost(),), (lost(),), (LoadReport(unchanged=3),))
    assert load(reporter, lines).unchanged == 3
    assert waits == [0.5, 1.0]
    assert [line.closed for line in lines] == [1, 1, 1]
    assert reporter.said == [
        "The connection was lost (server closed the connection unexpectedly). Trying again in 0.5 s (attempt 2 of 6).",
        "The connection was lost (server closed the connection unexpectedly). Trying again in 1.0 s (attempt 3 of 6).",
    ]


def test_the_error_is_raised_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    reporter, lines = replace_load(monkeypatch, *[(lost(),)] * (ATTEMPTS + 1))
    with pytest.raises(psycopg2.OperationalError):
        load(reporter, lines)
    assert waits == [0.5, 1, 2, 4, 8]
    assert len(lines) == ATTEMPTS


def test_a_loaded_file_resets_the_attempts(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    files = [Outcome(f"{n}.csv", "shop.lines", "active") for n in range(9)]
    reporter, lines = replace_load(monkeypatch, *[(file, lost()) for file in files], (LoadReport(unchanged=9 + 2),))
    report = load(reporter, lines)
    assert waits == [0.5] * 9
    assert report.outcomes == files
    assert report.unchanged == 2


def test_the_report_covers_all_attempts(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    first = [
        Outcome("a.csv", "shop.lines", "active", version=1),
        Outcome("b.csv", "shop.lines", "refused"),
        Outcome("c.csv", "shop.lines", "growing"),
    ]
    # a.csv was corrected between the attempts
    last = [Outcome("a.csv", "shop.lines", "active", version=2), Outcome("c.csv", "shop.lines", "active")]
    reporter, lines = replace_load(
        monkeypatch, (*first, lost()), (LoadReport(outcomes=list(last), unchanged=5, still_refused=["b.csv", "z.csv"]),)
    )
    report = load(reporter, lines)
    assert report.outcomes == [*first[:2], *last]
    assert report.unchanged == 4
    assert report.still_refused == ["z.csv"]


@pytest.mark.parametrize(
    "error",
    [errors.DiskFull("no space"), errors.InsufficientPrivilege("no"), ConfigurationError("no inbox"), RuntimeError()],
    ids=lambda error: type(error).__name__,
)
def test_a_terminal_error_is_not_retried(monkeypatch: pytest.MonkeyPatch, waits: list[float], error: Exception) -> None:
    reporter, lines = replace_load(monkeypatch, (with_code(error),))
    with pytest.raises(type(error)):
        load(reporter, lines)
    assert (waits, reporter.said, len(lines)) == ([], [], 1)


def with_code(error: Exception) -> Exception:
    """Give a database error the SQLSTATE that the server would send with it."""
    codes = {errors.lookup(code): code for code in CODES}
    if type(error) not in codes:
        return error

    class Coded(type(error)):  # type: ignore[misc]
        pgcode = codes[type(error)]

    return Coded(*error.args)


CODES = {
    "40001": True, "40P01": True, "53300": True, "57P01": True, "57P02": True, "57P03": True, "08006": True,
    "53100": False, "53200": False, "42501": False, "28P01": False, "23505": False, "22P02": False, "57014": False,
}  # fmt: skip


@pytest.mark.parametrize(("code", "passes"), CODES.items())
def test_the_error_code_decides_whether_to_retry(code: str, passes: bool) -> None:
    assert is_transient(with_code(errors.lookup(code)("x"))) is passes


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (lost(), True),
        (psycopg2.DatabaseError("server closed the connection unexpectedly"), True),  # from COPY
        (psycopg2.InterfaceError("connection already closed"), True),
        (psycopg2.InterfaceError("cursor already closed"), False),
        (psycopg2.OperationalError("out of memory"), False),
        (psycopg2.ProgrammingError("no results to fetch"), False),
        (ServerAway("starting up"), True),
        (ServerUnreachable("wrong password"), False),
        (OSError("disk"), False),
    ],
)
def test_only_a_lost_connection_is_retried_without_a_code(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (errors.DiskFull("could not extend file"), "disk of the server is full: could not extend file", 1),
        (errors.AdminShutdown("terminating connection"), "Run the same command again", 3),
        (errors.UniqueViolation("duplicate key"), "duplicate key", 1),
    ],
)
def test_a_database_error_gives_a_remedy_and_an_exit_code(error: psycopg2.Error, words: str, code: int) -> None:
    coded = with_code(error)
    assert isinstance(coded, psycopg2.Error)
    message, exit_code = explain_database_error(coded)
    assert words in message
    assert exit_code == code
