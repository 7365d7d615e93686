"""`warehouse feed draft` and `warehouse feed check` on files with known totals: what is written works at once."""

import json
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import WITHOUT_TESTS, Checkout, name_server
from databases import Databases

HEADER = "Beleg-Nr;Verkauft am;Artikelnummer;Bezeichnung;Menge;Einzelpreis;Kundenname\n"
MAY = HEADER + (
    "1001;13.05.2024 09:30;A-17;Crème brûlée;2;3,50;Ada Lovelace\n"
    "1001;13.05.2024 09:30;B-02;Espresso;1;1,80;Ada Lovelace\n"
    ";;;;;;\n"
    "1002;13.05.2024 10:05;C-40;Tee;-1;4,20;Bob\n"
)
JUNE = HEADER + "1003;14.06.2024 08:00;A-17;Crème brûlée;3;1.003,50;Cy\n" + HEADER
# 7.00 + 1.80 - 4.20 + 3 × 1003.50
NET = Decimal("3015.1000")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("samples")
    paths = [folder / "till_2024-05.csv", folder / "till_2024-06.csv"]
    for path, text in zip(paths, (MAY, JUNE), strict=True):
        path.write_bytes(text.encode("cp1252"))
    return paths


@pytest.fixture(scope="module")
def drafted(checkout: Checkout, samples: list[Path]) -> dict[str, Any]:
    """Return what the draft says, written into the checkout of this module."""
    checkout.warehouse("up")
    return json.loads(checkout.warehouse("feed", "draft", "bakery.till", *map(str, samples), "--json"))


def check(checkout: Checkout, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    done = checkout.run("warehouse", "feed", "check", *arguments, "--json", check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return json.loads(done.stdout)


def scratch_databases(checkout: Checkout) -> list[str]:
    return [
        row["datname"] for row in checkout.sql("select datname from pg_database where datname like 'warehouse_check%'")
    ]


def test_a_draft_parses_at_once_with_its_open_questions(checkout: Checkout, drafted: dict[str, Any]) -> None:
    assert [it["about"] for it in drafted["todo"]] == ["encoding", "currency"]
    checkout.dbt("parse", "--quiet")
    assert {Path(path).name for path in drafted["written"]} == {
        "_bakery__sources.yml", "stg_bakery__till.sql", "stg_bakery__till.yml", "stg_bakery__till_typed.sql",
        "int_sales__lines_unioned.sql",
    }  # fmt: skip


def test_a_draft_declares_what_is_certain(checkout: Checkout, drafted: dict[str, Any]) -> None:
    text = (checkout.project / "models/staging/bakery/_bakery__sources.yml").read_text(encoding="utf-8")
    [source] = yaml.safe_load(text)["sources"]
    [table] = source["tables"]
    assert table["external"]["location"] == "bakery/*.csv"
    options = table["external"]["options"]
    assert (options["delimiter"], options["encoding"]) == (";", "cp1252")
    assert options["delivery_key"].startswith("(?P<year>")
    personal = [it["name"] for it in table["columns"] if it.get("config", {}).get("meta", {}).get("personal")]
    assert personal == ["kundenname"]


def test_a_check_sums_up_the_samples_and_leaves_nothing_behind(
    checkout: Checkout, samples: list[Path], drafted: dict[str, Any]
) -> None:
    before = sorted(path for path in checkout.project.rglob("*"))
    found = check(checkout, "bakery.till", *map(str, samples))
    assert {one["status"] for one in found["files"]} == {"active"}
    assert found["problems"] == []
    assert {(one["status"], one["issues"]): one["rows"] for one in found["outcomes"]} == {
        ("accepted", ""): 4,
        ("skipped", "row:blank"): 1,
        ("skipped", "row:repeated_header"): 1,
    }
    sums = {one["column"]: one for one in found["sums"]}
    assert Decimal(sums["net_amount"]["total"]) == NET
    assert int(sums["quantity"]["total"]) == 5
    assert (sums["order_date"]["least"], sums["order_date"]["greatest"]) == ("2024-05-13", "2024-06-14")
    assert len(found["todo"]) == 2
    assert scratch_databases(checkout) == []
    assert sorted(path for path in checkout.project.rglob("*")) == before
    assert checkout.value("select count(*) from ledger.files") == "0"
    assert checkout.value("select to_regclass('staging.stg_bakery__till') is null") == "t"


def test_a_check_that_fails_names_the_reason_and_leaves_nothing_behind(
    checkout: Checkout, samples: list[Path], drafted: dict[str, Any], tmp_path: Path
) -> None:
    refused = tmp_path / "till_2024-07.csv"
    refused.write_text("Beleg-Nr,Menge\n1,2\n")
    found = check(checkout, "bakery.till", str(refused), exit_code=1)
    assert "the header lacks" in found["files"][0]["message"]
    model = checkout.project / "models/staging/bakery/stg_bakery__till.sql"
    kept = model.read_text(encoding="utf-8")
    model.write_text(kept.replace("'cast': 'integer'", "'is': 'no_such_column'"), encoding="utf-8")
    try:
        found = check(checkout, "bakery.till", str(samples[0]), exit_code=1)
        assert any("no_such_column" in one["message"] for one in found["problems"])
    finally:
        model.write_text(kept, encoding="utf-8")
    assert scratch_databases(checkout) == []


def test_a_check_that_is_stopped_drops_its_database(
    checkout: Checkout, samples: list[Path], drafted: dict[str, Any]
) -> None:
    process = checkout.start("warehouse", "feed", "check", "bakery.till", str(samples[0]), cold=True)
    while not scratch_databases(checkout):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert scratch_databases(checkout) == []


def test_a_killed_check_is_cleaned_up_by_the_next(
    checkout: Checkout, samples: list[Path], drafted: dict[str, Any]
) -> None:
    process = checkout.start("warehouse", "feed", "check", "bakery.till", str(samples[0]), cold=True)
    while not scratch_databases(checkout):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.kill()
    process.communicate()
    check(checkout, "bakery.till", str(samples[0]))
    assert scratch_databases(checkout) == []


def test_an_answered_draft_reaches_the_union(checkout: Checkout, samples: list[Path], drafted: dict[str, Any]) -> None:
    model = checkout.project / "models/staging/bakery/stg_bakery__till.sql"
    model.write_text(model.read_text(encoding="utf-8").replace("'XXX'", "'EUR'"), encoding="utf-8")
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"]) / "bakery"
    inbox.mkdir()
    for path in samples:
        (inbox / path.name).write_bytes(path.read_bytes())
    checkout.load(inbox.parent)
    checkout.dbt("build", "--quiet", "--select", "+int_sales__lines_unioned", *WITHOUT_TESTS)
    [row] = checkout.sql(
        "select count(*) as lines, sum(net_amount) as net from intermediate.int_sales__lines_unioned "
        "where source_system = 'bakery'"
    )
    assert (row["lines"], Decimal(row["net"])) == ("4", NET)


def test_a_feed_is_drafted_once(checkout: Checkout, samples: list[Path], drafted: dict[str, Any]) -> None:
    done = checkout.run("warehouse", "feed", "draft", "bakery.till", str(samples[0]), check=False)
    assert (done.returncode, "is declared already" in done.stderr) == (2, True)
    done = checkout.run("warehouse", "feed", "draft", "Bakery-till", str(samples[0]), check=False)
    assert (done.returncode, "is no name of a feed" in done.stderr) == (2, True)
    done = checkout.run("warehouse", "feed", "check", "bakery.none", str(samples[0]), check=False)
    assert (done.returncode, "There is no feed bakery.none" in done.stderr) == (2, True)


def test_the_tables_of_a_draft_and_of_a_check_are_readable(databases: Databases, tmp_path: Path) -> None:
    settings = databases.make(tmp_path)
    checkout = Checkout.copy_to(tmp_path / "project", **name_server(settings))
    sample = tmp_path / "2024-05-13.csv"
    sample.write_text("Order,Date,SKU,Qty,Price (JPY)\n1,2024-05-13,tea,2,350\n2,2024-05-13,cup,1,900\n")
    drafted = checkout.warehouse("feed", "draft", "stall.sales", str(sample))
    assert "YYYY-MM-DD fits all 2" in drafted
    assert "Try it: warehouse feed check stall.sales" in drafted
    checked = checkout.warehouse("feed", "check", "stall.sales", str(sample))
    assert "accepted" in checked
    assert (
        "There are no exchange rates of JPY. Fetch them: python scripts/refresh_exchange_rates.py"
        in checked.replace("\n", " ")
    )
