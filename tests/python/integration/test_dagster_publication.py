"""The asset of the publication, without the models: it publishes unless a rollback holds."""

from contextlib import closing

import dagster as dg
from fake_dbt import FakeDbt

from sales_warehouse.orchestration.define_publication import define_publication
from sales_warehouse.publish.publish import switch
from sales_warehouse.settings import Settings


def test_a_run_fails_while_a_rollback_holds(database: Settings) -> None:
    fake_dbt = FakeDbt(database)
    with closing(fake_dbt.connection), dg.DagsterInstance.ephemeral() as instance:
        fake_dbt.make("fct", "amount numeric(18, 4)")
        assert [fake_dbt.publish(), fake_dbt.publish()] == [1, 2]
        switch(fake_dbt.connection, 1, lambda _: None)
        fake_dbt.build()
        result = dg.materialize([define_publication(database, [])], instance=instance, raise_on_error=False)
        [failed] = result.get_step_failure_events()
        error = failed.step_failure_data.error
        assert error is not None and "Publication 2 was rolled back to 1" in error.to_string()
        assert fake_dbt.run("select count(*) from ledger.publications") == [(2,)]
