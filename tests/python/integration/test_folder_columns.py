"""Folders as columns: day=2024-05-03/store=paris/a.csv gives values to the rows and groups to the delivery key."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from deliver import HEADER, Inbox, make_feed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.feeds.declare import Contract, Feed
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.match_folders import match_folders
from sales_warehouse.reporter import Reporter
from sales_warehouse.verify.read_folders import read_folders
from sales_warehouse.verify.run_verify import run_verify

KEY = r"[Dd]ay=(?P<day>[^/]+)/(?:store=(?P<store>[^/]+)/)?"
COLUMNS = ("order_no", "product", "amount", "day", "store")


def make(**changes: Any) -> Feed:
    options = {
        "location": "shop/**/*",
        "columns": COLUMNS,
        "delivery_key": KEY,
        "delivery_key_from": "path",
        "folder_columns": ("store", "day"),
    }
    return make_feed(**(options | changes))


@pytest.fixture
def inbox(tmp_path: Path, connection: Connection) -> Inbox:
    return Inbox(tmp_path, connection, make())


def rows(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.rows(", ".join(COLUMNS))


def is_equal(inbox: Inbox) -> bool:
    return run_verify(inbox.connection, [inbox.feed], inbox.folder, [], Reporter()).is_equal


def test_folders_give_values_to_rows_and_to_the_key(inbox: Inbox) -> None:
    inbox.deliver("day=2024-05-03/store=paris/a.csv", f'{HEADER}1,tea,5\n2,"a, b",6\n')
    inbox.deliver("day=2024-05-04/store=K%C3%B6ln %2F 1/a.csv.gz", f"{HEADER}3,tea,7\n")
    inbox.deliver("Day=2024-05-05/store=__HIVE_DEFAULT_PARTITION__/a.csv", "Amount,Order No,Product\n8,4,tea\n")
    inbox.load()
    assert rows(inbox) == [
        ("1", "tea", "5", "2024-05-03", "paris"),
        ("2", "a, b", "6", "2024-05-03", "paris"),
        ("3", "tea", "7", "2024-05-04", "K\u00f6ln / 1"),
        ("4", "tea", "8", "2024-05-05", None),
    ]
    keys = inbox.query("select delivery_key from ledger.files order by file_id")
    assert keys[:2] == [("day=2024-05-03 store=paris",), ("day=2024-05-04 store=K\u00f6ln / 1",)]
    assert is_equal(inbox)


VALUES = ["a,b", 'a"b', '"', "a\\b", "\\N", "\\.", "a\nb", " a ", "\t", "a\x1fb\x1e", "NULL", "%00", "%E9", "a||b"]


@pytest.mark.parametrize("dialect", [{}, {"quote": ""}, {"delimiter": "||"}])
def test_a_value_of_a_folder_is_loaded_as_it_is(inbox: Inbox, dialect: dict[str, str]) -> None:
    inbox.feed = make(**dialect)
    for number, value in enumerate(VALUES):
        content = f"{HEADER}1,tea,{number}\n2,pot,6\n"
        inbox.deliver(f"day=1/store={value}/a.csv", content.replace(",", dialect.get("delimiter", ",")))
    inbox.load()
    assert rows(inbox) == [
        row
        for number, value in enumerate(VALUES)
        for row in (("1", "tea", str(number), "1", value), ("2", "pot", "6", "1", value))
    ]
    assert is_equal(inbox)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("day=1/a.csv", "its path has no folder store=…. Move the file"),
        ("day=1/store=x/store=y/a.csv", "its path has two folders for the column store"),
    ],
)
def test_a_path_without_a_value_refuses_the_file(inbox: Inbox, path: str, message: str) -> None:
    inbox.deliver(path, f"{HEADER}1,tea,5\n")
    inbox.deliver("day=2/store=x/a.csv", f"{HEADER}1,tea,6\n")
    told = {outcome.uri: outcome for outcome in inbox.load().outcomes}
    assert told[f"shop/{path}"].status == "refused"
    assert message in (told[f"shop/{path}"].message or "")
    assert told["shop/day=2/store=x/a.csv"].version == 1


def test_an_optional_folder_may_be_missing(inbox: Inbox) -> None:
    inbox.feed = make(contract=Contract(optional=("store",)))
    inbox.deliver("day=1/a.csv", f"{HEADER}1,tea,5\n")
    inbox.load()
    assert rows(inbox) == [("1", "tea", "5", "1", None)]
    assert is_equal(inbox)


def test_a_folder_column_in_the_header_is_refused_or_left_out(inbox: Inbox) -> None:
    inbox.deliver("day=1/store=x/a.csv", "Order No,Product,Amount,Day\n1,tea,5,9\n")
    (outcome,) = inbox.load().outcomes
    assert "the values of day are in the folders of its path" in (outcome.message or "")
    inbox.feed = make(contract=Contract(on_new_column="ignore"))
    inbox.load()
    assert rows(inbox) == [("1", "tea", "5", "1", "x")]
    assert is_equal(inbox)


def test_every_format_has_its_folder_columns(inbox: Inbox) -> None:
    objects = "".join(json.dumps(it) + "\n" for it in ({"order_no": 1, "amount": 5}, {"product": "a\\b", "Day": 7}))
    inbox.feed = make(file_format="jsonl", contract=Contract(optional=("product",)))
    inbox.deliver("day=1/store=x\\y/a.jsonl", objects)
    inbox.load()
    assert rows(inbox) == [("1", None, "5", "1", "x\\y"), (None, "a\\b", None, "1", "x\\y")]
    assert inbox.rows("_extra") == [(None,), ({"Day": 7},)]
    assert is_equal(inbox)


def test_a_member_has_the_folders_of_its_archive_and_its_own(inbox: Inbox) -> None:
    path = inbox.deliver("day=1/box.zip", b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("store=x\\a.csv", f"{HEADER}1,tea,5\n")
        archive.writestr("store=y/b.csv", f"{HEADER}1,tea,6\n")
    inbox.load()
    assert [row[2:] for row in rows(inbox)] == [("5", "1", "x"), ("6", "1", "y")]
    assert is_equal(inbox)


def test_a_replayed_record_has_its_folder_columns(inbox: Inbox, tmp_path_factory: pytest.TempPathFactory) -> None:
    inbox.deliver("day=1/store=x/a.csv", f"{HEADER}1,tea,5\n2,pot\n")
    inbox.load()
    export = tmp_path_factory.mktemp("rejects") / "rejects.csv"
    export_rejects(inbox.connection, [inbox.feed], inbox.folder, "1", export, False)
    export.write_text(export.read_text().replace("2,pot", "2,pot,6"))
    replay(inbox.connection, [inbox.feed], "1", export, Reporter().say)
    assert rows(inbox) == [("1", "tea", "5", "1", "x"), ("2", "pot", "6", "1", "x")]
    assert is_equal(inbox)


TEXTS = st.text(st.sampled_from('aB %=4C3é\u0301ö"\\,!') | st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folders=st.lists(st.tuples(st.sampled_from(["day", "Store", "x", ""]), TEXTS), max_size=4),
    in_archive=st.booleans(),
)
def test_both_readings_of_a_path_agree(
    folders: list[tuple[str, str]], in_archive: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    feed = make(contract=Contract(optional=("day", "store")))
    names = [f"{name}={value}".replace("/", "_") for name, value in folders]
    if len({name.partition("=")[0] for name in names}) < len(names):
        return
    root = tmp_path_factory.mktemp("inbox")
    if in_archive:
        (root / "shop").mkdir()
        with zipfile.ZipFile(root / "shop" / "box.zip", "w") as archive:
            archive.writestr("/".join([*names, "a.csv"]), "x")
    else:
        path = root.joinpath("shop", *names, "a.csv")
        path.parent.mkdir(parents=True)
        path.write_text("x")
    for file in find_files(root, [feed]).files:
        assert match_folders(file.uri, feed) == read_folders(file)
