"""The whole road under Dagster: assets, checks, the sensor, a failing test, the pages."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    RunFailureSensorContext,
    SensorResult,
    SkipReason,
    build_run_status_sensor_context,
    build_sensor_context,
)
from dagster_dbt import get_asset_key_for_source

from checkout import Checkout
from sales_warehouse.orchestration.define import DAILY, ON_DELIVERY, define
from sales_warehouse.orchestration.define_raw_tables import CHECK
from sales_warehouse.orchestration.tell_failure import describe_failure, post
from sales_warehouse.sample import write_sample
from sales_warehouse.settings import get_settings

RAW = {"online_retail/invoice_lines", "store_orders/order_lines", "superstore/order_lines"}


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with a small inbox and nothing loaded."""
    checkout.warehouse("up")
    write_sample(Path(checkout.variables["WAREHOUSE_INBOX"]), days=14, records=14 * 220)
    return checkout


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def defs(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> Definitions:
    """The definitions for it, with the variables a person would have set."""
    for name, value in {**shop.variables, "WAREHOUSE_PROJECT": str(shop.project)}.items():
        monkeypatch.setenv(name, value)
    return define(get_settings())


def run(defs: Definitions, name: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    return defs.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


def manifest(shop: Checkout) -> dict[str, Any]:
    path = Path(shop.variables["WAREHOUSE_HOME"]) / "dagster" / "dbt" / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_model_seed_and_feed_is_an_asset_under_the_key_dbt_derives(shop: Checkout, defs: Definitions) -> None:
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    nodes = manifest(shop)["nodes"].values()
    assert {key.split("/")[-1] for key in keys} >= {n["name"] for n in nodes if n["resource_type"] in ("model", "seed")}
    assert keys >= RAW
    models = [assets for assets in defs.assets or () if len(getattr(assets, "keys", ())) > 1]
    for source in ("online_retail", "store_orders", "superstore"):
        key = get_asset_key_for_source(models, source)  # type: ignore[arg-type]
        assert key.to_user_string() in RAW
        assert graph.get(key).is_materializable


def test_every_dbt_test_is_a_check(shop: Checkout, defs: Definitions) -> None:
    checks = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    found = manifest(shop)
    tests = {node["name"] for node in found["nodes"].values() if node["resource_type"] == "test"}
    units = {test["name"] for test in found["unit_tests"].values()}
    assert len(tests) > 20
    assert len(units) > 10
    assert checks == tests | units | {CHECK}


def test_one_run_loads_builds_and_checks_everything(
    shop: Checkout, defs: Definitions, instance: DagsterInstance
) -> None:
    result = run(defs, DAILY, instance)
    assert result.success, [event.message for event in result.all_events if event.is_failure]
    checks = {it.check_name: it.passed for it in result.get_asset_check_evaluations()}
    assert set(checks) == {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert [name for name, passed in checks.items() if not passed] == []
    truth = json.loads((Path(shop.variables["WAREHOUSE_INBOX"]) / "truth.json").read_text())
    told = {}
    for event in result.get_asset_materialization_events():
        told[event.asset_key.to_user_string()] = event.materialization.metadata
    materialised = {key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys}
    assert set(told) == materialised
    for feed, figures in truth["feeds"].items():
        metadata = told[feed.replace(".", "/")]
        assert metadata["files"].value == figures["files"]
        assert metadata["records"].value == figures["records_read"]
        assert metadata["records_rejected"].value == figures["rows_rejected"]
        assert (
            metadata["dagster/row_count"].value
            == figures["records_read"] - figures["rows_rejected"] - figures["rows_skipped"]
        )
    assert shop.value("select count(*) from marts.fct_sales_lines") == str(truth["totals"]["accepted"])
