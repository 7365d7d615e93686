"""What the models say about the published marts: descriptions of relations and columns, and the types of columns."""

from dataclasses import dataclass
from typing import Any

from sales_warehouse.settings import Settings
from sales_warehouse.transform.run_dbt import parse_project
from sales_warehouse.transform.targets import PROD


@dataclass(frozen=True)
class Column:
    """A column of a mart; `data_type` is PostgreSQL's, as the contract writes it."""

    name: str
    data_type: str
    description: str


@dataclass(frozen=True)
class Mart:
    """A mart that readers see as a view of `published`."""

    name: str
    description: str
    columns: tuple[Column, ...]


def read_marts(settings: Settings) -> list[Mart]:
    """Return the public marts of the project, by name. Raises `ConfigurationError` when dbt cannot read the project."""
    nodes = parse_project(settings, PROD).nodes.values()
    return sorted((_as_mart(node) for node in nodes if _is_public_mart(node)), key=lambda mart: mart.name)


def _is_public_mart(node: Any) -> bool:
    # as in macros/publish/public_marts.sql
    return (
        str(node.resource_type) == "model"
        and node.schema == "marts"
        and node.config.materialized != "ephemeral"
        and node.config.meta.get("public", True)
    )


def _as_mart(node: Any) -> Mart:
    columns = tuple(
        Column(one.name, one.data_type or "text", " ".join(one.description.split())) for one in node.columns.values()
    )
    return Mart(node.alias, " ".join(node.description.split()), columns)
