"""When a run fails: a line in the log, and a message to a webhook where one is set."""

import json
import logging
import urllib.request
from typing import Any

from dagster import DefaultSensorStatus, RunFailureSensorContext, SensorDefinition, run_failure_sensor

from sales_warehouse.errors import WarehouseError
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
        told = describe_failure(context)
        log.error("run failed %s", json.dumps(told, ensure_ascii=False))
        if settings.webhook:
            post(settings.webhook, told)

    return failure


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
    # text is what chat programs show
    return {"run": run.run_id, "exit_code": code, "text": f"{run.job_name} failed: {why}", "steps": steps}


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
