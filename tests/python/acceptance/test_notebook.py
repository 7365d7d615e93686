"""The notebook over `published` runs from its first to its last cell, and ends with the total of the sales lines."""

from contextlib import closing
from decimal import Decimal

import pytest

from checkout import PROJECT, Checkout

pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(900)]
NOTEBOOK = PROJECT / "notebooks" / "sales.ipynb"


def test_the_notebook_shows_what_is_published(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    # of `make accept`
    import nbformat
    from nbclient import NotebookClient

    checkout.warehouse("up")
    checkout.warehouse("sample", "--days", "60", "--records", "16000")  # fewer have no stores
    checkout.warehouse("build", "--quiet")
    for name, value in checkout.environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # what is committed has no figures of any warehouse
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    with closing(checkout.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select sum(net_sales_amount_reporting) from marts.agg_sales_daily")
        [(expected,)] = cursor.fetchall()
    assert Decimal(cells[-1].outputs[0].text) == expected > 0
    # each other cell shows a table with rows
    for cell in cells[:-1]:
        [output] = cell.outputs
        assert output.data["text/html"].count("<tr") > 1, cell.source
