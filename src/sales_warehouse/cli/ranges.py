"""Ranges of topics on the command line: their options, the cluster they may come from, and what was corrected."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sales_warehouse.cli.console import count, note, out
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.read_ledger import parse_instant
from sales_warehouse.printable import show_line
from sales_warehouse.settings import Settings

if TYPE_CHECKING:
    from sales_warehouse.corrections.ranges import Corrected, TopicRange
    from sales_warehouse.stream.message_store import Log

_SHOWN = 8  # ids named in a message

FileOrRange = Annotated[
    str, typer.Argument(metavar="FILE", help="Id of a file, its path below the inbox, or a range of a topic.")
]


@dataclass(frozen=True)
class Times:
    """The options that say when the messages of a range were sent."""

    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Of a topic: from the first message of that time on; ISO timestamp, UTC."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Of a topic: before the first message of that time; ISO timestamp, UTC."),
    ] = None


NO_TIMES = Times()


def find_range(name: str, times: Times) -> "TopicRange | None":
    """Return the range of a topic that a person named; None for a file. Raises `ConfigurationError`."""
    from sales_warehouse.corrections.ranges import parse_range

    since, until = (None if text is None else parse_instant(text) for text in (times.since, times.until))
    return parse_range(name, since, until)


@contextmanager
def open_log(settings: Settings, feeds: Sequence[Feed]) -> Iterator["Log | None"]:
    """Give the cluster of the environment, which is only asked when messages are needed; None without topics."""
    if not any(feed.topic for feed in feeds):
        yield None
        return
    from sales_warehouse.stream.message_store import ClusterLog

    with closing(ClusterLog(settings)) as log:
        yield log


def print_corrected(verb: str, corrected: "Corrected") -> None:
    """Print the segments of a range that were corrected."""
    files = corrected.files
    more = f" and {len(files) - _SHOWN:,} more" if files[_SHOWN:] else ""
    ids = ", ".join(str(file.file_id) for file in files[:_SHOWN]) + more
    rejected = sum(file.rows_rejected for file in files)
    note(
        f"{verb} {count(corrected.records, 'message')} of {show_line(corrected.range)}: "
        f"{count(corrected.rows, 'row')}, {rejected:,} rejected, in {count(len(files), 'segment')} (file {ids})."
    )
    if corrected.split:
        note(f"Split {count(corrected.split, 'segment')} at the ends of the range.")
    out.print("`warehouse build` brings the marts up to date.")
