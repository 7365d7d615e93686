"""What `warehouse diff` finds without a database: keys of models, and types that are not those of a contract."""

from types import SimpleNamespace
from typing import Any

from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, LongType, NestedField, StringType, TimestampType

from sales_warehouse.diff.bring_from_spark import find_type_faults
from sales_warehouse.diff.find_models import find_key


def make_test(name: str, columns: list[str]) -> Any:
    return SimpleNamespace(
        test_metadata=SimpleNamespace(name=name, kwargs={"columns": columns}),
        attached_node="model.shop.versions",
        column_name=None,
        config=SimpleNamespace(where=None),
    )


def test_the_key_of_a_model_has_columns_only() -> None:
    node = SimpleNamespace(
        unique_id="model.shop.versions",
        constraints=[],
        columns={name: SimpleNamespace(name=name, constraints=[]) for name in ("product_key", "version_number")},
    )
    tests = {
        "a": make_test("unique_combination", ["product_key", "case when is_current then '' end"]),
        "b": make_test("unique_combination", ["product_key", "version_number"]),
    }
    assert find_key(SimpleNamespace(nodes=tests), node) == ("product_key", "version_number")
    assert find_key(SimpleNamespace(nodes={"a": tests["a"]}), node) == ()


def make_contract(**types: str) -> Any:
    columns = {name: SimpleNamespace(name=name, data_type=kind) for name, kind in types.items()}
    return SimpleNamespace(contract=SimpleNamespace(enforced=True), columns=columns)


def test_a_decimal_of_another_precision_is_a_fault() -> None:
    kinds = {"line_id": StringType(), "lines": LongType(), "amount": DecimalType(10, 2), "sold_at": TimestampType()}
    schema = Schema(
        *(NestedField(number, name, kind, required=False) for number, (name, kind) in enumerate(kinds.items(), 1))
    )
    as_declared = {"line_id": "text", "lines": "bigint", "sold_at": "timestamp without time zone"}
    assert find_type_faults(schema, make_contract(**as_declared, amount="numeric(10, 2)")) == []
    assert find_type_faults(schema, make_contract(**as_declared, amount="numeric(28, 4)")) == [
        "amount is numeric(10,2), declared numeric(28,4)"
    ]
    assert find_type_faults(schema, make_contract(**as_declared)) == ["amount is numeric(10,2), declared nowhere"]
    assert find_type_faults(schema, make_contract(**as_declared, amount="numeric(10, 2)", cost="date")) == [
        "cost is missing, declared date"
    ]
