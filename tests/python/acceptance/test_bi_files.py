"""`warehouse bi` writes files that the tools' own libraries read, with each column of each published mart."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from checkout import Checkout

pytestmark = pytest.mark.acceptance

# Tableau's words for what must not be added up, and for the others
EXPECTED = {
    ("agg_sales_daily", "net_sales_amount"): ("measure", "Sum", "real"),
    ("agg_sales_daily", "order_count"): ("measure", "Attribute", "integer"),
    ("agg_sales_daily", "country"): ("dimension", None, "string"),
    ("fct_sales_lines", "ordered_at"): ("dimension", None, "datetime"),
    ("dim_date", "year_number"): ("dimension", None, "integer"),
    ("product_affinity", "order_count"): ("measure", "Attribute", "integer"),
    ("customer_lifetime_value", "tenure_days"): ("measure", "Avg", "integer"),
}


@pytest.fixture(scope="module")
def fields(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """The fields of all data sources as Tableau's library reads them, by mart and column."""
    # of `make accept`
    from tableaudocumentapi import Datasource

    checkout.warehouse("up")
    folder = tmp_path_factory.mktemp("bi") / "tableau"
    assert "data sources of Tableau" in checkout.run("warehouse", "bi", "tableau", str(folder)).stdout
    found = {}
    for path in sorted(folder.glob("*.tds")):
        source = Datasource.from_file(str(path))
        [connection] = source.connections
        server = (connection.dbclass, connection.server, connection.port, connection.dbname)
        variables = checkout.variables
        assert server == ("postgres", variables["PGHOST"], variables["PGPORT"], variables["PGDATABASE"])
        assert not connection.username
        for field in source.fields.values():
            found[path.stem, field.id.strip("[]")] = field
    return found


def test_tableau_has_each_column_of_each_mart_with_its_description(
    checkout: Checkout, fields: dict[tuple[str, str], Any]
) -> None:
    manifest = json.loads(
        (Path(checkout.variables["WAREHOUSE_HOME"]) / "dbt" / "prod" / "manifest.json").read_text(encoding="utf-8")
    )
    wanted = {
        (node["alias"], name): " ".join(column["description"].split())
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts" and node["config"]["meta"].get("public", True)
        for name, column in node["columns"].items()
    }
    assert len({mart for mart, _ in wanted}) > 20

    def read(field: Any) -> str:
        # the library gives the element as it is in the file, with its tags
        [run] = ElementTree.fromstring(field.description).findall("formatted-text/run")
        return run.text or ""

    assert {key: read(field) for key, field in fields.items()} == wanted


def test_tableau_uses_columns_as_their_models_say(fields: dict[tuple[str, str], Any]) -> None:
    found = {key: fields[key] for key in EXPECTED}
    assert {key: (it.role, it.default_aggregation, it.datatype) for key, it in found.items()} == EXPECTED


def test_power_bi_has_its_connection(checkout: Checkout, fields: dict[tuple[str, str], Any], tmp_path: Path) -> None:
    checkout.warehouse("bi", "powerbi", str(tmp_path))
    [connection] = json.loads((tmp_path / "warehouse.pbids").read_text())["connections"]
    variables = checkout.variables
    address = {"server": f"{variables['PGHOST']}:{variables['PGPORT']}", "database": variables["PGDATABASE"]}
    assert connection["details"]["address"] == address
