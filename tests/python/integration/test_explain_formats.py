"""The line of a row in every format: from the file, or from the ledger or the raw table if the file was deleted."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deliver import Inbox, make_feed
from psycopg2.extensions import connection as Connection
from test_verify_formats import SOUND, deliver

from sales_warehouse.explain.explain import Explanation, explain_record
from sales_warehouse.feeds.declare import Dialect, MaxRejects, Workbook
from workbook import make_xlsx

Story = tuple[int | None, str | None, str, str, str]  # line, text, source of the text, outcome, reason

NOT_BUILT = "staging.stg_shop__lines is not built yet: `warehouse build`"


@pytest.fixture
def make_inbox(connection: Connection, tmp_path: Path) -> Callable[..., Inbox]:
    def make(**changes: Any) -> Inbox:
        return Inbox(tmp_path / "inbox", connection, make_feed(**changes, location="shop/*"))

    return make


def explain(it: Inbox, *row_numbers: int) -> list[Story]:
    found: list[Explanation] = []
    for number in row_numbers:
        found += explain_record(it.connection, [it.feed], it.folder, "1", number).rows
    return [(e.line_number, e.original, e.original_from, e.outcome, e.reason) for e in found]


def test_skipped_lines_are_explained_even_when_the_file_is_missing(
    make_inbox: Callable[..., Inbox],
) -> None:
    dialect = Dialect(encoding="cp1252", comment="^#", trailer="^Summe", preamble_lines=1)
    it = make_inbox(dialect=dialect)
    content = "Kasse\nOrder No,Product,Amount\n# für\n1,tea,2\n\nSumme,£\n"
    path = it.deliver("2024-01-01.csv", content.encode("cp1252"))
    it.load()
    stories: list[Story] = [
        (3, "# für", "file", "skipped", "comment line"),
        (4, "1,tea,2", "file", "unknown", NOT_BUILT),
        (5, "", "file", "skipped", "blank line"),
        (6, "Summe,£", "file", "skipped", "trailer line"),
    ]
    assert explain(it, 1, 2, 3, 4) == stories
    path.unlink()
    assert explain(it, 1, 2, 3, 4) == [
        (3, "# für", "skipped_lines", "skipped", "comment line"),
        (None, "1,tea,2", "raw", "unknown", NOT_BUILT),
        (None, None, "nowhere", "skipped", "blank line"),
        (6, "Summe,£", "skipped_lines", "skipped", "trailer line"),
    ]


FORMATS: dict[str, tuple[dict[str, Any], bytes, int, Story, str]] = {
    "aligned": (
        {"file_format": "aligned"}, b"order_no product amount\n\n 1   tea  2\n", 2,
        (3, " 1   tea  2", "file", "unknown", NOT_BUILT), "1\ttea\t2",
    ),
    "fixed": (
        {"file_format": "fixed", "positions": ((8, 10), (1, 4), (5, 7))}, b"header\ntea   2  1\n", 1,
        (2, "tea   2  1", "file", "unknown", NOT_BUILT), "tea 2  1",
    ),
    "jsonl": (
        {"file_format": "jsonl"}, b'\n{"Order No":1,"product":"tea","amount":2.0,"till":3}\n', 2,
        (2, '{"Order No":1,"product":"tea","amount":2.0,"till":3}', "file", "unknown", NOT_BUILT),
        '{"order_no": "1", "product": "tea", "amount": "2.0", "till": 3}',
    ),
    "parquet": (
        {"file_format": "parquet"}, SOUND["parquet"](), 1, (1, "1\ttea\t2.5", "file", "unknown", NOT_BUILT),
        "1\ttea\t2.5",
    ),
    "xls": (
        {"file_format": "xls"}, SOUND["xls"](), 1, (2, "1\ttea\t2.5", "file", "unknown", NOT_BUILT), "1\ttea\t2.5"
    ),
    "xlsx": (
        {"file_format": "xlsx", "workbook": Workbook(header_row=2)},
        make_xlsx({"A": [["May"], ["Order No", "Product", "Amount"], [], [1, "a\tb", None]]}), 2,
        (4, '1\t"a\tb"\t', "file", "unknown", NOT_BUILT), '1\t"a\tb"\t',
    ),
    "cr": (
        {"dialect": Dialect(line_end="cr", delimiter="||")}, b"order_no||product||amount\r1||'a'||\r", 1,
        (2, "1||'a'||", "file", "unknown", NOT_BUILT), "1||'a'||",
    ),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_its_line_or_the_raw_row_without_the_file(
    make_inbox: Callable[..., Inbox], name: str, packed: bool
) -> None:
    options, content, row_number, story, rebuilt = FORMATS[name]
    it = make_inbox(**options, max_rejects=MaxRejects.parse("100%"))
    path = deliver(it, f"2024-01-01.{name}{'.gz' if packed else ''}", gzip.compress(content) if packed else content)
    it.load()
    assert explain(it, row_number) == [story]
    path.unlink()
    assert explain(it, row_number) == [(None, rebuilt, "raw", "unknown", NOT_BUILT)]


def test_total_and_blank_rows_of_a_workbook_are_distinguished(make_inbox: Callable[..., Inbox]) -> None:
    it = make_inbox(file_format="xlsx", workbook=Workbook(total_rows="^Total"))
    rows = [["Order No", "Product", "Amount"], [], ["Total", None, 5], [1, "tea", 2]]
    deliver(it, "2024-01-01.xlsx", make_xlsx({"A": rows}))
    it.load()
    assert [story[3:] for story in explain(it, 1, 2)] == [("skipped", "blank row"), ("skipped", "total row")]
