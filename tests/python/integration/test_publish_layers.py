"""Whole builds with a failure in one layer: none is published, and readers see the same as before."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from small_project import SmallShop, deliver

from checkout import PROJECT
from databases import Databases

FIGURES = "select (select sum(amount) from published.fct_lines), (select amount from published.agg_lines), publication"


class Shop(SmallShop):
    """The small project in a database of its own, built in this process."""

    def build(self, *arguments: str) -> tuple[dict[str, str], str]:
        """Run `dbt build`; return the status of each node by its name, and the output of dbt."""
        before, said = dict(os.environ), []
        os.environ.clear()
        os.environ.update(self.checkout.environment)
        try:
            done = dbtRunner(callbacks=[lambda event: said.append(event.info.msg)]).invoke(
                ["--log-level", "none", "build", "--project-dir", str(self.checkout.project),
                 "--profiles-dir", str(self.checkout.project), "--target", "prod", *arguments]
            )  # fmt: skip
        finally:
            os.environ.clear()
            os.environ.update(before)
        if done.exception is not None:
            raise done.exception
        statuses = {result.node.name: str(result.status) for result in done.result.results}  # type: ignore[union-attr]
        return statuses, "\n".join(said)

    @contextmanager
    def failing(self, layer: str, kind: str) -> Iterator[None]:
        """Make a layer fail during the block."""
        self.run("insert into public.failures values (%s, %s)", layer, kind)
        try:
            yield
        finally:
            self.run("delete from public.failures")

    def seen(self) -> list[tuple[Any, ...]]:
        """Return what readers see."""
        return self.run(f"{FIGURES}, published_at, upper_event_id, files from published.as_of")


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A warehouse with one file published and another one loaded."""
    shop = Shop(databases, tmp_path_factory.mktemp("shop"))
    with closing(shop.connection):
        deliver(shop.checkout, shop.inbox, 1)
        _, said = shop.build()
        assert "Publication 1: " in said
        deliver(shop.checkout, shop.inbox, 2)
        yield shop


TEST_OF = {
    "reference": "no_failure_codes_reference",
    "raw": "source_no_failure_shop_lines_raw",
    "staging": "no_failure_stg_shop__lines_staging",
    "intermediate": "no_failure_int_sales__lines_intermediate",
    "marts": "no_failure_fct_lines_marts",
    "audit": "no_failure_line_counts_audit",
    "reconciliation": "reconciliation__fact_to_counts",
}
CASES = [
    *[(layer, "fail", name) for layer, name in TEST_OF.items()],
    ("raw", "error", TEST_OF["raw"]),
    ("reconciliation", "error", TEST_OF["reconciliation"]),
    ("marts", "broken", "fct_lines"),
    ("audit", "broken", "line_counts"),
]


@pytest.mark.parametrize(("layer", "kind", "name"), CASES)
def test_a_failure_in_any_layer_publishes_nothing(shop: Shop, layer: str, kind: str, name: str) -> None:
    before = shop.seen()
    assert before[0][:3] == (1, 1, 1)
    with shop.failing(layer, kind):
        statuses, said = shop.build()
    went_wrong = {node for node, status in statuses.items() if status in ("fail", "error")}
    # a mart has two models, so the test of its layer occurs twice
    assert name in went_wrong and went_wrong <= {name, "no_failure_agg_lines_marts"}
    assert f"{statuses[name]}{', 1 rows' if kind == 'fail' else ''}: " in said
    assert f" {name} in " in said and "Not published, readers see what they saw before:" in said
    assert f"Look closer: dbt {'test' if kind in ('fail', 'error') else 'build'}" in said
    assert shop.seen() == before
    assert shop.run("select count(*) from ledger.green_builds") == [(1,)]


def test_a_partial_run_publishes_nothing_and_names_the_missing_nodes(shop: Shop) -> None:
    before = shop.seen()
    _, said = shop.build("--exclude", "reconciliation__fact_to_counts")
    assert "Not published" in said and "not in this run: reconciliation__fact_to_counts" in said
    published = shop.checkout.run("warehouse", "publish")
    assert "Publication 1 is of the last build that was whole and green" in published.stderr
    assert shop.seen() == before


def test_a_skipped_node_prevents_publication(shop: Shop) -> None:
    before = shop.seen()
    with shop.failing("raw", "fail"):
        statuses, said = shop.build()
    assert statuses["fct_lines"] == statuses["line_counts"] == "skipped"
    assert " skipped because of it: " in said
    assert shop.seen() == before


def test_a_warning_is_published(shop: Shop) -> None:
    with shop.failing("warning", "fail"):
        statuses, said = shop.build()
    assert statuses["fct_lines__warned"] == "warn"
    assert "Publication 2: " in said
    assert shop.seen()[0][:3] == (3, 3, 2)


REFUSE = """
create function public.refuse() returns trigger language plpgsql as
$$ begin raise exception 'The publication is refused.' using hint = 'Try again: warehouse publish'; end $$;
create trigger refuse before insert on ledger.publications for each row execute function public.refuse();
"""


def test_the_summary_of_a_build_shows_the_error_of_the_server_and_a_command_that_can_run(shop: Shop) -> None:
    with shop.failing("marts", "broken"):
        shop.run("insert into public.failures values ('warning', 'fail')")
        built = shop.checkout.run("warehouse", "build", "--inbox", str(shop.inbox), "--settle", "0", check=False)
    assert built.returncode == 1
    [row] = [line for line in built.stdout.splitlines() if " model " in line]
    assert "fct_lines" in row and "division by zero" in row
    command = built.stdout.partition("Look closer with: ")[2].splitlines()[0]
    assert command == "dbt build --target prod --select fct_lines"
    assert shop.checkout.run(*command.split()).returncode == 0


def test_the_summary_of_a_build_shows_why_the_publication_was_refused(shop: Shop) -> None:
    shop.run(REFUSE)
    try:
        built = shop.checkout.run("warehouse", "build", "--inbox", str(shop.inbox), "--settle", "0", check=False)
    finally:
        shop.run("drop function public.refuse() cascade")
    assert built.returncode == 1
    assert "The publication is refused.\nTry again: warehouse publish" in built.stdout
    assert "Look closer with" not in built.stdout


def read_runbook(check: str) -> str:
    """Return the query of the runbook's entry."""
    page = (PROJECT / "docs" / "how-to" / "when-something-fails.md").read_text(encoding="utf-8")
    [entry] = [line for line in page.splitlines() if line.startswith(f"| {check}")]
    return entry.rpartition('warehouse sql "')[2].partition('"')[0]


def test_a_build_that_does_not_end_waits_for_the_session_that_the_runbook_finds(shop: Shop) -> None:
    query = read_runbook("the build does not end")
    deliver(shop.checkout, shop.inbox, 3)
    with closing(shop.checkout.connect()) as analyst, analyst.cursor() as cursor:
        cursor.execute("lock table marts.agg_lines in share mode")
        build = shop.checkout.start("dbt", "build", "--target", "prod", "--quiet")
        try:
            while not (found := shop.run(query)):
                assert build.poll() is None
        finally:
            analyst.rollback()
            out, err = build.communicate()
        assert found[0][0] == analyst.info.backend_pid
    assert build.returncode == 0, out + err
