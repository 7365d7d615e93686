"""One asset a raw table: it runs the loader for its feed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg2
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_dbt import DagsterDbtTranslator, DbtProject
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.retry import load_with_retries
from sales_warehouse.load.run_load import DEFAULT_WORKERS, LoadOptions, LoadReport
from sales_warehouse.orchestration.fail_or_retry import fail_or_retry
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings
from sales_warehouse.stream.status import PartitionStatus, read_status

CHECK = "no_file_needs_a_person"
NAMED = 20  # files in a message; `warehouse files` shows all
# The metadata of the check: files with reasons, all of them and those not reported before.
ALL, UNREPORTED = "all", "unreported"


def define_raw_tables(
    settings: Settings,
    feeds: Sequence[Feed],
    project: DbtProject,
    manifest: dict[str, Any],
    translator: DagsterDbtTranslator,
) -> list[dg.AssetsDefinition]:
    """Return an asset for each feed, under the key of its dbt source."""
    sources = {(node["source_name"], node["name"]): unique_id for unique_id, node in manifest["sources"].items()}
    return [
        _define(settings, feeds, feed, translator.get_asset_spec(manifest, sources[feed.source, feed.name], project))
        for feed in feeds
    ]


def _define(settings: Settings, feeds: Sequence[Feed], feed: Feed, spec: Any) -> dg.AssetsDefinition:
    @dg.asset(
        key=spec.key,
        description=spec.description,
        group_name="raw",
        kinds={"postgres"},
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=spec.key, description="No file is refused, held, waiting or unreadable.")
        ],
    )
    def raw_table(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        try:
            report = LoadReport()
            if feed.topic is None:
                report = load_with_retries(
                    lambda: server.connect(settings, application_name="warehouse dagster", role="loader"),
                    feeds,
                    settings.inbox,
                    _Log(context),
                    LoadOptions(feed.full_name, workers=DEFAULT_WORKERS),
                )
            with closing(server.connect(settings, application_name="warehouse dagster", role="loader")) as connection:
                figures = _read_figures(connection, feed)
                if feed.topic is not None:  # `warehouse stream` fills the table
                    status = read_status(connection, settings, [feed])
                    mine = [it for it in status.partitions if it.feed == feed.full_name]
                    report.outcomes = _find_stopped(mine)
                    figures |= _describe_stream(mine)
                    if status.problem:
                        context.log.warning(f"The lag of {feed.full_name} is not known: {status.problem}")
        except (psycopg2.Error, WarehouseError) as error:
            fail_or_retry(error, context.retry_number)
        check_key = dg.AssetCheckKey(spec.key, CHECK)
        before = _read_problems(context.instance, check_key)
        counts = {f"files_{status}": count for status, count in sorted(report.statuses.items())}
        yield dg.MaterializeResult(metadata={**figures, **counts}, check_results=[_check(report, before)])

    return raw_table


def _find_stopped(partitions: Sequence[PartitionStatus]) -> list[Outcome]:
    """Return the partitions of a topic that stopped, as files that wait."""
    return [
        Outcome(f"{it.topic}/{it.partition}/{it.stopped_offset}", it.feed, "waiting", 0, message=it.stopped_reason)
        for it in partitions
        if it.stopped_offset is not None
    ]


def _describe_stream(partitions: Sequence[PartitionStatus]) -> dict[str, Any]:
    """Return how far the topic was read. A lag that is not known is left out."""
    lags = [it.lag for it in partitions if it.lag is not None]
    commits = [it.committed_at for it in partitions if it.committed_at is not None]
    figures: dict[str, Any] = {
        "partitions": len(partitions),
        "records_in_open_segments": sum(it.open_records or 0 for it in partitions),
        "messages_lost": sum(it.lost_messages for it in partitions),
    }
    if partitions and len(lags) == len(partitions):
        figures["lag"] = sum(lags)
    if commits:
        figures["last_commit"] = dg.MetadataValue.timestamp(max(commits))
        figures["seconds_since_last_commit"] = (datetime.now(UTC) - max(commits)).total_seconds()
    return figures


def _read_figures(connection: Connection, feed: Feed) -> dict[str, Any]:
    """Return what the ledger says of the feed's active files, named so that Dagster draws each over time."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("orchestration/sql/feed_figures.sql"), (feed.full_name,))
        row = cursor.fetchone()
    assert row is not None
    return dict(zip(("files", "records", "records_rejected", "dagster/row_count"), row, strict=True))


def _read_problems(instance: dg.DagsterInstance, check_key: dg.AssetCheckKey) -> Collection[str]:
    """Return the URIs of the files that needed a person when the check was last made."""
    made = instance.event_log_storage.get_asset_check_execution_history(
        check_key,
        limit=1,
        status={AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED},
    )
    last = made[0].evaluation if made else None
    if last is None or ALL not in last.metadata:
        return ()
    found: Any = last.metadata[ALL].value
    return list(found)


def _check(report: LoadReport, before: Collection[str]) -> dg.AssetCheckResult:
    """List the files that need a person. A file that was reported before is reported again only when refused again."""
    statuses = ("refused", "held", "waiting", "unreadable")
    problems = {it.uri: it.message or it.status for it in report.outcomes if it.status in statuses}
    refused_again = {it.uri for it in report.outcomes if it.status in ("refused", "held")}
    problems |= dict.fromkeys(report.still_refused, "still refused")
    problems |= {
        uri: f"still held; decide with: warehouse files --accept {file_id}, or --refuse {file_id}"
        for uri, file_id in report.still_held.items()
    }
    unreported = {uri: why for uri, why in problems.items() if uri in refused_again or uri not in before}
    lines = [f"{uri}: {why}" for uri, why in problems.items()]
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not report.needs_a_person,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(lines[:NAMED]) or None,
        metadata={
            "files": len(problems),
            ALL: dg.MetadataValue.json(problems),
            UNREPORTED: dg.MetadataValue.json(unreported),
        },
    )


class _Log(Reporter):
    """A reporter that writes to Dagster's log."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._log = context.log

    def say(self, message: str) -> None:
        self._log.info(message)

    def start(self, items: int, size_bytes: int = 0) -> None:
        self._log.info(f"{items:,} files, {size_bytes:,} bytes to load.")

    def finish(self, outcome: Outcome) -> None:
        line = f"{outcome.uri}: {outcome.status}"
        if outcome.message:
            self._log.warning(f"{line}, {outcome.message}")
        else:
            self._log.info(f"{line}, {outcome.tally.loaded:,} rows, {outcome.tally.rejected:,} rejected")
