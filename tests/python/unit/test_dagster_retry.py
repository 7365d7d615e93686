"""Transient errors are retried with increasing waits; other errors end the run with their exit code."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import psycopg2
import pytest
from dagster import Failure, RetryRequested
from dagster_dbt import DbtCliInvocation

from sales_warehouse.errors import ConfigurationError, ServerAway, ServerUnreachable, WarehouseError
from sales_warehouse.orchestration import define_models
from sales_warehouse.orchestration.define_models import _end, is_transient_message
from sales_warehouse.orchestration.fail_or_retry import EXIT_CODE, RETRIES, fail_or_retry
from sales_warehouse.orchestration.serve import environment, write_instance
from sales_warehouse.settings import Settings
from sales_warehouse.transform.run_dbt import HeldFile


def test_the_waits_double_and_end() -> None:
    waits = []
    for number in range(RETRIES):
        with pytest.raises(RetryRequested) as asked:
            fail_or_retry(ServerAway("away"), number)
        waits.append(asked.value.seconds_to_wait)
    assert waits == [30, 60, 120]
    with pytest.raises(Failure) as failed:
        fail_or_retry(ServerAway("away"), RETRIES)
    assert failed.value.metadata[EXIT_CODE].value == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no inbox"), 2),
        (ServerUnreachable("wrong password"), 3),
        (WarehouseError("no"), 1),
        (psycopg2.errors.UndefinedTable("no table"), 1),
    ],
)
def test_a_permanent_error_is_not_retried(error: psycopg2.Error | WarehouseError, code: int) -> None:
    with pytest.raises(Failure) as failed:
        fail_or_retry(error, 0)
    assert not failed.value.allow_retries
    assert failed.value.metadata[EXIT_CODE].value == code
    assert str(error) in str(failed.value.description)


def test_a_file_that_a_build_held_is_an_observation_of_its_raw_table(monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldFile("shop.lines", "shop/a.csv", "30 of 31 rows are quarantined")
    monkeypatch.setattr(define_models, "find_later_changes", lambda *_: ((held,), ()))
    seen: list[dg.AssetObservation] = []
    context: Any = SimpleNamespace(retry_number=0, log=SimpleNamespace(warning=str), log_event=seen.append)
    settings: Any = None
    with pytest.raises(RetryRequested):
        define_models._retry_for_changes(settings, _failed_test(), context)
    assert [(it.asset_key.path, it.description, it.metadata["file"].value) for it in seen] == [
        (["shop", "lines"], "Held: 30 of 31 rows are quarantined", "shop/a.csv")
    ]


@pytest.mark.parametrize(("changed", "status"), [(("shop/a.csv",), "fail"), ((), "fail"), (("shop/a.csv",), "error")])
def test_a_build_whose_tests_failed_while_files_changed_is_retried(
    monkeypatch: pytest.MonkeyPatch, changed: tuple[str, ...], status: str
) -> None:
    monkeypatch.setattr(define_models, "find_later_changes", lambda *_: ((), changed))
    said: list[str] = []
    context: Any = SimpleNamespace(retry_number=0, log=SimpleNamespace(warning=said.append))
    settings: Any = None
    if changed and status == "fail":
        with pytest.raises(RetryRequested):
            define_models._retry_for_changes(settings, _failed_test(), context)
        assert said == ["Corrected, unloaded or repaired while the build ran: shop/a.csv. It is built again."]
    else:
        define_models._retry_for_changes(settings, _failed_test(status), context)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Database Error in model x\n  server closed the connection unexpectedly", True),
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', True),
        ('connection to server at "db" failed: FATAL:  the database system is starting up', True),
        ("Database Error\n  deadlock detected", True),
        ("Database Error in model x\n  division by zero", False),
        ("Got 3 results, configured to fail if != 0", False),
        ("", False),
    ],
)
def test_a_lost_connection_is_distinguished_from_a_wrong_model(message: str, expected: bool) -> None:
    assert is_transient_message(message) is expected


def test_the_settings_of_dagster_are_written_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings(project=home, home=home, inbox=home / "inbox")
    folder = write_instance(settings)
    path = folder / "dagster.yaml"
    assert "telemetry: {enabled: false}" in path.read_text()
    path.write_text("telemetry: {enabled: false}\n# mine\n")
    assert write_instance(settings) == folder
    assert path.read_text().endswith("# mine\n")
    assert environment(settings)["DAGSTER_HOME"] == str(folder)


def _failed_test(status: str = "fail") -> Any:
    results = {"metadata": {"invocation_id": "one"}, "results": [{"unique_id": "test.shop.sums.1", "status": status}]}
    return SimpleNamespace(get_artifact=lambda _: results)


class _Build:
    """Stands in for the invocation of dbt: ended with these results."""

    def __init__(self, *results: tuple[str, str]) -> None:
        self.results = [{"unique_id": name, "status": "error", "message": message} for name, message in results]

    def is_successful(self) -> bool:
        return False

    def get_artifact(self, _: str) -> dict[str, object]:
        return {"results": self.results}


def test_a_refused_publication_is_left_to_its_own_asset() -> None:
    refused = ("operation.shop.shop-on-run-end-4", "failed, error:\nlost\nCONTEXT: function ledger.raise_refusal()")
    _end(cast(DbtCliInvocation, _Build(refused)), 0)
    for others in ([("model.shop.fct", "wrong")], [refused, ("model.shop.fct", "wrong")]):
        with pytest.raises(Failure):
            _end(cast(DbtCliInvocation, _Build(*others)), 0)
