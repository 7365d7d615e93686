"""When a run fails, or files need a person: a line in the log, and a message to a webhook where one is set."""

import json
import logging
import urllib.request
from typing import Any

from dagster import (
    DagsterEventType,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunFailureSensorContext,
    RunStatusSensorContext,
    SensorDefinition,
    run_failure_sensor,
    run_status_sensor,
)

from sales_warehouse.errors import WarehouseError
from sales_warehouse.orchestration.define_raw_tables import CHECK, NAMED, UNTOLD
from sales_warehouse.orchestration.fail_or_retry import EXIT_CODE
from sales_warehouse.settings import Settings

WEBHOOK_SECONDS = 10.0

log = logging.getLogger("sales_warehouse.orchestration")


def define_failure_hook(settings: Settings) -> SensorDefinition:
    """Return what hears of every failed run."""

    @run_failure_sensor(
        name="failure",
        default_status=DefaultSensorStatus.RUNNING,
        description="Logs a failed run, tells the webhook.",
    )
    def failure(context: RunFailureSensorContext) -> None:
        _tell(settings, "run failed", describe_failure(context))

    return failure


def define_files_hook(settings: Settings) -> SensorDefinition:
    """Return what hears of the files a run that went on without them left to a person; of each once."""

    @run_status_sensor(
        run_status=DagsterRunStatus.SUCCESS,
        name="refused_files",
        default_status=DefaultSensorStatus.RUNNING,
        description="Logs files that are refused, waiting or unreadable, tells the webhook; once, not at every run.",
    )
    def refused_files(context: RunStatusSensorContext) -> None:
        told = describe_files(context)
        if told is not None:
            _tell(settings, "files need a person", told)

    return refused_files


def describe_failure(context: RunFailureSensorContext) -> dict[str, Any]:
    """Return what a person has to know of a failed run; the exit code is the one `warehouse build` would end with."""
    steps = []
    code = WarehouseError.exit_code
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        message = data.error.message.strip() if data.error else ""
        if data.user_failure_data is not None:
            message = (data.user_failure_data.description or message).strip()
            if found := data.user_failure_data.metadata.get(EXIT_CODE):
                code = int(str(found.value))
        steps.append({"step": event.step_key, "message": message})
    run = context.dagster_run
    why = steps[0]["message"] if steps else context.failure_event.message  # a run that never started has no steps
    files = _untold_files(context)
    # text is what chat programs show
    text = f"{_name(run)} failed: {why}" + (f"\n{_say(files)}" if files else "")
    return {"run": run.run_id, "exit_code": code, "text": text, "steps": steps, "files": files}


def _name(run: DagsterRun) -> str:
    """Return what ran: the assets somebody picked by hand, which Dagster gives a name of its own, or the run's name."""
    if run.job_name.startswith("__") and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def describe_files(context: RunStatusSensorContext) -> dict[str, Any] | None:
    """Return what a person has to know of a run that is done but for some files; none where there is nothing new."""
    files = _untold_files(context)
    if not files:
        return None
    run = context.dagster_run
    text = f"{_name(run)} is done. {_say(files)}"
    return {"run": run.run_id, "exit_code": WarehouseError.exit_code, "text": text, "steps": [], "files": files}


def _untold_files(context: RunStatusSensorContext) -> list[dict[str, str]]:
    """Return the files the run's checks found to need a person, without those an earlier run told already."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    files: list[dict[str, str]] = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_check_evaluation_data.check_name == CHECK:
            untold = event.asset_check_evaluation_data.metadata[UNTOLD].value
            assert isinstance(untold, dict)
            files += [{"uri": uri, "message": message} for uri, message in untold.items()]
    return files


def _say(files: list[dict[str, str]]) -> str:
    lines = [f"{file['uri']}: {file['message']}" for file in files[:NAMED]]
    if len(files) > NAMED:
        lines.append(f"and {len(files) - NAMED:,} more")
    return f"{'1 file needs' if len(files) == 1 else f'{len(files):,} files need'} a person:\n" + "\n".join(lines)


def _tell(settings: Settings, what: str, told: dict[str, Any]) -> None:
    log.error("%s %s", what, json.dumps(told, ensure_ascii=False))
    if settings.webhook:
        post(settings.webhook, told)


def post(url: str, told: dict[str, Any]) -> None:
    """Send JSON; a webhook that does not answer is told in the log and is no failure of its own."""
    request = urllib.request.Request(  # noqa: S310  settings let http and https through only
        url, json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):  # noqa: S310  see above
            pass
    except (OSError, ValueError) as error:
        # not the address: it may hold a key
        log.error("the webhook did not take the message: %s", type(error).__name__)
