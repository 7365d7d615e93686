"""Each model is broken on purpose, in every way of the table, and each time the gate turns red."""

import os
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner
from mutations import MUTATIONS, Mutation

from checkout import Checkout


class Gate:
    """A warehouse with a small inbox, whose models are broken and restored one after another."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._broken: str | None = None  # in the database; its file is already as it was

    def build(self, *selection: str) -> dict[str, str]:
        """Run `dbt build` of the selection alone, in this process; return the status of each node by its name."""
        before, folder = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self._checkout.environment)
        os.chdir(self._checkout.project)
        try:
            done = dbtRunner().invoke(
                [
                    "--quiet",
                    "--log-level",
                    "none",
                    "--no-write-json",
                    "build",
                    "--indirect-selection",
                    "empty",
                    *selection,
                ]
            )
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
        if done.exception is not None:
            raise done.exception
        return {result.node.name: str(result.status) for result in done.result.results}  # type: ignore[union-attr]

    def try_mutation(self, mutation: Mutation) -> dict[str, str]:
        """Break the model, build what lies between it and the test that must see it, and restore its file."""
        [path] = (self._checkout.project / "models").rglob(f"{mutation.model}.sql")
        right = path.read_text(encoding="utf-8")
        found = right.count(mutation.old)
        if found != 1:
            pytest.fail(
                f"{mutation.model}: the text to break is there {found} times, not once. Bring the row "
                f"'{mutation.name}' of mutations.py up to date:\n{mutation.old}",
                pytrace=False,
            )
        # another model that was broken before is built again from its restored file
        is_other = self._broken not in (None, mutation.model)
        repair = [f"{self._broken}+,+reconciliation"] if is_other else []
        path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            return self.build("--select", f"{mutation.model}+,+{mutation.test}", mutation.test, *repair)
        finally:
            path.write_text(right, encoding="utf-8")
            self._broken = mutation.model


@pytest.fixture(scope="module")
def gate(checkout: Checkout) -> Gate:
    checkout.warehouse("up")
    checkout.warehouse("sample", "--days", "14", "--records", "3500")
    checkout.load(Path(checkout.variables["WAREHOUSE_INBOX"]))
    gate = Gate(checkout)
    statuses = gate.build("--exclude-resource-type", "unit_test")
    assert {status for status in statuses.values() if status not in ("success", "pass", "no-op")} == set()
    return gate


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.model}: {mutation.name}")
def test_a_broken_model_turns_the_gate_red(gate: Gate, mutation: Mutation) -> None:
    statuses = gate.try_mutation(mutation)
    # a test that raises what is missing ends as an error, one that returns rows as a failure
    assert statuses.get(mutation.test) in ("fail", "error"), statuses
