"""After a rollback, builds publish only when its cause is gone or a person publishes."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from fake_dbt import FakeDbt

from sales_warehouse.publish.publish import NotPublished, find_hold, publish, publish_unless_held, switch
from sales_warehouse.settings import Settings


class Warehouse(FakeDbt):
    """A warehouse with one mart that a schedule publishes."""

    def schedule(self, code: str = "1") -> int | None:
        """Build with this code of the mart and publish as a schedule does; return None while a rollback holds."""
        build = self.build()
        self.run(
            'update ledger.green_builds set code = jsonb_build_object(\'"w"."marts"."fct"\', %s::text) '
            "where invocation_id = %s",
            code,
            build,
        )
        try:
            return publish_unless_held(self.connection, lambda _: None)
        except NotPublished:
            return None

    def hold(self) -> str:
        return find_hold(self.connection) or ""

    def roll_back(self, publication: int) -> None:
        switch(self.connection, publication, lambda _: None)


@pytest.fixture
def warehouse(database: Settings) -> Iterator[Warehouse]:
    """Publication 1 with file 1."""
    warehouse = Warehouse(database)
    with closing(warehouse.connection):
        warehouse.make("fct", "amount numeric(18, 4)")
        warehouse.deliver(1, "activated")
        assert warehouse.schedule() == 1
        yield warehouse


def test_a_rollback_holds_until_the_files_that_came_are_gone(warehouse: Warehouse) -> None:
    warehouse.deliver(2, "activated")
    warehouse.deliver(3, "activated")
    assert warehouse.schedule() == 2
    assert warehouse.hold() == ""
    warehouse.roll_back(1)
    assert warehouse.schedule() is None
    warehouse.deliver(4, "activated")
    warehouse.deliver(3, "deactivated")
    assert warehouse.schedule() is None
    assert (
        "Publication 2 was rolled back to 1 on " in warehouse.hold()
        and "as it left them: file 2 (x)." in warehouse.hold()
    )
    warehouse.deliver(2, "deactivated")
    assert warehouse.hold() == ""
    assert warehouse.schedule() == 3


@pytest.mark.parametrize("kind", ["deactivated", "replayed"])
def test_a_file_that_went_or_was_replayed_is_a_cause_too(warehouse: Warehouse, kind: str) -> None:
    warehouse.deliver(1, kind)
    assert warehouse.schedule() == 2
    warehouse.roll_back(1)
    assert warehouse.schedule() is None and "as it left them: file 1 (x)." in warehouse.hold()
    warehouse.deliver(1, "deactivated" if kind == "replayed" else "activated")
    assert warehouse.schedule() == 3


def test_a_rollback_holds_until_code_that_changed_changes_again(warehouse: Warehouse) -> None:
    assert warehouse.schedule(code="2") == 2
    warehouse.roll_back(1)
    assert warehouse.schedule(code="2") is None and "as it left them: marts.fct." in warehouse.hold()
    assert warehouse.schedule(code="3") == 3


def test_a_rollback_without_a_known_cause_holds_until_a_person_publishes(warehouse: Warehouse) -> None:
    assert warehouse.schedule() == 2
    warehouse.roll_back(1)
    with pytest.raises(NotPublished, match="was rolled back"):
        publish(warehouse.connection, lambda _: None)
    assert warehouse.schedule(code="2") is None and "until a person does" in warehouse.hold()
    assert publish(warehouse.connection, lambda _: None) == 3
    assert warehouse.hold() == ""
    assert warehouse.schedule() == 4


def test_publications_of_before_the_upgrade_hold_until_a_person_publishes(warehouse: Warehouse) -> None:
    warehouse.deliver(2, "activated")
    assert warehouse.schedule() == 2
    warehouse.run("update ledger.green_builds set code = null")
    warehouse.roll_back(1)
    warehouse.deliver(2, "deactivated")
    assert warehouse.schedule(code="2") is None and "as it left them: the code of the models." in warehouse.hold()
