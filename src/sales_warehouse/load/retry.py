"""Load again after an error that passes by itself, with longer and longer waits in between."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import SETTLE_SECONDS, LoadReport, run_load
from sales_warehouse.reporter import Reporter

# 0.5 + 1 + 2 + 4 + 8 s: long enough for a restart, short enough for a person who mistyped the port.
ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.5
_JITTER = 0.2  # so that loaders which lost the same server do not all come back at one instant

ON_THE_BOOKS = ("active", "duplicate", "refused")

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
    inbox: Path,
    reporter: Reporter,
    only: str | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    workers: int = 1,
) -> LoadReport:
    """Run the load on a connection of its own; when that is lost, connect and run the same load again.

    That is exact, as a file is in the ledger as a whole or not at all. The report covers all attempts. A file taken in
    counts as progress, after which there are `ATTEMPTS` again. Errors as of `run_load`: a terminal one at once, a
    transient one when the attempts are used up; `connect` raises `ServerUnreachable`, of which `ServerAway` is the
    transient kind.
    """
    started = time.monotonic()
    taken_in: list[Outcome] = []
    attempt = 1
    while True:
        listener = _Listener(reporter)
        try:
            with closing(connect()) as connection:
                report = run_load(connection, feeds, inbox, listener, only, settle_seconds, workers)
        except (psycopg2.Error, ServerAway) as error:
            if listener.taken_in:
                taken_in += listener.taken_in
                attempt = 1
            if not is_transient(error) or attempt == ATTEMPTS:
                raise
            attempt += 1
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 2) * random.uniform(1 - _JITTER, 1 + _JITTER)
            listener.say(f"{_say_why(error)} Trying again in {wait:.1f} s (attempt {attempt} of {ATTEMPTS}).")
            time.sleep(wait)
        else:
            _add_earlier(report, taken_in)
            report.seconds = time.monotonic() - started
            _log_the_end(report)
            return report


def is_transient(error: Exception) -> bool:
    """Say whether the same command may succeed a little later, with nobody changing anything."""
    return isinstance(error, ServerAway) or (isinstance(error, psycopg2.Error) and _transient_reason(error) is not None)


def _transient_reason(error: psycopg2.Error) -> str | None:
    code = error.pgcode
    if code is not None:
        return _LOST if code.startswith("08") else _TRANSIENT.get(code)
    # no word of the server, so it is the client library's: the connection is gone
    if isinstance(error, psycopg2.InterfaceError):
        return _LOST if "connection already closed" in str(error) else None
    # COPY tells a lost connection by the bare DatabaseError
    is_the_librarys = isinstance(error, psycopg2.OperationalError) or type(error) is psycopg2.DatabaseError
    return _LOST if is_the_librarys and "out of memory" not in str(error) else None


def _say_why(error: Exception) -> str:
    if not isinstance(error, psycopg2.Error):
        return str(error)
    reason = str(_transient_reason(error))
    lines = str(error).strip().splitlines() or [""]
    return f"{reason[0].upper()}{reason[1:]} ({lines[0].strip()})."


class _Listener(Reporter):
    """Passes on what the reporter is told, and keeps the files that are in the ledger now."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.taken_in: list[Outcome] = []

    def say(self, message: str) -> None:
        log.info("message", extra={"figures": {"message": message}})
        self._reporter.say(message)

    def start(self, items: int, size_bytes: int = 0) -> None:
        self._reporter.start(items, size_bytes)

    def advance(self, size_bytes: int, records: int) -> None:
        self._reporter.advance(size_bytes, records)

    def finish(self, outcome: Outcome) -> None:
        if outcome.status in ON_THE_BOOKS:
            self.taken_in.append(outcome)
            _log_file(outcome)
        self._reporter.finish(outcome)


def _add_earlier(report: LoadReport, earlier: list[Outcome]) -> None:
    """Put the files of earlier attempts into the report, where the last attempt found them known."""
    seen_again = {outcome.uri for outcome in report.outcomes}
    known = [outcome for outcome in earlier if outcome.uri not in seen_again]
    report.unchanged = max(report.unchanged - len(known), 0)
    refused = {outcome.uri for outcome in known if outcome.status == "refused"}
    report.still_refused = [uri for uri in report.still_refused if uri not in refused]
    report.outcomes[:0] = earlier


def _log_file(outcome: Outcome) -> None:
    """Log what became of a file: the words of the ledger for what is on them."""
    tally = outcome.tally
    figures = {
        "uri": outcome.uri,
        "feed": outcome.feed,
        "status": outcome.status,
        "file_id": outcome.file_id,
        "version": outcome.version,
        "size_bytes": outcome.size_bytes,
        "records_read": tally.read,
        "rows_loaded": tally.loaded,
        "rows_rejected": tally.rejected,
        "rows_skipped": tally.skipped,
        "seconds": round(outcome.seconds, 3),
        "message": outcome.message,
    }
    needs_a_person = outcome.status in ("refused", "waiting", "unreadable")
    log.log(logging.WARNING if needs_a_person else logging.INFO, "file", extra={"figures": figures})


def _log_the_end(report: LoadReport) -> None:
    for outcome in report.outcomes:
        # the others had their line when they were put in the ledger
        if outcome.status not in ON_THE_BOOKS:
            _log_file(outcome)
    figures = {
        "files": dict(report.statuses),
        "unchanged": report.unchanged,
        "still_refused": report.still_refused,
        "strangers": len(report.strangers),
        "seconds": round(report.seconds, 3),
    }
    log.info("load", extra={"figures": figures})
