"""Find the relations to compare, and the key of each, in dbt's manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.transform.targets import PROD

MARTS = "models/marts/"


@dataclass(frozen=True)
class Model:
    """A model in both targets: prod is before, the other after."""

    name: str
    key: tuple[str, ...]
    schema_before: str
    schema_after: str


def find_models(manifest: Any, names: Sequence[str] = ()) -> tuple[Model, ...]:
    """Return the models of these names, by default all marts, with the keys that their tests and contracts declare.

    The manifest is that of the target to be compared with prod. Raises `ConfigurationError` for a name that is no
    model, a model without a declared key, and for the manifest of prod.
    """
    models = {node.name: node for node in manifest.nodes.values() if node.resource_type == "model"}
    if unknown := [name for name in names if name not in models]:
        raise ConfigurationError(f"There is no model {unknown[0]}. `dbt ls --resource-type model` lists them.")
    chosen = names or [name for name, node in models.items() if node.original_file_path.startswith(MARTS)]
    found = []
    for name in sorted(chosen):
        node = models[name]
        # macros/project/generate_schema_name.sql: on prod the layers' schemas have their plain names
        if node.schema == node.config.schema:
            raise ConfigurationError(
                f"The target to compare is {PROD} itself. Name another with --target; profiles.yml.example shows one."
            )
        key = find_key(manifest, node)
        if not key:
            raise ConfigurationError(
                f"{name} declares no key, so its rows cannot be matched. Give it a unique or unique_combination test."
            )
        found.append(Model(name, key, str(node.config.schema), node.schema))
    return tuple(found)


def find_key(manifest: Any, node: Any) -> tuple[str, ...]:
    """Return the columns of a model's key: its primary_key constraint, else what is tested to be unique, else ()."""
    named = [column.name for column in node.columns.values() if _is_key(column.constraints)]
    for constraint in node.constraints:
        if _is_key([constraint]):
            named += constraint.columns
    if named:
        return tuple(named)
    tested = []
    for test in manifest.nodes.values():
        metadata = getattr(test, "test_metadata", None)
        if metadata is None or getattr(test, "attached_node", None) != node.unique_id:
            continue
        # a test that reads only some rows proves no key
        if test.config.where is not None:
            continue
        if metadata.name == "unique":
            tested.append((str(test.column_name),))
        elif metadata.name == "unique_combination":
            tested.append(tuple(metadata.kwargs["columns"]))
    # a combination may have an expression, which is no column to match rows by
    keys = [columns for columns in tested if set(columns) <= set(node.columns)]
    return min(keys, key=lambda columns: (len(columns), columns), default=())


def _is_key(constraints: Sequence[Any]) -> bool:
    return any(str(constraint.type) in ("primary_key", "ConstraintType.primary_key") for constraint in constraints)
