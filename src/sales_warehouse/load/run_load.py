"""Load the new files of the inbox, one after the other or several at once."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import CLOSED, Entry, FileIndex, read_index
from sales_warehouse.load.decide import is_known_on_disk
from sales_warehouse.load.find_overlaps import find_overlaps
from sales_warehouse.load.inbox.find_files import find_files, require_inbox
from sales_warehouse.load.inbox.find_rivals import mark_rivals
from sales_warehouse.load.load_file import Hooks, Task, describe_growing, load_file
from sales_warehouse.load.loader_lock import Loader, as_the_loader
from sales_warehouse.load.outcome import NEEDS_A_PERSON, Outcome
from sales_warehouse.load.same_records import Related, find_related, related_feeds
from sales_warehouse.load.workers.dispatch import dispatch, is_work_for_several
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox
from sales_warehouse.stores.read_object import prefetch

SETTLE_SECONDS = 2.0
_PREFETCHED = 2  # objects of a store, while one before them is loaded
# Each worker keeps a core of the server busy too. On two cores that had other work as well, a second worker saved a
# sixth of the time (median of 14 alternating runs, large and small files), a third one nothing that could be measured.
DEFAULT_WORKERS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class LoadOptions:
    """Which files are loaded, and how."""

    only: str | None = None  # the full name of the one feed to load
    # a file modified more recently is looked at twice, and not loaded if it grows
    settle_seconds: float = SETTLE_SECONDS
    workers: int = 1  # processes that load at once, if this saves time


@dataclass
class LoadReport:
    """What one run of the loader did."""

    outcomes: list[Outcome] = field(default_factory=list)  # of all files but those that are unchanged on disk
    unchanged: int = 0  # files that the ledger knew
    still_refused: list[str] = field(default_factory=list)  # URIs among them that were refused before
    still_held: dict[str, int] = field(default_factory=dict)  # URIs and file ids among them that wait for a decision
    unmatched: list[str] = field(default_factory=list)  # URIs that match no feed's location
    passed_over: list[str] = field(default_factory=list)  # what programs left behind: URIs, folders with a slash
    # by feed, the known files that are active as it was declared before
    declared_before: Counter[str] = field(default_factory=Counter)
    overlaps: dict[str, str] = field(default_factory=dict)  # by URI: which records another active file has too
    seconds: float = 0.0

    @property
    def statuses(self) -> Counter[str]:
        """Number of files by status."""
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def needs_a_person(self) -> bool:
        """Say whether a file of the inbox is refused or held, waits for its control file or cannot be read."""
        return bool(self.still_refused or self.still_held or NEEDS_A_PERSON & set(self.statuses))


def run_load(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, reporter: Reporter, options: LoadOptions
) -> LoadReport:
    """Load every new or changed file below the inbox; return the outcome of each.

    Waits while another loader is at work. Raises `ConfigurationError` for a wrong inbox or feed name, `psycopg2.Error`
    when the database fails and `WorkerLost` when a worker ends too early; files that were committed before stay.
    """
    started = time.monotonic()
    only_feed = find_feed(feeds, options.only) if options.only else None
    require_inbox(inbox)

    def prepare() -> None:
        reach("after_lock")
        prepare_warehouse(connection, feeds)
        reach("after_prepare")

    with as_the_loader(connection, reporter.say, prepare) as loader:
        of_files = [feed for feed in feeds if feed.topic is None]  # a topic may have very many segments
        found = find_files(inbox, of_files, only_feed)
        report = LoadReport(unmatched=found.unmatched, passed_over=found.passed_over, outcomes=found.unreadable)
        indexes = {feed.full_name: read_index(connection, feed.full_name) for feed in of_files}
        candidates = _leave_out_unchanged(mark_rivals(found.files, indexes), indexes, report)
        candidates = _leave_out_growing(candidates, options.settle_seconds, report, reporter)
        reach("after_find")
        reporter.start(len(candidates), sum(file.size_bytes for file in candidates))
        related = {feed.full_name: find_related(feed, of_files, indexes) for feed in of_files}
        if options.workers > 1 and is_work_for_several(candidates):
            outcomes = dispatch(connection, loader, candidates, related, options.workers, reporter)
        else:
            outcomes = _load_one_by_one(connection, loader, candidates, related, reporter)
        report.unchanged += sum(outcome.status == "unchanged" for outcome in outcomes)
        report.outcomes += [outcome for outcome in outcomes if outcome.status != "unchanged"]
        report.overlaps = find_overlaps(connection, of_files, outcomes)
    report.seconds = time.monotonic() - started
    return report


def _load_one_by_one(
    connection: Connection,
    loader: Loader,
    files: list[InboxFile],
    related: dict[str, list[Related]],
    reporter: Reporter,
) -> list[Outcome]:
    outcomes = []
    hooks = Hooks(loader, feeds=related_feeds(related))
    for number, file in enumerate(files):
        for following in files[number + 1 : number + 1 + _PREFETCHED]:
            prefetch(following.path)
        others = related[file.feed.full_name]
        index = next(one.index for one in others if one.feed.full_name == file.feed.full_name)
        outcomes.append(load_file(connection, Task(file, index, related=others), reporter.advance, hooks))
        reporter.finish(outcomes[-1])
    return outcomes


def find_feed(feeds: Sequence[Feed], name: str) -> Feed:
    """Return the feed of files with this full name. Raises `ConfigurationError` if there is none."""
    for feed in feeds:
        if name == feed.full_name and feed.topic is not None:
            raise ConfigurationError(f"{name} is a topic and has no files. Load its messages: warehouse stream")
        if name == feed.full_name:
            return feed
    raise ConfigurationError(f"There is no feed {name}. Declared are: {', '.join(feed.full_name for feed in feeds)}.")


def _leave_out_unchanged(files: list[InboxFile], indexes: dict[str, FileIndex], report: LoadReport) -> list[InboxFile]:
    candidates = []
    for file in files:
        known = is_known_on_disk(file, indexes[file.feed.full_name])
        if known is None:
            candidates.append(file)
        else:
            report.unchanged += 1
            if known.entry.status == "refused" and known.entry.declaration_sha256 != CLOSED:
                report.still_refused.append(file.uri)
            elif known.entry.status == "held":
                report.still_held[file.uri] = known.entry.file_id
            elif known.entry.status == "active" and _is_declared_otherwise(file, known.entry):
                report.declared_before[file.feed.full_name] += 1
    return candidates


def _is_declared_otherwise(file: InboxFile, entry: Entry) -> bool:
    """Say whether a file was loaded as its feed was declared before.

    Never of one with a control file: that decides too, and to read all of them would cost every load.
    """
    return file.side is None and entry.declaration_sha256 != file.fingerprint


def _leave_out_growing(
    files: list[InboxFile], settle_seconds: float, report: LoadReport, reporter: Reporter
) -> list[InboxFile]:
    """Wait once for the files modified just now, and leave out those that change meanwhile."""
    recently = time.time_ns() - int(settle_seconds * 1e9)
    fresh = {file.uri for file in files if file.mtime_ns > recently and not file.appears_whole}
    if not fresh or settle_seconds <= 0:
        return files
    reporter.say(f"Waiting {settle_seconds:g} s to see whether files written just now still grow ({len(fresh):,}).")
    time.sleep(settle_seconds)
    growing = {file.uri for file in files if file.uri in fresh and not file.is_unchanged_on_disk()}
    report.outcomes += [describe_growing(file) for file in files if file.uri in growing]
    return [file for file in files if file.uri not in growing]
