"""Each model is broken in every way of the table of mutations, and each time a test fails."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.artifacts.resources import FileHash
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode
from mutations import LAST, MUTATIONS, Mutation

from checkout import PROJECT, WITH_UNIT_TESTS, Checkout
from lean_dbt import make_lean

# models that no mutation breaks, each with its reason
# Builds leave the rows of `live` alone; test_live compares them with a build from nothing.
EXEMPT = {path.stem: "test_live" for path in (PROJECT / "models" / "live").glob("*.sql")}
# the inbox has no messages
EXEMPT["stg_web_shop__order_events_typed"] = "test_rebuild_equality"
# Tables that keep the figures of days, months and customers for reports.
KEEPING = re.compile(r"incremental_strategy='by_touched_(date|member)'|'public': false")
# of a key, or found by it
DESCRIBING = {"source_system", "customer_id", "product_id", "order_id", "currency"}
# another value of a column, by its type
OTHER_VALUE = {"text": "{0} || '?'", "boolean": "not {0}", "timestamp without time zone": "{0} + interval '1 day'"}
# Rows of a test are a failure. What a table rejects and a test that raises its finding are errors, as is SQL that does
# not run, which proves nothing.
RED = re.compile("fail|error: .*(violates|is duplicated|No exchange rate)", re.DOTALL)


class Gate:
    """A warehouse with a small inbox. Its models are broken, many at once, and restored.

    They are broken in the parsed project, so that dbt parses it only once.
    """

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._manifest: Manifest | None = None  # until it is parsed
        self._models: dict[str, ModelNode] = {}
        self._ancestors: dict[str, set[str]] = {}  # ancestors of a node, by name, with the node itself
        self._wrong: set[str] = set()  # relations built by a broken model; the models themselves are restored
        self._statuses: dict[Mutation, dict[str, str]] = {}
        self._batches: list[list[Mutation]] = []
        self._notices: dict[tuple[str, str], list[str]] = {}

    def build_all(self) -> dict[str, str]:
        """Build everything and run the unit tests of the table; return the status of each node by its name."""
        self._manifest = manifest = self._invoke("parse")
        self._models = {node.name: node for node in manifest.nodes.values() if isinstance(node, ModelNode)}
        kinds = [f"resource_type:{kind}" for kind in ("seed", "model", "test")]
        results = self._build(*kinds, *{mutation.test for mutation in MUTATIONS})
        parents = {node.unique_id: _find_parents(node) for node, _ in results}
        names = {node.unique_id: node.name for node, _ in results}

        @cache
        def find_ancestors(unique_id: str) -> set[str]:
            behind = (find_ancestors(parent) for parent in parents[unique_id] if parent in names)
            return {names[unique_id]}.union(*behind)

        self._ancestors = {names[unique_id]: find_ancestors(unique_id) for unique_id in names}
        unknown = {name for mutation in MUTATIONS for name in (mutation.model, mutation.test)} - self._ancestors.keys()
        assert not unknown, f"mutations.py has unknown names: {unknown}"
        for mutation in MUTATIONS:
            free = (batch for batch in self._batches if not any(self._interfere(mutation, other) for other in batch))
            batch = next(free, None)
            if batch is None:
                self._batches.append([mutation])
            else:
                batch.append(mutation)
        return {node.name: status for node, status in results}

    def try_mutation(self, mutation: Mutation) -> dict[str, str]:
        """Return the status of each node of the build in which the model was broken, alone or with others."""
        found = self._models[mutation.model].raw_code.count(mutation.old)
        if found != 1:
            pytest.fail(
                f"{mutation.model}: the text to replace occurs {found} times, not once. Update the row "
                f"'{mutation.name}' of mutations.py:\n{mutation.old}",
                pytrace=False,
            )
        if mutation not in self._statuses:
            [batch] = (batch for batch in self._batches if mutation in batch)
            self._statuses |= dict.fromkeys(batch, self._try_batch(batch))
        return self._statuses[mutation]

    def try_figure(self, model: str, column: str) -> list[str]:
        """Return the status of each unit test of a model when a column has other values."""
        assert self._manifest is not None
        if (model, column) not in self._notices:
            place = FIGURES[model].index(column)
            # one column of each model at once: a unit test reads no other model
            wrong = {name: columns[place] for name, columns in FIGURES.items() if place < len(columns)}
            right = {name: self._models[name].raw_code for name in wrong}
            tested = {it.unique_id: it.model for it in self._manifest.unit_tests.values() if it.model in wrong}
            try:
                self._rewrite({name: self._change_column(name, column) for name, column in wrong.items()})
                results = self._run("test", *(self._manifest.unit_tests[unique_id].name for unique_id in tested))
            finally:
                self._rewrite(right)
            self._notices |= {
                (name, column): [status for node, status in results if tested.get(node.unique_id) == name]
                for name, column in wrong.items()
            }
        return self._notices[model, column]

    def _change_column(self, model: str, column: str) -> str:
        """Return the SQL of a model with other values in a column."""
        node = self._models[model]
        data_type = str(node.columns[column].data_type)
        other = f"{OTHER_VALUE.get(data_type, '{0} + 1').format(column)} as {column}"
        columns = (other if name == column else name for name in node.columns)
        assert node.raw_code.count(LAST) == 1
        return node.raw_code.replace(LAST, f"select {', '.join(columns)} from final")

    def _interfere(self, one: Mutation, other: Mutation) -> bool:
        """Say whether the test of one mutation could fail, or be skipped, because of the other."""
        return one.model in self._ancestors[other.test] or other.model in self._ancestors[one.test]

    def _try_batch(self, batch: list[Mutation]) -> dict[str, str]:
        """Break the models, build the nodes between each model and its test, and restore the models."""
        read = set().union(*(self._ancestors[mutation.test] for mutation in batch))
        right = {mutation.model: self._models[mutation.model].raw_code for mutation in batch}
        below = {node for node in read if right.keys() & self._ancestors[node]}
        tests = {mutation.test for mutation in batch}
        models = (below | (read & self._wrong)) - tests
        try:
            self._rewrite({it.model: right[it.model].replace(it.old, it.new) for it in batch})
            results = self._build(*(f"{model},resource_type:model" for model in models), *tests)
        finally:
            self._rewrite(right)
        statuses = {node.name: status for node, status in results}
        built = {name for name, status in statuses.items() if status == "success"}
        self._wrong = self._wrong - built | built & below
        return statuses

    def _rewrite(self, texts: Mapping[str, str]) -> None:
        """Replace the text of models in the parsed project."""
        assert self._manifest is not None
        for model, text in texts.items():
            node = self._models[model]
            node.raw_code, node.checksum = text, FileHash.from_contents(text)
        self._manifest.build_flat_graph()

    def _build(self, *selection: str) -> list[tuple[Any, str]]:
        """Run `dbt build` of only this selection in this process; return each node with its status."""
        return self._run("build", *selection)

    def _run(self, command: str, *selection: str) -> list[tuple[Any, str]]:
        results = self._invoke(command, "--indirect-selection", "empty", "--select", *selection)
        return [(one.node, f"error: {one.message}" if one.status == "error" else str(one.status)) for one in results]

    def _invoke(self, command: str, *arguments: str) -> Any:
        before, folder = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self._checkout.environment)
        os.chdir(self._checkout.project)
        try:
            done = dbtRunner(self._manifest).invoke(
                ["--quiet", "--log-level", "none", "--no-write-json", command, "--target", "prod", *arguments]
            )
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
        if done.exception is not None:
            raise done.exception
        return done.result


def _find_parents(node: Any) -> list[str]:
    # the direct parents of a unit test are its mocked inputs
    tested: str | None = getattr(node, "tested_node_unique_id", None)
    return [tested] if tested else node.depends_on_nodes


def _find_figures() -> dict[str, list[str]]:
    """Return the columns of these tables, but those of their keys."""
    figures = dict[str, list[str]]()
    for path in (PROJECT / "models" / "marts").rglob("*.sql"):
        if KEEPING.search(path.read_text()):
            [model] = yaml.safe_load(path.with_suffix(".yml").read_text())["models"]
            keys = [test["unique_combination"] for test in model["data_tests"] if "unique_combination" in test]
            key = {name for it in keys for name in it["arguments"]["columns"]}
            key |= {column["name"] for column in model["columns"] if "unique" in column.get("data_tests", [])}
            names = (column["name"] for column in model["columns"])
            figures[path.stem] = [name for name in names if name not in key | DESCRIBING]
    return figures


FIGURES = _find_figures()


@pytest.fixture(scope="module")
def gate(checkout: Checkout) -> Gate:
    checkout.variables |= WITH_UNIT_TESTS
    checkout.warehouse("up")
    checkout.warehouse("sample", "--days", "14", "--records", "3700")
    checkout.load(Path(checkout.variables["WAREHOUSE_INBOX"]))
    make_lean()
    gate = Gate(checkout)
    statuses = gate.build_all()
    assert {status for status in statuses.values() if status not in ("success", "pass", "no-op")} == set()
    return gate


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.model}: {mutation.name}")
def test_a_broken_model_fails_its_test(gate: Gate, mutation: Mutation) -> None:
    statuses = gate.try_mutation(mutation)
    assert RED.match(statuses.get(mutation.test, "not run")), statuses


@pytest.mark.parametrize(("model", "column"), [(model, it) for model, columns in FIGURES.items() for it in columns])
def test_a_unit_test_notices_a_wrong_figure(gate: Gate, model: str, column: str) -> None:
    """Each column is broken, so a new one needs a unit test that expects its value."""
    statuses = gate.try_figure(model, column)
    assert any(RED.match(status) for status in statuses), statuses


def test_every_model_has_a_mutation() -> None:
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    broken = {mutation.model for mutation in MUTATIONS}
    assert models - broken == EXEMPT.keys(), "a model has no row in mutations.py"
