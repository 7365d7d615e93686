"""Run a load again after a transient error, with longer and longer waits in between."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ServerAway, ServerUnreachable
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.outcome import NEEDS_A_PERSON, Outcome
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox

# 0.5 + 1 + 2 + 4 + 8 s: long enough for a restart, short enough for a person who mistyped the port.
ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.5
_JITTER = 0.2  # so that loaders that lost the same server do not all come back at one instant

_IN_THE_LEDGER = ("active", "duplicate", "refused")

# the server ended the session of a process that did not go on for a while
_ENDED = ("25P03", "25P04", "57P05")

log = logging.getLogger("sales_warehouse.load")

_TRANSIENT = {
    "40001": "another transaction was in the way",  # serialization failure
    "40P01": "two transactions waited for each other",  # deadlock
    "53300": "the server has no connection free",
    "57P01": "the server went away",  # shutdown, or pg_terminate_backend
    "57P02": "the server went away",  # crash of another backend
    "57P03": "the server is not ready",  # starting, stopping, recovering
}
_LOST = "the connection was lost"


def load_with_retries(
    connect: Callable[[], Connection],
    feeds: Sequence[Feed],
    inbox: Inbox,
    reporter: Reporter,
    options: LoadOptions = LoadOptions(),  # noqa: B008, it is frozen
) -> LoadReport:
    """Run the load on a connection of its own; when that is lost, connect and run the same load again.

    This is exact, because a file is in the ledger as a whole or not at all. The report covers all attempts. After a
    file that was loaded there are `ATTEMPTS` again. A terminal error is raised at once, a transient one at the end.
    """
    started = time.monotonic()
    recorded: list[Outcome] = []
    attempt = 1
    while True:
        listener = _Listener(reporter)
        try:
            with closing(connect()) as connection:
                report = run_load(connection, feeds, inbox, listener, options)
        except (psycopg2.Error, ServerAway) as error:
            if listener.recorded:
                recorded += listener.recorded
                attempt = 1
            if not is_transient(error) or attempt == ATTEMPTS:
                raise
            attempt += 1
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 2) * random.uniform(1 - _JITTER, 1 + _JITTER)
            listener.say(f"{_describe(error)} Trying again in {wait:.1f} s (attempt {attempt} of {ATTEMPTS}).")
            time.sleep(wait)
        else:
            _add_earlier(report, recorded)
            report.seconds = time.monotonic() - started
            _log_report(report)
            return report


def is_transient(error: Exception) -> bool:
    """Say whether the same command may succeed a little later without a change."""
    return isinstance(error, ServerAway) or (isinstance(error, psycopg2.Error) and _transient_reason(error) is not None)


def may_pass(error: Exception) -> bool:
    """Say whether work that runs for ever may wait and try again: also with a full disk, or an ended session."""
    if isinstance(error, psycopg2.Error) and (isinstance(error, errors.DiskFull) or error.pgcode in _ENDED):
        return True
    return isinstance(error, ServerUnreachable) or is_transient(error)


def _transient_reason(error: psycopg2.Error) -> str | None:
    code = error.pgcode
    if code is not None:
        return _LOST if code.startswith("08") else _TRANSIENT.get(code)
    # without a code it is an error of the client library: the connection is lost
    if isinstance(error, psycopg2.InterfaceError):
        return _LOST if "connection already closed" in str(error) else None
    # COPY raises the bare DatabaseError for a lost connection
    is_the_librarys = isinstance(error, psycopg2.OperationalError) or type(error) is psycopg2.DatabaseError
    return _LOST if is_the_librarys and "out of memory" not in str(error) else None


def _describe(error: Exception) -> str:
    if not isinstance(error, psycopg2.Error):
        return str(error)
    reason = str(_transient_reason(error))
    lines = str(error).strip().splitlines() or [""]
    return f"{reason[0].upper()}{reason[1:]} ({lines[0].strip()})."


class _Listener(Reporter):
    """Passes notifications on to the reporter, and keeps the files that are in the ledger now."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.recorded: list[Outcome] = []

    def say(self, message: str) -> None:
        log.info("message", extra={"figures": {"message": message}})
        self._reporter.say(message)

    def start(self, items: int, size_bytes: int = 0) -> None:
        self._reporter.start(items, size_bytes)

    def advance(self, size_bytes: int, records: int) -> None:
        self._reporter.advance(size_bytes, records)

    def finish(self, outcome: Outcome) -> None:
        if outcome.status in _IN_THE_LEDGER:
            self.recorded.append(outcome)
            _log_file(outcome)
        self._reporter.finish(outcome)


def _add_earlier(report: LoadReport, earlier: list[Outcome]) -> None:
    """Add the files of earlier attempts to the report; the last attempt counted them as unchanged."""
    seen_again = {outcome.uri for outcome in report.outcomes}
    known = [outcome for outcome in earlier if outcome.uri not in seen_again]
    report.unchanged = max(report.unchanged - len(known), 0)
    refused = {outcome.uri for outcome in known if outcome.status == "refused"}
    report.still_refused = [uri for uri in report.still_refused if uri not in refused]
    report.outcomes[:0] = earlier


def _log_file(outcome: Outcome) -> None:
    """Log the outcome of a file with the words of the ledger."""
    tally = outcome.tally
    figures = {name: value for name, value in asdict(outcome).items() if name != "tally"} | {
        "records_read": tally.read,
        "records_loaded": tally.loaded,
        "rows_loaded": tally.rows,
        "rows_rejected": tally.rejected,
        "rows_skipped": tally.skipped,
        "seconds": round(outcome.seconds, 3),
    }
    level = logging.WARNING if outcome.status in NEEDS_A_PERSON else logging.INFO
    log.log(level, "file", extra={"figures": figures})


def _log_report(report: LoadReport) -> None:
    for outcome in report.outcomes:
        if outcome.status not in _IN_THE_LEDGER:  # the others have their line already
            _log_file(outcome)
    figures = {
        "files": dict(report.statuses),
        "unchanged": report.unchanged,
        "still_refused": report.still_refused,
        "unmatched": len(report.unmatched),
        "passed_over": len(report.passed_over),
        "seconds": round(report.seconds, 3),
    }
    log.info("load", extra={"figures": figures})
