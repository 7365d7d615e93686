"""Commands for topics: load their messages, and describe the streams."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sales_warehouse.cli.console import count, log_end, log_message, note, say, write_json_lines
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import AsJson, FeedName, Quiet, session, with_groups
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.settings import get_settings

if TYPE_CHECKING:
    from sales_warehouse.stream.consume import StreamReport
    from sales_warehouse.stream.status import StreamStatus

group = typer.Typer()
streams = typer.Typer(help="Load messages of topics as they come.", invoke_without_command=True)
group.add_typer(streams, name="stream", rich_help_panel="Streams")


@dataclass(frozen=True)
class _Ending:
    """The options that say when the command ends."""

    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no message is left.")] = False
    once: Annotated[bool, typer.Option("--once", help="End when each partition was read up to its end once.")] = False


@streams.callback()
@with_groups
def stream(
    context: typer.Context,
    feed: FeedName = None,
    start: Annotated[
        str,
        typer.Option("--from", metavar="WHEN", help="Where a new topic begins: earliest, latest or an ISO time, UTC."),
    ] = "earliest",
    ending: _Ending = _Ending(),
    window: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds from a message to its commit.")] = 5.0,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC/PARTITION/OFFSET", help="Let a stopped partition go on; this message becomes a reject."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Load the messages of topics until SIGTERM or Ctrl-C; several processes share the partitions."""
    if context.invoked_subcommand is not None:
        return
    from sales_warehouse.stream.consume import StreamOptions
    from sales_warehouse.stream.run_stream import parse_start, run_stream

    if ending.until_idle and ending.once:
        raise ConfigurationError("Give one of --until-idle and --once.")
    settings, tell = get_settings(), say
    if settings.log_as_json:
        write_json_lines()
        tell = log_message
    options = StreamOptions(parse_start(start), ending.until_idle, ending.once, window)
    report = run_stream(settings, read_feeds(settings.project), feed, skip or [], options, tell)
    if settings.log_as_json:
        log_end("stream", asdict(report))
    if not quiet or report.needs_a_person:
        print_stream_report(report)
    if options.ends and report.needs_a_person:
        raise typer.Exit(1)


@streams.command()
def status(as_json: AsJson = False) -> None:
    """Describe each partition: offset, lag, open segment, losses; exit code 1 when one is stopped."""
    from sales_warehouse.stream.status import read_status

    with session("stream status") as it:
        it.prepare()
        found = read_status(it.connection, it.settings, it.feeds)
    emit(found, as_json, print_stream_status, lambda status: asdict(status))
    if found.stopped:
        raise typer.Exit(1)


def print_stream_status(status: "StreamStatus") -> None:
    """Print the partitions, then those that stopped with their reasons."""
    from sales_warehouse.stream.positions import WITHOUT_LIMIT

    columns = ["feed", "topic", "partition", "next offset", "lag", "last sent at", "committed at", "open records"]
    rows = [
        (
            *(it.feed, it.topic, str(it.partition), str(it.next_offset), it.lag, it.last_sent_at, it.committed_at),
            *(it.open_records, it.lost_messages),
        )
        for it in status.partitions
    ]
    print_table("Topics", [*columns, "lost"], rows, least=["committed at", "open records", "feed"])
    for it in status.stopped:
        place = f"{it.topic}/{it.partition}/{it.stopped_offset}"
        advice = f"Here {WITHOUT_LIMIT}" if it.stopped_limit is None else f"`warehouse stream --skip {place}`"
        note(f"Stopped at {place}: {it.stopped_reason}. {advice}")
    if status.unsent_rejects:
        note(f"{count(status.unsent_rejects, 'reject')} wait for a dead-letter topic. `warehouse stream` sends them.")
    if status.problem:
        note(f"The lag is not known: {status.problem}")


def print_stream_report(report: "StreamReport") -> None:
    """Print what a stream loaded, and what needs a person."""
    parts = [count(report.messages, "message"), count(report.rows, "row")]
    parts += [f"{report.rejected:,} rejected"] if report.rejected else []
    parts += [f"{report.skipped:,} skipped"] if report.skipped else []
    note(f"Loaded {', '.join(parts)} in {count(report.commits, 'commit')}.")
    words = {"No topic": report.problems, "Lost": report.lost, "Stopped": report.stopped, "Not sent": report.unsent}
    for word, places in words.items():
        for place in places:
            note(f"{word}: {place}")
