"""Work through the inbox: find, decide, take in, one file after the other or several at once."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import FileIndex, read_index
from sales_warehouse.load.decide import is_known_on_disk
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.load_file import left_alone, take_in_or_leave
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.workers.dispatch import hand_out, is_work_for_several
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter

SETTLE_SECONDS = 2.0
# Each worker keeps a core of the server busy too. On two cores, busy with other things as well, the second one gained a
# sixth (median of 14 runs in turn, large files and small ones), a third one nothing that could be told apart.
DEFAULT_WORKERS = min(2, os.cpu_count() or 1)


@dataclass
class LoadReport:
    """What one run of the loader did."""

    outcomes: list[Outcome] = field(default_factory=list)  # of every file that was not simply unchanged
    unchanged: int = 0  # files the ledger knew
    still_refused: list[str] = field(default_factory=list)  # URIs among them that were refused before
    strangers: list[str] = field(default_factory=list)  # URIs no feed declares
    seconds: float = 0.0

    @property
    def statuses(self) -> Counter[str]:
        """Number of files by what became of them."""
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def needs_a_person(self) -> bool:
        """Say whether a file of the inbox is refused, waits for its control file or could not be read."""
        return bool(self.still_refused or {"refused", "waiting", "unreadable"} & set(self.statuses))


def run_load(
    connection: Connection,
    feeds: Sequence[Feed],
    inbox: Path,
    reporter: Reporter,
    only: str | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    workers: int = 1,
) -> LoadReport:
    """Take in every new or changed file below the inbox; return what became of each.

    `only` is the full name of the one feed to load. A file modified less than `settle_seconds` ago is looked at
    twice, and left for the next run when it still grows. Up to `workers` files are taken in at once, each by a
    process of its own, where that saves time; what comes of it is the same. Waits while another loader is at work.
    Raises `ConfigurationError` for a wrong inbox or feed name, `psycopg2.Error` when the database fails and
    `WorkerLost` when a worker ends before its work does; files taken in before that stay taken in.
    """
    started = time.monotonic()
    only_feed = _find_feed(feeds, only) if only else None
    if not inbox.is_dir():
        raise ConfigurationError(f"The inbox {inbox} is no directory. Make it, or name another with --inbox.")
    with as_the_loader(connection, reporter.say):
        reach("after_lock")
        prepare_warehouse(connection, feeds)
        reach("after_prepare")
        found = find_files(inbox, feeds, only_feed)
        report = LoadReport(strangers=found.strangers)
        report.outcomes += [
            Outcome(it.uri, it.feed, "unreadable", it.size_bytes, message=it.message) for it in found.unreadable
        ]
        books = {feed.full_name: read_index(connection, feed.full_name) for feed in feeds}
        candidates = _leave_out_unchanged(found.files, books, report)
        candidates = _leave_out_growing(candidates, settle_seconds, report, reporter)
        reach("after_find")
        reporter.start(len(candidates), sum(file.size_bytes for file in candidates))
        if workers > 1 and is_work_for_several(candidates):
            outcomes = hand_out(connection, candidates, books, workers, reporter)
        else:
            outcomes = _take_in_all(connection, candidates, books, reporter)
        report.unchanged += sum(outcome.status == "unchanged" for outcome in outcomes)
        report.outcomes += [outcome for outcome in outcomes if outcome.status != "unchanged"]
    report.seconds = time.monotonic() - started
    return report


def _take_in_all(
    connection: Connection, files: list[InboxFile], books: dict[str, FileIndex], reporter: Reporter
) -> list[Outcome]:
    outcomes = []
    for file in files:
        outcomes.append(take_in_or_leave(connection, file, books[file.feed.full_name], reporter.advance))
        reporter.finish(outcomes[-1])
    return outcomes


def _find_feed(feeds: Sequence[Feed], name: str) -> Feed:
    for feed in feeds:
        if name == feed.full_name:
            return feed
    raise ConfigurationError(f"There is no feed {name}. Declared are: {', '.join(feed.full_name for feed in feeds)}.")


def _leave_out_unchanged(files: list[InboxFile], books: dict[str, FileIndex], report: LoadReport) -> list[InboxFile]:
    candidates = []
    for file in files:
        known = is_known_on_disk(file, books[file.feed.full_name])
        if known is None:
            candidates.append(file)
        else:
            report.unchanged += 1
            if known.entry.status == "refused":
                report.still_refused.append(file.uri)
    return candidates


def _leave_out_growing(
    files: list[InboxFile], settle_seconds: float, report: LoadReport, reporter: Reporter
) -> list[InboxFile]:
    """Wait once for the files modified just now, and leave out those that went on changing."""
    recently = time.time_ns() - int(settle_seconds * 1e9)
    fresh = {file.uri for file in files if file.mtime_ns > recently}
    if not fresh or settle_seconds <= 0:
        return files
    reporter.say(f"Waiting {settle_seconds:g} s to see whether files written just now still grow ({len(fresh):,}).")
    time.sleep(settle_seconds)
    growing = {file.uri for file in files if file.uri in fresh and not file.is_unchanged_on_disk()}
    report.outcomes += [left_alone(file) for file in files if file.uri in growing]
    return [file for file in files if file.uri not in growing]
