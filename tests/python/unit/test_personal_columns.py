"""Personal columns stay in raw and staging."""

from pathlib import Path
from typing import Any

import yaml

from checkout import PROJECT
from sales_warehouse.grants.write_grants import PERSONAL, READERS


def _columns(path: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    tables = [table for source in content.get("sources", []) for table in source["tables"]]
    return [column for one in [*content.get("models", []), *tables] for column in one.get("columns", [])]


def test_no_personal_column_reaches_a_mart_by_its_name() -> None:
    models = PROJECT / "models"
    personal = {
        column["name"]
        for path in (models / "staging").rglob("*.yml")
        for column in _columns(path)
        if column.get("config", {}).get("meta", {}).get("personal")
    }
    shown = {column["name"] for path in (models / "marts").rglob("*.yml") for column in _columns(path)}
    assert personal == {"customer_name", "purchase_address"}
    assert not personal & shown


def test_relations_with_personal_columns_are_closed_to_analysts() -> None:
    schemas = {schema for schema, readers in READERS.items() if "analyst" in readers} - {
        "published",
        "published_as_of",
        "reference",
    }
    found = {
        f"{path.relative_to(PROJECT / 'models').parts[0]}.{path.stem}"
        for schema in schemas
        for path in (PROJECT / "models" / schema).rglob("*.yml")
        if any(column.get("config", {}).get("meta", {}).get("personal") for column in _columns(path))
    }
    assert found == set(PERSONAL)
