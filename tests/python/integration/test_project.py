"""The dbt project as a whole: everything described, nothing deprecated, layers kept, lineage from the feeds on."""

import json
import subprocess
import sys
from typing import Any

import pytest

from checkout import PROJECT, WITHOUT_TESTS, Checkout


@pytest.fixture(scope="module")
def manifest(checkout: Checkout) -> dict[str, Any]:
    """The parsed project, after `dbt docs generate` on an empty but built warehouse."""
    checkout.warehouse("up")
    checkout.dbt("build", "--quiet", *WITHOUT_TESTS)
    checkout.dbt("docs", "generate", "--quiet")
    content: dict[str, Any] = json.loads((checkout.project / "target" / "manifest.json").read_text())
    return content


def _nodes(manifest: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    every = {**manifest["nodes"], **manifest["sources"]}.values()
    return [node for node in every if node["resource_type"] in kinds]


def test_every_model_seed_source_macro_and_column_is_described(checkout: Checkout, manifest: dict[str, Any]) -> None:
    catalog = json.loads((checkout.project / "target" / "catalog.json").read_text())
    missing = []
    for node in _nodes(manifest, "model", "seed", "source"):
        described = {name for name, column in node["columns"].items() if column["description"].strip()}
        built = {**catalog["nodes"], **catalog["sources"]}[node["unique_id"]]["columns"]
        missing += [f"{node['name']}.{column}" for column in built if column not in described]
        if not node["description"].strip():
            missing.append(node["name"])
    # those that models call are described, see test_conventions.py; the others have a comment
    for macro in manifest["macros"].values():
        if macro["package_name"] == "sales_warehouse" and not macro["description"].strip():
            file = checkout.project / macro["original_file_path"]
            missing += [macro["name"]] if "{#" not in file.read_text() and "__" not in macro["name"] else []
    assert missing == []
    assert len(_nodes(manifest, "model")) >= 14


def test_the_project_uses_no_deprecated_feature(checkout: Checkout) -> None:
    # dbt_project.yml has warn_error_options, beside which dbt takes no --warn-error
    errors = "{error: all, silence: [UnsupportedConstraintMaterialization]}"
    # the manifest of `dbt parse` has no SQL, from which `edges` follows the columns
    done = checkout.dbt("parse", "--no-partial-parse", "--show-all-deprecations", "--warn-error-options", errors,
                        "--target-path", "target/parsed")  # fmt: skip
    assert "deprecat" not in (done.stdout + done.stderr).lower()


def test_the_lineage_starts_at_the_feeds(manifest: dict[str, Any]) -> None:
    parents = manifest["parent_map"]

    def origins(node: str) -> set[str]:
        return {node} if not parents.get(node) else set().union(*(origins(parent) for parent in parents[node]))

    found = {origin.split(".", 2)[2] for origin in origins("model.sales_warehouse.agg_sales_daily")}
    assert {
        "online_retail.invoice_lines",
        "store_orders.order_lines",
        "superstore.order_lines",
    } <= found


def test_layers_read_only_the_layer_before(manifest: dict[str, Any]) -> None:
    wrong = []
    for node in _nodes(manifest, "model"):
        path = node["original_file_path"]
        for parent in manifest["parent_map"][node["unique_id"]]:
            kind, name = parent.split(".")[0], parent.split(".")[-1]
            parent_path = manifest["nodes"].get(parent, {}).get("original_file_path", "")
            reads_raw = kind == "source" and parent.split(".")[2] != "ledger"
            if (
                path.startswith("models/staging/")
                and kind != "source"
                and path != parent_path.replace(".sql", "_typed.sql")
            ):
                wrong.append(f"{path} reads {name}: staging reads its raw table alone")
            if not path.startswith("models/staging/") and reads_raw:
                wrong.append(f"{path} reads raw {name}: only staging does")
            if not path.startswith("models/staging/") and f"{parent}_typed" in manifest["nodes"]:
                wrong.append(f"{path} reads {name}: each row is cast once, for {name}_typed")
            if path.startswith("models/marts/core/") and parent_path.startswith(
                ("models/marts/reporting/", "models/audit/")
            ):
                wrong.append(f"{path} reads {name}: core is built before reports")
            if path.startswith("models/marts/reporting/") and not parent_path.startswith("models/marts/"):
                wrong.append(f"{path} reads {name}: reports read core and other reports alone")
    assert wrong == []


def test_marts_are_contracts_with_a_stated_grain(manifest: dict[str, Any]) -> None:
    for node in _nodes(manifest, "model"):
        layer = node["original_file_path"].split("/")[1]
        if layer in ("marts", "audit"):
            assert node["config"]["contract"]["enforced"], node["name"]
            expected = ("table_in_place", "table_when_new", "incremental_by_ledger", "view_of_marts")
            assert node["config"]["materialized"] in expected, node["name"]
            assert "Grain: " in node["raw_code"][:400], node["name"]
        else:
            # an intermediate table must be useful: it saves its children a scan of all lines
            tables = {"intermediate": "incremental_by_ledger", "live": "kept_table"}
            expected = ("view_in_place", tables.get(layer, "view_in_place"))
            if node["name"].startswith("stg_") and node["name"].endswith("_typed"):
                expected = ("incremental_by_ledger",)
            assert node["config"]["materialized"] in expected, node["name"]


def test_every_table_of_the_marts_has_a_tested_key(manifest: dict[str, Any]) -> None:
    tested = {
        test["attached_node"]
        for test in _nodes(manifest, "test")
        if (test.get("test_metadata") or {}).get("name") in ("unique", "unique_combination")
    }
    for node in _nodes(manifest, "model"):
        if node["original_file_path"].startswith(("models/marts/", "models/audit/")):
            assert node["unique_id"] in tested, node["name"]


def test_money_is_exact(checkout: Checkout, manifest: dict[str, Any]) -> None:
    floats = checkout.sql(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts', 'audit', 'reference') "
        "and data_type in ('real', 'double precision', 'money')"
    )
    assert floats == []
    unsized = checkout.sql(
        "select table_name, column_name from information_schema.columns "
        "where table_schema = 'marts' and data_type = 'numeric' and numeric_scale is null"
    )
    assert unsized == []


def test_the_default_target_has_schemas_of_its_own(checkout: Checkout) -> None:
    listed = Checkout(checkout.project, checkout.variables | {"USER": "Ann-Marie.O"}).dbt(
        "ls", "--quiet", "--select", "fct_sales_lines", "--resource-type", "model", "--output", "json",
        "--output-keys", "schema", "--target-path", "target/dev", target=None,
    )  # fmt: skip
    assert json.loads(listed.stdout)["schema"] == "dev_ann_marie_o_marts"


@pytest.fixture(scope="module")
def edges(checkout: Checkout, manifest: dict[str, Any]) -> list[dict[str, str]]:
    """The page of column lineage: which column of a relation is made from which columns of others."""
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts" / "show_lineage.py", "generate", "--disable-telemetry",
         "--output-dir", "target/lineage"],
        cwd=checkout.project, env=checkout.environment | {"DBT_COLIBRI_NO_VERSION_CHECK": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ERROR" not in done.stdout + done.stderr
    page = json.loads((checkout.project / "target" / "lineage" / "colibri-manifest.json").read_text())
    found: list[dict[str, str]] = page["lineage"]["edges"]
    return found


def test_personal_columns_reach_no_intermediate_model_and_no_mart(
    manifest: dict[str, Any], edges: list[dict[str, str]]
) -> None:
    """Under any column name. In audit, each column with personal data is itself marked as personal."""
    nodes = {node["unique_id"]: node for node in _nodes(manifest, "model", "source", "seed")}
    declared = {
        (unique_id, name)
        for unique_id, node in nodes.items()
        for name, column in node["columns"].items()
        if column["config"].get("meta", {}).get("personal")
    }
    assert {name for _, name in declared} == {"customer_name", "purchase_address", "delivered_values"}
    made_of: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in edges:
        # the codes of errors and warnings contain no values of the row
        if edge["targetColumn"] not in ("row_status", "row_issues"):
            source = (edge["source"], edge["sourceColumn"])
            made_of.setdefault(source, set()).add((edge["target"], edge["targetColumn"]))
    reached, todo = set(declared), list(declared)
    while todo:
        new = made_of.get(todo.pop(), set()) - reached
        reached |= new
        todo += new
    shown = {
        (one, column) for one, column in reached if one in nodes and nodes[one]["config"].get("schema") != "staging"
    }
    assert {unique_id.split(".", 2)[2] for unique_id, _ in shown} > {"superstore.order_lines", "quarantined_rows"}
    assert shown == {(one, column) for one, column in declared if one in nodes} & shown
    assert not {one for one, _ in shown if nodes[one]["config"].get("schema") in ("intermediate", "marts")}


def test_the_column_lineage_page_shows_the_origin_of_columns(edges: list[dict[str, str]]) -> None:
    """Also through unions, joins and macros: a column that the parser cannot follow would silently have no origin."""

    def origins(table: str, column: str) -> set[str]:
        return {
            f"{edge['source'].split('.', 2)[2]}.{edge['sourceColumn']}"
            for edge in edges
            if edge["target"].endswith(f".{table}") and edge["targetColumn"] == column
        }

    assert origins("int_sales__lines_unioned", "net_amount") >= {
        "int_sales__online_retail_lines_typed.net_amount",
        "stg_store_orders__order_lines_typed.net_amount",
        "stg_superstore__order_lines_typed.net_amount",
    }
    assert origins("fct_sales_lines", "customer_key") == {
        "int_sales__lines_unioned.customer_id",
        "int_sales__lines_unioned.source_system",
    }
    assert origins("fct_sales_lines", "net_amount_reporting") == {
        "fct_exchange_rates.fx_rate",
        "int_sales__lines_unioned.net_amount",
    }
    assert origins("agg_sales_monthly", "month_start_date") == {"dim_date.month_start_date"}
    assert "online_retail.invoice_lines.unit_price" in origins("stg_online_retail__invoice_lines", "row_issues")
