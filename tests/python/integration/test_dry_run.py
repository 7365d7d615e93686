"""`warehouse load --dry-run` says what a load does then, and writes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout

COLUMNS = "Order ID,Product,Quantity Ordered,Price Each,Order Date,Purchase Address"


def lines(first: int, count: int = 12) -> str:
    body = "".join(f'{first + n},Cable,1,11.95,04/19/19 08:46,"{n} 1st St"\n' for n in range(count))
    return f"{COLUMNS}\n{body}"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "store_orders"
    folder.mkdir(parents=True)
    return folder


def look(checkout: Checkout, inbox: Path) -> dict[str, Any]:
    """Return what the dry run says, by the name of the file."""
    done = checkout.run("warehouse", "load", "--dry-run", "--inbox", str(inbox.parent), "--json", check=False)
    found = json.loads(done.stdout)
    return {Path(one["uri"]).name: one for one in found["outcomes"]} | {
        "unchanged": found["unchanged"],
        "rc": done.returncode,
    }


def state(checkout: Checkout) -> list[dict[str, str]]:
    return checkout.sql(
        "select (select count(*) from ledger.files) as files, "
        "(select count(*) from raw.store_orders__order_lines) as rows, "
        "(select count(*) from ledger.file_events) as events, "
        "(select count(*) from ledger.rejects) as rejects, "
        "(select last_value from pg_sequences where schemaname = 'ledger' and sequencename = "
        "'files_file_id_seq') as last_id, "
        "(select count(*) from pg_attribute where attrelid = 'raw.store_orders__order_lines'::regclass) as columns"
    )


def test_each_outcome_is_foretold_and_nothing_is_written(checkout: Checkout, inbox: Path) -> None:
    checkout.warehouse("up")
    (inbox / "Sales_January_2019.csv").write_text(lines(1))
    checkout.load(inbox.parent)
    (inbox / "Sales_February_2019.csv").write_text(lines(100))
    (inbox / "copy of Sales_January_2019.csv").write_text(lines(1))  # a duplicate: the same key and bytes
    (inbox / "Sales_March_2019.csv").write_text(lines(1))  # the records of January under another key
    (inbox / "Sales_April_2019.csv").write_text(lines(200).replace(",", ";"))
    (inbox / "Sales_May_2019.csv").write_text(lines(300).replace(COLUMNS, f"{COLUMNS},Note").replace('St"', 'St",x'))
    (inbox / "Sales_June_2019.csv").write_text(lines(400) + "1,2\n")
    (inbox / "sales.csv").write_text(lines(500))
    before = state(checkout)
    told = look(checkout, inbox)
    assert state(checkout) == before
    assert {name: one["status"] for name, one in told.items() if isinstance(one, dict)} == {
        "Sales_February_2019.csv": "active", "copy of Sales_January_2019.csv": "duplicate",
        "Sales_March_2019.csv": "held", "Sales_April_2019.csv": "refused", "Sales_May_2019.csv": "active",
        "Sales_June_2019.csv": "refused", "sales.csv": "refused",
    }  # fmt: skip
    assert (told["unchanged"], told["rc"]) == (1, 1)
    assert "delimiter: ';' would give all 6 columns" in told["Sales_April_2019.csv"]["message"]
    assert told["Sales_May_2019.csv"]["message"] == "adds to the raw table: note"
    assert "1 of 13 records are rejected" in told["Sales_June_2019.csv"]["message"]
    assert "delivery key" in told["sales.csv"]["message"]
    loaded = checkout.run("warehouse", "load", "--inbox", str(inbox.parent), "--settle", "0", "--json", check=False)
    done = json.loads(loaded.stdout)
    assert {Path(one["uri"]).name: one["status"] for one in done["files"]} == {
        name: one["status"] for name, one in told.items() if isinstance(one, dict)
    }


def test_a_correction_and_two_new_files_of_one_key_are_told(checkout: Checkout, inbox: Path) -> None:
    (inbox / "Sales_July_2019.csv").write_text(lines(600))
    checkout.load(inbox.parent)
    (inbox / "Sales_July_2019.csv").write_text(lines(600) + "700,Cable,1,11.95,04/19/19 08:46,x\n")
    (inbox / "Sales_August_2019.csv").write_text(lines(800))
    (inbox / "Sales_August_2019 again.csv").write_text(lines(800))
    told = look(checkout, inbox)
    assert told["Sales_July_2019.csv"]["version"] == 2
    assert "version 2, in place of file" in told["Sales_July_2019.csv"]["message"]
    statuses = {told[name]["status"] for name in ("Sales_August_2019.csv", "Sales_August_2019 again.csv")}
    assert statuses == {"active", "duplicate"}


def test_the_table_names_each_file_and_what_would_become_of_it(checkout: Checkout, inbox: Path) -> None:
    (inbox / "Sales_September_2019.csv").write_text(lines(900))
    (inbox / "nothing.txt").write_text("x")
    printed = checkout.warehouse("load", "--dry-run", "--inbox", str(inbox.parent))
    assert "Nothing was written" in printed
    assert "Sales_September_2019.csv" in printed
    assert "loaded" in printed
    assert "no feed store_orders/nothing.txt" in printed
