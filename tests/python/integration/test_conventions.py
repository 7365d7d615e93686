"""The rules of dbt-bouncer.yml are effective: on a manifest that breaks each of them once, each of them fails."""

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import BIN, PROJECT, Checkout

CONFIG = PROJECT / "dbt-bouncer.yml"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of the project, parsed with the example profile and no server."""
    folder = tmp_path_factory.mktemp("conventions")
    checkout = Checkout.copy_to(folder, PGHOST="nowhere.invalid")
    (folder / "profiles.yml").write_text((PROJECT / "profiles.yml.example").read_text())
    checkout.dbt("parse", "--quiet")
    content: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_text())
    return content


def find_failures(manifest: dict[str, Any], folder: Path) -> set[int]:
    """Return the numbers of the rules, in the order of the file, that a manifest breaks."""
    config = yaml.safe_load(CONFIG.read_text())
    config["dbt_artifacts_dir"] = str(folder)
    (folder / "dbt-bouncer.yml").write_text(yaml.safe_dump(config))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = folder / "found.json"
    subprocess.run(
        [BIN / "dbt-bouncer", "run", "--config-file", folder / "dbt-bouncer.yml", "--output-file", found],
        cwd=PROJECT, capture_output=True, check=False,
    )  # fmt: skip
    results = json.loads(found.read_text())
    assert results
    return {int(one["check_run_id"].split(":")[1]) for one in results if one["outcome"] == "failed"}


def break_everything(manifest: dict[str, Any]) -> None:
    """Break each rule once."""
    prefix = "model.sales_warehouse."
    nodes, sources = manifest["nodes"], manifest["sources"]

    def model(name: str) -> dict[str, Any]:
        node: dict[str, Any] = nodes[prefix + name]
        return node

    def column(name: str, data_type: str, **other: str) -> dict[str, Any]:
        return {"name": name, "description": "Of no use.", "data_type": data_type, "meta": {}, "tags": []} | other

    staging, typed = model("stg_superstore__order_lines"), model("int_sales__online_retail_lines_typed")
    fact, daily, monthly = model("fct_sales_lines"), model("agg_sales_daily"), model("agg_sales_monthly")
    product, customer, outcomes = model("dim_product"), model("dim_customer"), model("row_outcomes")
    raw = "source.sales_warehouse.superstore.order_lines"
    seed = next(name for name in nodes if name.startswith("seed."))
    # names
    staging["name"], typed["name"], fact["name"], daily["name"] = "lines", "typed", "sales_lines", "fct_daily"
    for wrong in (
        column("Bad Name", "text"),
        column("weekend", "boolean"),
        column("ordered", "timestamp"),
        column("a_day", "date"),
        column("untyped", ""),
        column("undescribed", "text", description=""),
    ):
        product["columns"][wrong["name"]] = wrong
    product["columns"]["untyped"]["data_type"] = None
    nodes[seed]["name"], sources[raw]["name"] = "Rates", "Lines"
    # layers
    staging["depends_on"]["nodes"] += [prefix + "fct_sales_lines", seed, "source.sales_warehouse.ledger.files"]
    typed["depends_on"]["nodes"].append(prefix + "fct_sales_lines")
    fact["depends_on"]["nodes"] += [prefix + "stg_superstore__order_lines", raw]
    daily["depends_on"]["nodes"].append(prefix + "int_sales__lines_unioned")
    model("stg_superstore__order_lines_typed")["depends_on"]["nodes"].append(prefix + "fct_sales_lines")
    monthly["depends_on"]["nodes"] = []
    # materialisations
    staging["raw_code"] = "{{ config(materialized='table') }}"
    customer["contract"]["enforced"] = customer["config"]["contract"]["enforced"] = False
    monthly["raw_code"] = "select 1"
    daily["raw_code"] = "-- Grain: one row\n{{ config(materialized='view') }}\nselect\n    current_date as a_date"
    # descriptions
    monthly["description"], customer["description"] = "", "All the customers there are."
    outcomes["patch_path"] = "sales_warehouse://models/marts/row_outcomes.yml"
    nodes[seed]["description"] = sources[raw]["description"] = ""
    macro = manifest["macros"]["macro.sales_warehouse.member_key"]
    macro["arguments"][0]["description"] = ""
    exposure = next(iter(manifest["exposures"].values()))
    exposure["description"], exposure["owner"] = "", {"name": "", "email": None}
    exposure["depends_on"]["nodes"].append(prefix + "stg_superstore__order_lines")
    # tests
    for name in [name for name, node in nodes.items() if node.get("attached_node") == prefix + "dim_product"]:
        del nodes[name]
    for name in [name for name in manifest["unit_tests"] if ".dim_product." in name]:
        del manifest["unit_tests"][name]


def test_the_project_keeps_its_conventions(manifest: dict[str, Any], tmp_path: Path) -> None:
    assert find_failures(manifest, tmp_path) == set()


def test_each_rule_reports_a_violation(manifest: dict[str, Any], tmp_path: Path) -> None:
    broken = json.loads(json.dumps(manifest))
    break_everything(broken)
    rules = yaml.safe_load(CONFIG.read_text())["manifest_checks"]
    found = find_failures(broken, tmp_path)
    assert [rule for number, rule in enumerate(rules) if number not in found] == []


def find_undescribed_macros(manifest: dict[str, Any]) -> set[str]:
    """Return the macros that a model or a dbt test calls and that `macros/_macros.yml` does not describe."""
    prefix = "macro.sales_warehouse."
    # hooks, and macros that dbt itself calls
    not_by_authors = {"begin_write", "record_build", "close_personal", "open_to_readers", "get_where_subquery"}
    return {
        macro.removeprefix(prefix)
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "test")
        for macro in node["depends_on"]["macros"]
        if macro.startswith(prefix) and len(manifest["macros"][macro]["description"]) < 10
    } - not_by_authors


def test_macros_that_models_and_tests_call_are_described(manifest: dict[str, Any]) -> None:
    assert find_undescribed_macros(manifest) == set()
    broken = json.loads(json.dumps(manifest))
    for called in ("member_key", "test_equals"):
        broken["macros"][f"macro.sales_warehouse.{called}"]["description"] = ""
    assert find_undescribed_macros(broken) == {"member_key", "test_equals"}


def test_each_override_strategy_and_hook_is_on_the_page_about_dbt(manifest: dict[str, Any]) -> None:
    page = (PROJECT / "docs" / "reference" / "how-we-extend-dbt.md").read_text()
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for macro in manifest["macros"].values():
        names[macro["package_name"] == "sales_warehouse"].add(macro["name"])
    ours, dbts = names[True], names[False]
    extending = {
        name
        for name in ours
        if name in dbts or name.partition("__")[2] in dbts or name.startswith(("materialization_", "get_incremental_"))
    }
    assert {"get_where_subquery", "postgres__load_csv_rows", "materialization_seed_default"} <= extending
    hooks = {"open_build", "begin_write", "record_build", "close_personal", "open_to_readers", "close_build"}
    hooks |= {"give_back_build_lease"}
    hooks |= {"only_hash_joins"}
    assert hooks <= ours
    on_page = {name.removeprefix("materialization_").removesuffix("_default") for name in extending | hooks}
    assert {name for name in on_page if f"`{name}`" not in page} == set()


def compare_strategies(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Return the models that the table of strategies has too many or leaves out, by materialization and strategy."""
    page = (PROJECT / "docs" / "explanation" / "incremental-builds.md").read_text()
    differences = dict[str, set[str]]()
    built = dict[str, set[str]]()
    for node in manifest["nodes"].values():
        config = node["config"]
        # a view without rows of its own is in no row of the table
        if node["resource_type"] == "model" and config["materialized"] != "view_in_place":
            strategy = f", `{config['incremental_strategy']}`" if config["incremental_strategy"] else ""
            built.setdefault(f"`{config['materialized']}`{strategy}", set()).add(node["name"])
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)?) \|[^|]*\|([^|]*)\|[^|]*\|$", page, re.MULTILINE)
    listed = {kind: set(re.findall(r"`([\w…]+)`", models)) for kind, models in rows if kind != "`seed`"}
    for kind in listed | built:
        names, patterns = built.get(kind, set()), listed.get(kind, set())
        missing = {name for name in names if not any(fnmatch(name, it.replace("…", "*")) for it in patterns)}
        # a pattern may match nothing: not each project has lookups
        differences[kind] = missing | {it for it in patterns - names if "…" not in it}
    return {kind: names for kind, names in differences.items() if names}


def test_the_table_of_strategies_has_each_model_in_its_row(manifest: dict[str, Any]) -> None:
    assert compare_strategies(manifest) == {}
    broken = json.loads(json.dumps(manifest))
    broken["nodes"]["model.sales_warehouse.fct_orders"]["config"]["incremental_strategy"] = "by_touched_date"
    assert compare_strategies(broken) == {
        "`incremental_by_ledger`, `by_touched_date`": {"fct_orders"},
        "`incremental_by_ledger`, `by_touched_key`": {"fct_orders"},
    }


def test_each_mart_has_an_owner_and_is_in_the_overview(manifest: dict[str, Any]) -> None:
    overview = manifest["docs"]["doc.sales_warehouse.__overview__"]["block_contents"]
    named = set(re.findall(r"`([a-z_]+)`", overview))
    marts = {
        node["alias"]: node["config"]["meta"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }
    assert {mart for mart, meta in marts.items() if meta.get("public", True)} <= named
    assert all(meta["owner"] and meta["refreshed"] for meta in marts.values())
    groups = manifest["groups"].values()
    assert {meta["owner"] for meta in marts.values()} <= {
        f"{group['owner']['name']} ({group['owner']['email']})" for group in groups
    }
    # a mart may have been renamed
    known = marts.keys() | {node["name"] for node in manifest["nodes"].values()}
    assert {name for name in named if re.match("(dim|fct|agg)_|.*_compared$", name)} <= known
