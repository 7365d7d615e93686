"""Report failed runs and files that need a person: in the log, and to a webhook if one is set."""

import json
import logging
import urllib.request
from typing import Any

import dagster as dg

from sales_warehouse.errors import WarehouseError
from sales_warehouse.orchestration.define_raw_tables import CHECK, NAMED, UNREPORTED
from sales_warehouse.orchestration.fail_or_retry import EXIT_CODE
from sales_warehouse.settings import Settings

WEBHOOK_SECONDS = 10.0

log = logging.getLogger("sales_warehouse.orchestration")


def define_failure_hook(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that reports failed runs."""

    @dg.run_failure_sensor(
        name="failure",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs a failed run, notifies the webhook.",
    )
    def failure(context: dg.RunFailureSensorContext) -> None:
        _notify(settings, "run failed", describe_failure(context))

    return failure


def define_files_hook(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that reports, once each, the files that need a person."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="refused_files",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs files that are refused, held, waiting or unreadable, notifies the webhook; once each.",
    )
    def refused_files(context: dg.RunStatusSensorContext) -> None:
        files = _unreported_files(context)
        if files:
            run, code = context.dagster_run, WarehouseError.exit_code
            text = f"{_name(run)} is done. {_say(files)}"
            message = {"run": run.run_id, "exit_code": code, "text": text, "steps": [], "files": files}
            _notify(settings, "files need a person", message)

    return refused_files


def describe_failure(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """Describe a failed run; the exit code is that of `warehouse build` in the same case."""
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
    files = _unreported_files(context)
    # chat programs show `text`
    text = f"{_name(run)} failed: {why}" + (f"\n{_say(files)}" if files else "")
    return {"run": run.run_id, "exit_code": code, "text": text, "steps": steps, "files": files}


def _name(run: dg.DagsterRun) -> str:
    """Return the name of the run, or the assets of a run that was started for a selection of assets."""
    if run.job_name.startswith("__") and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def _unreported_files(context: dg.RunStatusSensorContext) -> list[dict[str, str]]:
    """Return the files that need a person, without those that an earlier run reported."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    files: list[dict[str, str]] = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_check_evaluation_data.check_name == CHECK:
            unreported: Any = event.asset_check_evaluation_data.metadata[UNREPORTED].value
            files += [{"uri": uri, "message": message} for uri, message in unreported.items()]
    return files


def _say(files: list[dict[str, str]]) -> str:
    lines = [f"{file['uri']}: {file['message']}" for file in files[:NAMED]]
    if len(files) > NAMED:
        lines.append(f"and {len(files) - NAMED:,} more")
    return f"{'1 file needs' if len(files) == 1 else f'{len(files):,} files need'} a person:\n" + "\n".join(lines)


def _notify(settings: Settings, what: str, message: dict[str, Any]) -> None:
    log.error("%s %s", what, json.dumps(message, ensure_ascii=False))
    if settings.webhook:
        post(settings.webhook, message)


def post(url: str, message: dict[str, Any]) -> None:
    """Send JSON; a webhook that does not answer is logged and is no failure."""
    request = urllib.request.Request(  # noqa: S310  settings let http and https through only
        url, json.dumps(message).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):  # noqa: S310  see above
            pass
    except (OSError, ValueError) as error:
        # without the address, which may hold a key
        log.error("the webhook did not accept the message: %s", type(error).__name__)
