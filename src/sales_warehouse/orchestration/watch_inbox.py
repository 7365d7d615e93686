"""Start runs when a file arrives or the ledger changes, and once a day."""

from collections.abc import Sequence
from contextlib import closing

import psycopg2
from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sales_warehouse import server
from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.retry import is_transient
from sales_warehouse.load.run_load import SETTLE_SECONDS
from sales_warehouse.orchestration.find_news import News, Seen, find_news
from sales_warehouse.settings import Settings

LOOK_EVERY_SECONDS = 30
DAILY_AT = "0 5 * * *"  # UTC: after the night's deliveries, before people come
_AT_WORK = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def define_sensor(settings: Settings, feeds: Sequence[Feed], run: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """Return the sensor that starts `run` once for each state of inbox and ledger."""

    @sensor(
        name="inbox",
        job=run,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts one run when a file arrives, is corrected or restored; none for a duplicate.",
    )
    def inbox(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        # While a run is in progress the ledger still changes; the next tick sees what that run left.
        if context.instance.get_run_ids(RunsFilter(statuses=_AT_WORK), limit=1):
            return SkipReason("A run is in progress.")
        if not settings.inbox.is_dir():
            return SkipReason(f"There is no inbox {settings.inbox} yet.")
        before = Seen.parse(context.cursor)
        try:
            with closing(
                server.connect(settings, application_name="warehouse dagster", role="transformer")
            ) as connection:
                news = find_news(connection, feeds, settings.inbox, before, SETTLE_SECONDS)
        except (psycopg2.Error, ServerUnreachable) as error:
            if not is_transient(error):
                raise
            return SkipReason(f"The server does not answer: {error}")
        if not news.is_any:
            # duplicates are remembered too, so that they are not opened at every tick
            kept = Seen(news.cursor.seen, before.event_id)
            return SensorResult(skip_reason=SkipReason("Nothing new."), cursor=str(kept))
        return SensorResult(run_requests=[_request(news)], cursor=str(news.cursor))

    return inbox


def define_schedule(run: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """Return the daily run: it also loads what a failed run left, and reports late deliveries."""
    return ScheduleDefinition(
        name="daily",
        job=run,
        cron_schedule=DAILY_AT,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
    )


def _request(news: News) -> RunRequest:
    tags = {"warehouse/files": str(len(news.files)), "warehouse/events": str(news.events)}
    if news.files:
        tags["warehouse/first_file"] = news.files[0]
    return RunRequest(run_key=news.run_key, tags=tags)
