"""Start runs when a file arrives or the ledger changes, and once a day."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg2
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sales_warehouse import server
from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.retry import is_transient
from sales_warehouse.load.run_load import SETTLE_SECONDS
from sales_warehouse.orchestration.find_changes import Limits, State, find_changes
from sales_warehouse.settings import Settings

INTERVAL_SECONDS = 30
DAILY_AT = "0 5 * * *"  # UTC: after the night's deliveries, before people come
_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def define_sensor(settings: Settings, feeds: Sequence[Feed], run: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor that starts `run` once for each state of inbox and ledger."""
    limits = Limits(settings.build_minutes, settings.build_rows)

    @dg.sensor(
        name="inbox",
        job=run,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts one run when a file arrives, is corrected or restored, or when messages wait long enough.",
    )
    def inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # While a run is in progress the ledger still changes; the tick after it finds what that run did not process.
        if context.instance.get_run_ids(dg.RunsFilter(statuses=_IN_PROGRESS), limit=1):
            return dg.SkipReason("A run is in progress.")
        if isinstance(settings.inbox, Path) and not settings.inbox.is_dir():
            return dg.SkipReason(f"There is no inbox {settings.inbox} yet.")
        before = State.parse(context.cursor)
        try:
            connection = server.connect(settings, application_name="warehouse dagster", role="transformer")
            with closing(connection):
                changes = find_changes(connection, feeds, settings.inbox, before, SETTLE_SECONDS, limits)
        except (psycopg2.Error, ServerUnreachable) as error:
            if not is_transient(error):
                raise
            return dg.SkipReason(f"The server does not answer: {error}")
        if not changes.files and not changes.events and not changes.messages:
            # duplicates are stored too, so that they are not opened at every tick
            state = replace(before, seen=changes.state.seen, list_again_at=changes.state.list_again_at)
            return dg.SensorResult(skip_reason=dg.SkipReason("Nothing new."), cursor=str(state))
        tags = {"warehouse/files": str(len(changes.files)), "warehouse/events": str(changes.events)}
        if changes.messages:
            tags["warehouse/messages"] = str(changes.messages)
        if changes.files:
            tags["warehouse/first_file"] = changes.files[0]
        return dg.SensorResult(run_requests=[dg.RunRequest(changes.run_key, tags=tags)], cursor=str(changes.state))

    return inbox


def define_schedule(run: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the daily run: it also loads files that a failed run did not load, and reports late deliveries."""
    return dg.ScheduleDefinition(
        name="daily",
        job=run,
        cron_schedule=DAILY_AT,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
