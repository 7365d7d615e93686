"""Compare the marts of a target with those of prod."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from sales_warehouse.diff.compare_tables import ModelDiff, compare_tables
from sales_warehouse.diff.find_models import Model
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction


@dataclass(frozen=True)
class DiffReport:
    """What was compared, and which models one of the targets has not built."""

    target: str
    models: tuple[ModelDiff, ...]
    not_built: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return all(model.is_equal for model in self.models)

    @property
    def is_behind(self) -> bool:
        """Whether a difference may come from files that only one of the targets has seen."""
        return any(model.event_before != model.event_after for model in self.models)


def run_diff(connection: Connection, target: str, models: Sequence[Model], examples: int) -> DiffReport:
    """Compare these models in one snapshot of the database, with so many examples of rows a model.

    Raises `ConfigurationError` when there is nothing to compare.
    """
    compared, not_built = [], []
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        for model in models:
            found = compare_tables(cursor, model, examples)
            if found is None:
                not_built.append(model.name)
            else:
                compared.append(found)
    if not compared:
        raise ConfigurationError(
            f"Target {target} has built none of these models, or prod has not. Build what you changed: make dev"
        )
    return DiffReport(target, tuple(compared), tuple(not_built))
