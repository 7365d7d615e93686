"""Tables on terminals of several widths, and in a pipe."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import pytest
from rich.cells import cell_len

from sales_warehouse.cli import daily, files, lineage, set_up
from sales_warehouse.cli.console import out
from sales_warehouse.cli.output import emit_page, print_table
from sales_warehouse.diff.compare_tables import ChangedRow, ColumnDiff, DiffReport, ModelDiff
from sales_warehouse.explain.explain import Explanation, Explanations, MartRow
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadReport
from sales_warehouse.server import ServerState
from sales_warehouse.transform.run_dbt import BuildReport, Problem
from sales_warehouse.verify.compare import Difference
from sales_warehouse.verify.run_verify import Verdict, VerifyReport

URI = "online_retail/europe/2024/2024-01-02_invoice_lines_corrected_of_the_second_day.csv.gz"
FEED = "online_retail.invoice_lines"
TEXT = "536365,85123A,CREAM HANGING HEART 🍵 T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
BIG = 123_456_789
AT = datetime(2024, 1, 2, 6, 30, tzinfo=UTC)
FILES = {
    "file_id": 1, "feed": FEED, "uri": URI, "version": 2, "status": "superseded", "records_read": BIG,
    "rows_loaded": BIG, "rows_rejected": 12, "rows_skipped": 0, "finished_at": AT, "schema_changes": ["added x"],
    "message": TEXT,
}  # fmt: skip
REJECTS = {
    "uri": URI, "line_number": BIG, "row_number": BIG, "reason": "too_many_fields", "detail": TEXT, "raw": TEXT,
    "replayed_as": TEXT,
}  # fmt: skip
PUBLICATIONS = {
    "publication": 12, "state": "current", "published_at": AT, "published_by": "warehouse", "upper_event_id": BIG,
    "files": 12, "rows": BIG, "rows_added": BIG, "rows_closed": BIG,
}  # fmt: skip
CHANGES = {
    "what": "replayed or restored", "feed": FEED, "delivery_key": "2024-01-02", "file_id": 1, "uri": URI,
    "rows_before": BIG, "rows_after": BIG, "net_before": Decimal("1234567.1234"), "net_after": Decimal(BIG),
}  # fmt: skip
STATUS = {
    "feed": FEED, "on_time": BIG, "late": 1, "missing": 1, "pending": 1, "unexpected": 1, "corrected": 1,
    "latest": AT.date(),
}  # fmt: skip


def print_load() -> None:
    outcomes = [
        Outcome(URI, FEED, "active", version=2, tally=Tally(BIG, BIG, BIG)),
        Outcome(URI, FEED, "refused", message=TEXT),
    ]
    daily.print_load_report(LoadReport(outcomes))


def print_summary(of_events: int = BIG) -> None:
    connection = MagicMock()
    cursor = connection.cursor.return_value.__enter__.return_value
    ledger = [(FEED, 1234, BIG, BIG, BIG, BIG, of_events, of_events, of_events, BIG)]
    cursor.fetchall.side_effect = [ledger, [("marts.agg_sales_monthly", "online_retail", BIG, Decimal(BIG), "GBP")]]
    daily._print_summary(connection, BuildReport())


def print_problems() -> None:
    problem = Problem("fct_sales_lines__net_amount_is_exact", "unit_test", "fail", TEXT, "models/marts/core/x.yml")
    daily._print_problems(BuildReport(problems=(problem,)))


def print_feeds() -> None:
    missing = {"feed": FEED, "part": "store-17", "business_date": AT.date(), "due_at": AT}
    files._print_status({"feeds": [STATUS], "missing": [missing]})


def print_verify() -> None:
    difference = Difference("another value", BIG, BIG, "customer_segment", TEXT, None)
    files.print_verify_report(VerifyReport([Verdict(1, FEED, URI, 1, "different", differences=(difference,))]))


def print_explain() -> None:
    marts = [MartRow("marts.fct_sales_lines", {"sales_line_id": TEXT, "net_amount": "1.00"})]
    story = Explanation(1, FEED, URI, 2, "active", BIG, BIG, TEXT, "file", None, "accepted", "", marts, TEXT, TEXT)
    lineage._print_explanations(Explanations([story]))


def print_diff() -> None:
    column = ColumnDiff("net_amount_reporting", BIG, Decimal(BIG), Decimal(2 * BIG), "numeric(18,4)", "numeric(18,2)")
    row = ChangedRow("changed", (URI, None), (("net_amount_reporting", TEXT, None),))
    counts, names = [BIG] * 6, ("store_id", "channel")
    model = ModelDiff("fct_sales_lines", ("uri", "row"), *counts, (column,), names, names, (row,), None, None, None)
    lineage._print_diff_report(DiffReport("dev", (model,), ()))


def page(row: dict[str, Any], least: list[str]) -> Callable[[], None]:
    return lambda: emit_page(Page(tuple(row), [tuple(row.values())], 1), False, list(row), least)


TABLES = {
    "load": print_load,
    "build": print_summary,
    "build that fails": print_problems,
    "files": page(FILES, ["finished_at", "version"]),
    "feeds": print_feeds,
    "verify": print_verify,
    "rejects": page(REJECTS, ["detail"]),
    "explain": print_explain,
    "changes": page(CHANGES, []),
    "diff": print_diff,
    "publications": page(PUBLICATIONS, ["upper_event_id"]),
    "sql": lambda: print_table(None, [f"column_{n}" for n in range(30)], [[BIG, TEXT] * 15], show_all="--csv"),
    "status": lambda: set_up._print_server(ServerState(*["/home/somebody/" + "x" * 90] * 6)),
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give the console a terminal of this width, without messages that the terminal itself breaks into lines."""
    write = out.print

    def print_tables(*texts: Any, soft_wrap: bool = False, **options: Any) -> None:
        if not soft_wrap:
            write(*texts, **options)

    def resize(width: int) -> None:
        monkeypatch.setattr(out, "_width", width)
        monkeypatch.setattr(out, "_force_terminal", True)
        monkeypatch.setattr(out, "print", print_tables)

    return resize


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_no_table_is_wider_than_the_terminal(
    name: str, width: int, terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    TABLES[name]()
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if cell_len(line) > width] == []
    assert "…" not in printed
    # no number is truncated or wrapped
    assert {number[:11] for number in re.findall(r"123,[0-9,]*", printed)} <= {f"{BIG:,}"}


@pytest.mark.parametrize("number", [0, 7])
def test_outcomes_of_events_are_shown_where_there_are_some(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(number)
    printed = capsys.readouterr().out
    assert [name in printed for name in ("repeated", "superseded", "waiting")] == [number > 0] * 3


def test_columns_that_do_not_fit_are_named(terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]) -> None:
    terminal(40)
    columns = ["id", "empty", "name", "least", "amount", "last_one"]
    print_table(None, columns, [[1, None, "tea " * 9, BIG, BIG, BIG]], least=["least"], with_total=True)
    lines = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", lines[1].strip()) == ["id", "name", "amount"]
    assert [f"{BIG:,}" in line for line in lines].count(True) == 2  # the row and the total
    assert " ".join(map(str.strip, lines[-3:])) == (
        "Columns not shown: empty, least, last_one; show all with --json or in a wider terminal."
    )


def test_a_table_that_fits_is_complete(terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str]) -> None:
    terminal(60)
    print_table(None, ["file_id", "empty", "uri"], [[1, None, "a/b.csv"]])
    printed = capsys.readouterr().out
    assert "file_id   empty   uri" in printed
    assert "not shown" not in printed


def test_a_pipe_gets_every_character_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5_000
    print_table(None, [f"column_{n}" for n in range(30)], [[BIG, long] * 15])
    [line] = [line for line in capsys.readouterr().out.splitlines() if long in line]
    assert line.split() == [f"{BIG:,}", long] * 15
