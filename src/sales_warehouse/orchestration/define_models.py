"""The dbt models as assets, their tests as checks: one dbt run builds and tests them all."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets

from sales_warehouse.errors import WarehouseError
from sales_warehouse.orchestration.fail_or_retry import RETRIES, ask_for_retry, fail, fail_or_retry
from sales_warehouse.settings import Settings
from sales_warehouse.transform.problems import Problem, find_command
from sales_warehouse.transform.run_dbt import (
    describe_changed,
    describe_refusal,
    find_later_changes,
    is_refused_publication,
)
from sales_warehouse.transform.targets import keep_manifest, on_prod

# Messages of libpq and PostgreSQL for a lost connection and for other transient errors.
TRANSIENT = (
    "server closed the connection unexpectedly",
    "terminating connection due to administrator command",
    "connection already closed",
    "could not connect to server",
    "connection refused",
    "the database system is",  # starting up, shutting down, in recovery mode
    "too many clients already",
    "remaining connection slots",
    "deadlock detected",
    "could not serialize access",
)
_NAMED = 10  # problems in a message


class Translator(DagsterDbtTranslator):
    """A translator that groups the assets by layer: the folder below `models` or `seeds`."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the layer of a node; for a source its schema."""
        if dbt_resource_props["resource_type"] == "source":
            return str(dbt_resource_props["schema"])
        return str(dbt_resource_props["fqn"][1])


def define_models(
    settings: Settings, project: DbtProject, manifest: dict[str, Any], translator: DagsterDbtTranslator
) -> dg.AssetsDefinition:
    """Return the multi-asset that runs `dbt build`.

    It has no retry policy: a failing test must not build everything again. Only a lost connection to the server asks
    for a retry.
    """

    @dbt_assets(manifest=manifest, project=project, dagster_dbt_translator=translator, name="dbt_build")
    def dbt_build(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        started = time.time()
        try:
            # Unit tests test the models, not the data; they are separate checks.
            invocation = dbt.cli(
                ["build", *on_prod(), "--exclude-resource-type", "unit_test"],
                context=context,
                raise_on_error=False,
                target_path=target_path(settings, "build"),
            )
            yield from invocation.stream()
        except (psycopg2.Error, WarehouseError) as error:
            fail_or_retry(error, context.retry_number)
        _retry_for_changes(settings, invocation, context)
        _end(invocation, context.retry_number)
        keep_manifest(settings, target_path(settings, "build") / "manifest.json", started)

    return dbt_build


def define_unit_tests(
    settings: Settings, project: DbtProject, manifest: dict[str, Any], translator: DagsterDbtTranslator
) -> dg.AssetChecksDefinition:
    """Return a check for every dbt unit test, on its model; one `dbt test` runs them all."""
    tests = {test["name"]: test for test in manifest["unit_tests"].values()}
    specs = [
        dg.AssetCheckSpec(
            name,
            asset=translator.get_asset_spec(manifest, test["depends_on"]["nodes"][0], project).key,
            description=test.get("description"),
        )
        for name, test in sorted(tests.items())
    ]

    @dg.multi_asset_check(specs=specs, name="dbt_unit_tests", can_subset=True)
    def dbt_unit_tests(context: dg.AssetCheckExecutionContext, dbt: DbtCliResource) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.name: key for key in context.selected_asset_check_keys}
        select = "test_type:unit" if len(wanted) == len(tests) else " ".join(sorted(wanted))
        invocation = dbt.cli(
            ["test", *on_prod(), "--select", select],
            manifest=manifest,
            raise_on_error=False,
            target_path=target_path(settings, "unit_tests"),
        ).wait()
        found = {name: result for name, result in _results(invocation) if name in wanted}
        for name, result in found.items():
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=wanted[name].asset_key,
                passed=result["status"] == "pass",
                description=(result.get("message") or "").strip() or None,
            )
        if missing := wanted.keys() - found.keys():
            fail(f"dbt did not run {len(missing)} unit tests, such as {min(missing)}; its log says why.")

    return dbt_unit_tests


def target_path(settings: Settings, name: str) -> Path:
    """Return the target folder of a command; of two at a time, one waits for the lease and writes no results."""
    path = settings.home / "dagster" / "dbt" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def _retry_for_changes(settings: Settings, invocation: DbtCliInvocation, context: dg.AssetExecutionContext) -> None:
    """Request a retry of the step when tests failed for files that the build held, or that others changed meanwhile."""
    has_failed_test = any(result["status"] == "fail" for _, result in _results(invocation))
    if not has_failed_test or context.retry_number >= RETRIES:
        return
    invocation_id = invocation.get_artifact("run_results.json")["metadata"]["invocation_id"]
    held, changed = find_later_changes(settings, invocation_id)
    for file in held:
        context.log.warning(f"Held: {file.uri}: {file.message}")
        # on the page of the raw table, whose check names the file only after its next load
        key = dg.AssetKey(file.feed.split("."))
        context.log_event(dg.AssetObservation(key, description=f"Held: {file.message}", metadata={"file": file.uri}))
    if changed:
        context.log.warning(describe_changed(changed))
    if held or changed:
        ask_for_retry(context.retry_number)


def _end(invocation: DbtCliInvocation, retry_number: int) -> None:
    """Turn an unsuccessful dbt run into a failure, or into a retry when the connection was lost.

    A green build whose publication the database refused is a success of the models: the asset of the publication fails.
    """
    if invocation.is_successful():
        return
    results = list(_results(invocation))
    wrong = [result for _, result in results if result["status"] in ("error", "fail")]
    if wrong and all(is_refused_publication(result["unique_id"], result.get("message")) for result in wrong):
        dg.get_dagster_logger().warning(f"Not published. {describe_refusal(wrong[0]['message'])}")
        return
    problems = [(name, result) for name, result in results if result["status"] in ("error", "fail")]
    messages = [(result.get("message") or "").strip() for _, result in problems]
    has_failed_test = any(result["status"] == "fail" for _, result in problems)
    if not results:
        error = invocation.get_error()
        messages = [str(error)] if error else []
    is_lost = bool(messages) and not has_failed_test and all(map(is_transient_message, messages))
    if is_lost and retry_number < RETRIES:
        ask_for_retry(retry_number, Exception(messages[0]))
    if not problems:
        fail(f"dbt could not build: {messages[0] if messages else 'its log says why'}", exit_code=3 if is_lost else 1)
    described = [
        Problem(name, result["unique_id"].partition(".")[0], result["status"], message, "")
        for (name, result), message in zip(problems, messages, strict=True)
    ]
    lines = [f"{problem.name}: {problem.cause}" for problem in described]
    if len(lines) > _NAMED:
        lines[_NAMED:] = [f"and {len(lines) - _NAMED} more"]
    if command := find_command(described):
        lines.append(f"Look closer with: {command}")
    fail("dbt build is not green:\n" + "\n".join(lines), exit_code=3 if is_lost else 1)


def is_transient_message(message: str) -> bool:
    """Say whether dbt's message reports a transient error of the server."""
    return any(text in message.lower() for text in TRANSIENT)


def _results(invocation: DbtCliInvocation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and result of every node that dbt ran; nothing when it did not start."""
    try:
        found = invocation.get_artifact("run_results.json")
    except FileNotFoundError:
        return
    for result in found["results"]:
        # <kind>.<project>.<name>; a generic test has a digest after the name, a unit test its model before the name
        parts = result["unique_id"].split(".")
        yield parts[3] if parts[0] == "unit_test" else parts[2], result
