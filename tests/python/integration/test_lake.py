"""The lake has the rows of raw and ledger, state by state, whatever happens to an export or during one."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deliver import make_feed
from lakes import HEADER, Lake, Rows
from psycopg2.extensions import connection as Connection
from pyarrow.parquet import ParquetFile
from pyiceberg.catalog.sql import SqlCatalog

from checkout import Checkout, name_server
from databases import Databases
from sales_warehouse import server
from sales_warehouse.cli.main import run as run_command
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.erase.erase import erase
from sales_warehouse.erase.steps import list_steps
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.feeds.declare import Nesting
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.lake import export as exporting
from sales_warehouse.lake import write_objects
from sales_warehouse.lake.catalogue import LakeChanged
from sales_warehouse.lake.columns import Columns
from sales_warehouse.lake.verify_objects import Verified, verify_objects
from sales_warehouse.lake.write_objects import ObjectDiffers
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings

DAY = "shop/2024-05-{:02}.csv"
ORDERS = [
    {"order_no": 1, "lines": [{"product": "tea", "amount": 2.5}, {"product": "cup", "amount": 3, "colour": "red"}]},
    {"order_no": 2, "lines": []},
    {"order_no": 3, "lines": [{"product": "pot", "amount": 5}, 7]},
]
ODD = [
    "", " ", None, "NULL", "\\N", "\\.", '"', '""', "a\nb", "a\r\nb", "\r", "a,b", "\t", "é", "e\u0301", "\U0001f375",
    "\u202e", "\ufeff", "\x01", "'", "0001", "1e5", "true", "2024-01-01", "x" * 40_000,
]  # fmt: skip


@pytest.fixture
def lake(database: Settings, connection: Connection, tmp_path: Path) -> Lake:
    return Lake(database, connection, tmp_path / "lake")


def day(number: int, *amounts: object) -> str:
    """Return a file with a line for each amount; its orders are of no other day."""
    return HEADER + "".join(f"{number:02}-{line},tea,{amount}\n" for line, amount in enumerate(amounts))


def fill(lake: Lake) -> None:
    """Load two files, a file of orders and a segment."""
    lake.deliver(DAY.format(1), day(1, 1, 2, 3) + "broken\n")
    lake.deliver(DAY.format(2), day(2, 4, 5))
    lake.deliver("orders/2024-05-01.json", json.dumps(ORDERS))
    lake.load()
    lake.stream(0)


# --- rows -----------------------------------------------------------------------------------------------------------


def test_pyiceberg_and_duckdb_read_the_rows_of_raw_and_ledger(lake: Lake) -> None:
    """Each column of each row is compared, with lineage, NULL beside an empty text, and odd characters."""
    fill(lake)
    lake.deliver(DAY.format(3), day(3, *range(len(ODD))))
    lake.load()
    for line, text in enumerate(ODD):
        lake.query("update raw.shop__lines set product = %s where order_no = %s", text, f"03-{line}")
    report = lake.export()
    assert report.is_new and report.rows_written == sum(len(rows) for rows in lake.all_rows().values())
    expected = lake.all_rows()
    assert {name for name, rows in expected.items() if not rows} == {"ledger.stream_events"}
    assert lake.read() == expected
    assert lake.read_by_duckdb() == expected
    products = [row[3] for row in lake.read()["raw.shop__lines"] if str(row[2]).startswith("03-")]
    assert sorted(products, key=str) == sorted(ODD, key=str) and None in products and "" in products
    assert lake.with_catalogue(lambda it: it.load_table("raw.shop__events").schema().column_names) == [
        "_file_id", "_row_number", "_item_number", "_topic", "_topic_partition", "_offset", "_key", "_headers",
        "_sent_at", "order_no", "product", "amount", "_extra",
    ]  # fmt: skip
    [row] = [row for row in lake.read()["raw.shop__events"] if "pot" in row]
    assert row[2:6] == (1, "orders", 0, 1) and '{"colour": "red"}' in row


def test_rows_of_a_new_column_and_of_a_feed_that_gets_items(lake: Lake) -> None:
    """A column that has no NULL is in older rows too, which PostgreSQL gave its default value."""
    plain = make_feed(name="orders", identifier="shop__orders", location="orders/*.json", file_format="json")
    lake.feeds = [make_feed(), plain]
    lake.query("drop table raw.shop__orders")
    prepare_warehouse(lake.connection, lake.feeds)
    lake.deliver(DAY.format(1), day(1, 1))
    lake.deliver("orders/2024-05-01.json", json.dumps([{"order_no": 9, "product": "tea", "amount": 2}]))
    lake.load()
    lake.export()
    before = lake.read()
    assert before == lake.all_rows()
    lake.feeds = [make_feed(), replace(plain, nesting=Nesting(items=("lines",)))]
    prepare_warehouse(lake.connection, lake.feeds)
    lake.deliver(DAY.format(2), day(2, 2).replace("Amount", "Amount,Colour").replace(",2\n", ",2,red\n"))
    lake.load()
    written = {one.table: one.objects_written for one in lake.export().tables}
    assert (written["raw.shop__lines"], written["raw.shop__orders"]) == (1, 1)
    assert lake.read() == lake.all_rows() == lake.read_by_duckdb()
    assert {row[-1] for row in lake.read()["raw.shop__lines"]} == {None, "red"}
    assert lake.read()["raw.shop__orders"][0][-1] == 1
    assert lake.read(1) == before


def test_an_export_writes_what_is_new_and_superseded_files_leave(lake: Lake) -> None:
    fill(lake)
    first, before = lake.export(), lake.all_rows()
    assert {one.table: one.objects_written for one in first.tables if one.table.startswith("raw.")} == {
        "raw.shop__events": 1, "raw.shop__lines": 1, "raw.shop__orders": 1,
    }  # fmt: skip
    again = lake.export()
    assert (again.is_new, again.state, again.rows_written) == (False, first.state, 0)
    assert again.tag == first.tag == f"event_{first.event_id}"
    lake.deliver(DAY.format(1), day(1, 1, 2, 30))  # a correction
    lake.deliver(DAY.format(3), day(3, 7))
    lake.load()
    unload(lake.connection, lake.feeds, "orders/2024-05-01.json", print)
    lake.stream(2)
    report = lake.export()
    assert {one.table: (one.objects_written, one.objects_removed) for one in report.tables[:3]} == {
        "raw.shop__events": (1, 0), "raw.shop__lines": (1, 1), "raw.shop__orders": (0, 1),
    }  # fmt: skip
    assert lake.read() == lake.all_rows() == lake.read_by_duckdb() != before
    assert lake.read(first.state) == before
    restore(lake.connection, lake.feeds, lake.settings.inbox, "orders/2024-05-01.json", Reporter())
    assert lake.export().tables[2].objects_written == 1
    assert lake.read() == lake.all_rows()
    # a change of the ledger without an event is a state too, with a tag of its own
    lake.deliver("shop/2024-05-01-again.csv", day(1, 1, 2, 30))
    lake.load()
    last = lake.export()
    assert last.is_new and last.tag == f"event_{last.event_id}_2"
    assert lake.read() == lake.all_rows()


def test_small_files_are_put_together_and_large_ones_in_row_groups(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_TOGETHER_ROWS", 10)
    monkeypatch.setattr(write_objects, "ROW_GROUP_ROWS", 7)
    monkeypatch.setattr(write_objects, "_CHUNK_BYTES", 200)
    for number in range(1, 9):
        lake.deliver(DAY.format(number), day(number, *range(number * 3)))
    lake.load()
    lake.export()
    files = (
        "select cardinality(file_ids), row_count from lake.objects where table_name = 'raw.shop__lines' order by uri"
    )
    assert lake.query(files) == [(2, 9), *((1, number * 3) for number in range(3, 9))]
    paths = (lake.folder / "raw" / "shop__lines" / "data").glob("*.parquet")
    assert sorted(ParquetFile(path).num_row_groups for path in paths) == [2, 2, 2, 3, 3, 3, 4]
    assert lake.read() == lake.all_rows() == lake.read_by_duckdb()


def test_many_small_objects_of_many_exports_are_put_together(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_MANY_SMALL", 2)
    lake.deliver(DAY.format(9), day(9, *range(20)))
    monkeypatch.setattr(exporting, "_TOGETHER_ROWS", 20)
    done = []
    for number in range(1, 6):
        lake.deliver(DAY.format(number), day(number, 1))
        lake.load()
        [lines] = [one for one in lake.export().tables if one.table == "raw.shop__lines"]
        done.append((lines.objects, lines.objects_written, lines.rows_written))
        assert lake.read() == lake.all_rows()
    # the large one stays; three small ones become one with the new file, and so on
    assert done == [(2, 2, 21), (3, 1, 1), (4, 1, 1), (2, 1, 4), (3, 1, 1)]


# --- states ---------------------------------------------------------------------------------------------------------


def find_mixture(rows: dict[str, Rows], event_id: int) -> str:
    """Return how the tables of a state contradict each other; nothing if they are of one event."""
    files = {row[0]: row for row in rows["ledger.files"] if "active" in row}
    counts = {file_id: row[FILE_ROWS] for file_id, row in files.items() if row[FILE_ROWS]}
    found: dict[int, int] = {}
    for name in rows:
        for row in rows[name] if name.startswith("raw.") else []:
            found[row[0]] = found.get(row[0], 0) + 1
    last = max(row[0] for row in rows["ledger.file_events"])
    return "" if (found, last) == (counts, event_id) else f"{found} {counts} {last} {event_id}"


FILE_ROWS = 16  # place of rows_loaded in ledger.files


def test_a_state_is_never_a_mixture_during_exports(lake: Lake) -> None:
    fill(lake)
    assert lake.query("select ordinal_position - 1 from information_schema.columns where table_schema = 'ledger' "
                      "and table_name = 'files' and column_name = 'rows_loaded'") == [(FILE_ROWS,)]  # fmt: skip
    lake.export()
    reads, wrong, is_over = [0], [], threading.Event()

    def read() -> None:
        while not is_over.is_set():
            newest = max(lake.states(), key=lambda one: one.state)
            mixture = find_mixture(lake.read(newest.state), newest.event_id)
            wrong.extend([mixture] if mixture else [])
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3, 9):
            lake.deliver(DAY.format(number), day(number, *range(number)))
            lake.deliver(DAY.format(number - 1), day(number - 1, *range(number + 1)))
            lake.deliver(f"orders/2024-05-{number:02}.json", json.dumps([ORDERS[0] | {"order_no": number}]))
            lake.load()
            lake.stream(number * 10)
            assert lake.export(keep=2).is_new
    finally:
        is_over.set()
        reader.join()
    assert wrong == [] and reads[0] >= 6
    assert lake.read() == lake.all_rows()


POINTS = [
    ("lake_object", 1), ("lake_entry", 1), ("lake_object", 3), ("lake_table", 1), ("lake_table", 4), ("lake_tag", 1),
    ("lake_tag", 5), ("lake_listed", 1), ("lake_removed", 1), ("lake_removed", 5),
]  # fmt: skip


def test_an_export_that_is_killed_anywhere_is_finished_by_the_next_one(lake: Lake) -> None:
    fill(lake)
    lake.export()
    for number, (point, time) in enumerate(POINTS, 3):
        before = lake.read()
        lake.deliver(DAY.format(number), day(number, *range(number)))
        lake.deliver(DAY.format(number - 1), day(number - 1, *range(number + 1)))
        lake.load()
        assert lake.export_and_die(point, time, keep=1, grace=0), point
        now = lake.all_rows()
        is_listed = point in ("lake_listed", "lake_removed")
        assert lake.read() == (now if is_listed else before), point
        report = lake.export(keep=1, grace=0)
        assert report.is_new != is_listed, point
        if point == "lake_entry":  # what was complete is not written again
            assert report.tables[1].objects_written == 0
        assert lake.read() == now, point
        assert lake.find_unneeded() == [], point
    assert lake.export().rows_written == 0


def test_files_that_nothing_needs_stay_for_the_grace_period(lake: Lake) -> None:
    fill(lake)
    assert lake.export_and_die("lake_object", 2)
    draft = lake.folder / "raw" / "shop__lines" / "data" / "1.parquet.1234.draft"
    draft.write_bytes(b"of a process that was killed")
    lake.export()
    assert str(draft) in "".join(lake.find_unneeded())
    lake.export(grace=0)
    assert lake.find_unneeded() == []


def test_no_file_that_a_tag_needs_is_removed(lake: Lake) -> None:
    """Of each state that stays all rows are read; those of others are gone, unless a person has named them."""
    fill(lake)
    expected = {}
    for number in range(1, 7):
        lake.deliver(DAY.format(1), day(1, *range(number + 5)))
        lake.deliver(DAY.format(number), day(number, *range(number + 5)))
        lake.load()
        expected[lake.export(keep=3, grace=0).state] = lake.all_rows()
        if number == 2:
            old = lake.with_catalogue(_tag_by_hand)
    assert sorted({one.state for one in lake.states()}) == [4, 5, 6]
    assert {state: lake.read(state) for state in (4, 5, 6)} == {state: expected[state] for state in (4, 5, 6)}
    assert lake.read(2) == {}

    def read_tags(catalogue: SqlCatalog) -> tuple[list[str], int]:
        table = catalogue.load_table("raw.shop__lines")
        snapshot = table.snapshot_by_name("of_the_auditor")
        assert snapshot is not None
        return sorted(table.metadata.refs), table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows

    tags, rows = lake.with_catalogue(read_tags)
    events = sorted({one.tag for one in lake.states()})
    assert tags == sorted([*events, "main", "of_the_auditor"]) and rows == old == len(expected[2]["raw.shop__lines"])
    assert lake.find_unneeded() == []
    # a state whose readers may still be at work stays however many are newer
    lake.deliver(DAY.format(1), day(1, 5))
    lake.load()
    assert lake.export(keep=1, grace=1).states_removed == []


def _tag_by_hand(catalogue: SqlCatalog) -> int:
    table = catalogue.load_table("raw.shop__lines")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    table.manage_snapshots().create_tag(snapshot.snapshot_id, "of_the_auditor").commit()
    return table.scan().to_arrow().num_rows


# --- two exporters, wrong rows, lost files --------------------------------------------------------------------------


def test_a_second_exporter_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake)
    refused: list[str] = []

    def try_too(_: str) -> None:
        with pytest.raises(WarehouseError, match="Another `warehouse lake` is at work") as error:
            lake.export()
        refused.append(str(error.value))

    monkeypatch.setattr(exporting, "reach", try_too)
    lake.export()
    assert refused
    monkeypatch.undo()
    assert not lake.export().is_new and lake.read() == lake.all_rows()


def test_an_exporter_that_lost_its_lock_doubles_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session of a lock can be ended by a firewall while its exporter goes on."""
    fill(lake)
    monkeypatch.setattr(exporting, "_alone", lambda connection: nullcontext())
    second: list[Any] = []

    def let_another_run(point: str) -> None:
        if point == "lake_object" and not second:
            second.append(None)
            second.append(lake.export())

    monkeypatch.setattr(exporting, "reach", let_another_run)
    with pytest.raises(LakeChanged, match="Another program changed a table of the lake"):
        lake.export()
    assert second[1].is_new
    assert lake.read() == lake.all_rows()
    assert not lake.export().is_new and lake.read() == lake.all_rows()


@pytest.mark.parametrize("wrong", ["value", "row"])
def test_an_object_that_is_not_what_was_read_does_not_count(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    fill(lake)
    parse = Columns.parse

    def parse_wrong(columns: Columns, rows: bytes) -> Any:
        if wrong == "row":
            return parse(columns, rows).slice(1)
        return parse(columns, rows.replace(b'"tea"', b""))  # a text becomes NULL

    monkeypatch.setattr(Columns, "parse", parse_wrong)
    with pytest.raises(ObjectDiffers, match="is not what PostgreSQL sent, so it was removed"):
        lake.export()
    assert lake.states() == [] and list(lake.folder.rglob("*.parquet")) == []
    assert lake.query("select count(*) from lake.objects") == [(0,)]


def test_rows_that_the_ledger_does_not_count_stop_the_export(lake: Lake) -> None:
    fill(lake)
    lake.query("delete from raw.shop__lines where order_no = '01-1'")
    with pytest.raises(WarehouseError, match="has 2 rows of file 1, and the ledger counts 3"):
        lake.export()
    assert lake.states() == []


def test_an_object_that_is_gone_is_written_again(lake: Lake) -> None:
    fill(lake)
    lake.export()
    [path, *_] = sorted((lake.folder / "raw" / "shop__lines" / "data").iterdir())
    path.unlink()
    report = lake.export()
    assert report.is_new and report.tables[1].objects_written == report.tables[1].objects_removed == 1
    assert lake.read() == lake.all_rows()


def test_changed_and_lost_objects_are_found(lake: Lake) -> None:
    fill(lake)
    with pytest.raises(ConfigurationError, match="Nothing was exported yet"):
        verify_objects(lake.connect, Reporter())
    lake.export()
    objects = len(lake.query("select 1 from lake.objects"))
    assert verify_objects(lake.connect, Reporter()) == Verified(1, objects, ())
    [lines] = (lake.folder / "raw" / "shop__lines" / "data").iterdir()
    [orders] = (lake.folder / "raw" / "shop__orders" / "data").iterdir()
    content = bytearray(lines.read_bytes())
    content[len(content) // 2] ^= 1
    lines.write_bytes(content)
    orders.unlink()
    found = verify_objects(lake.connect, Reporter())
    assert sorted(found.damaged) == [f"file://{lines}", f"file://{orders}"] and found.objects == objects
    lines.unlink()
    lake.export()
    assert verify_objects(lake.connect, Reporter()).damaged == () and lake.read() == lake.all_rows()


def test_a_feed_that_is_not_declared_any_more_leaves(lake: Lake) -> None:
    fill(lake)
    lake.export()
    orders = lake.feeds.pop(1)
    report = lake.export(keep=1, grace=0)
    assert report.undeclared == ("shop.orders",)
    assert lake.read() == lake.all_rows() and "raw.shop__orders" not in lake.read()
    assert list((lake.folder / "raw" / "shop__orders" / "data").iterdir()) == []
    lake.feeds.append(orders)
    assert lake.export().undeclared == () and lake.read() == lake.all_rows()


# --- persons, the command -------------------------------------------------------------------------------------------


def test_an_erased_person_is_in_no_file_after_the_next_export(lake: Lake) -> None:
    """Every earlier state goes at once, although its grace period is not over."""
    lake.feeds = [replace(lake.feeds[0], personal=("product",))]
    lake.deliver(DAY.format(1), f"{HEADER}1,Zoe Quinn,5\n2,Max,6\nZoe Quinn\n")
    lake.deliver(DAY.format(2), day(2, 5))
    lake.load()
    lake.export()
    lake.deliver(DAY.format(1), f"{HEADER}1,Zoe Quinn,50\n2,Max,6\nZoe Quinn\n")
    lake.load()
    lake.export()
    assert any(b"Zoe Quinn" in text for text in _texts(lake.folder))
    erased = erase(lake.connection, lake.feeds, ["shop.lines.product=Zoe Quinn"], [], print)
    assert erased.lake == str(lake.folder)
    steps = list_steps(lake.connection, erased.erasure_id).as_dicts()
    [exports] = [step["detail"] for step in steps if step["step"] == "exports"]
    assert "run `warehouse lake`" in exports and str(lake.folder) in exports
    report = lake.export()
    assert report.states_removed == [1, 2] and report.tables[0].objects_written == 1
    assert not any(b"Zoe" in text for text in _texts(lake.folder))
    assert lake.read() == lake.all_rows() and lake.find_unneeded() == []


def test_a_person_is_gone_also_when_the_export_after_an_erasure_is_killed(lake: Lake) -> None:
    lake.feeds = [replace(lake.feeds[0], personal=("product",))]
    lake.deliver(DAY.format(1), f"{HEADER}1,Zoe Quinn,5\n2,Max,6\nZoe Quinn\n")
    lake.load()
    lake.export()
    erase(lake.connection, lake.feeds, ["shop.lines.product=Zoe Quinn"], [], print)
    assert lake.export_and_die("lake_listed")
    assert any(b"Zoe" in text for text in _texts(lake.folder))
    lake.export()
    assert not any(b"Zoe" in text for text in _texts(lake.folder))


def _texts(folder: Path) -> Iterator[bytes]:
    """Give the bytes of all files, and the values of those that are compressed."""
    import pyarrow.parquet as pq
    from fastavro import reader

    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            yield repr(pq.read_table(path).to_pylist()).encode()
        elif path.suffix == ".avro":
            with path.open("rb") as file:
                yield repr(list(reader(file))).encode()
        if path.is_file():
            yield path.read_bytes()


SOURCES = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external: {location: "shop/*.csv", file_format: csv}
        columns: [{name: order_no, data_type: text}, {name: product, data_type: text}, {name: amount, data_type: text}]
"""


def test_the_command_and_its_exit_codes(
    database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: shop\nmodel-paths: [models]\n")
    (project / "models" / "_shop__sources.yml").write_text(SOURCES)
    variables = name_server(database) | {"WAREHOUSE_INBOX": str(database.inbox)}
    for name, value in (variables | {"WAREHOUSE_PROJECT": str(project)}).items():
        monkeypatch.setenv(name, value)
    (database.inbox / "shop").mkdir()
    (database.inbox / "shop" / "1.csv").write_text(day(1, 1, 2))
    with closing(server.connect(database, application_name="test")) as connection:
        feeds = read_feeds(project)
        prepare_warehouse(connection, feeds)
        assert apply_grants(connection)  # with roles: the command runs as transformer
        run_load(connection, feeds, database.inbox, Reporter(), LoadOptions(settle_seconds=0))

    def run(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            run_command(["lake", *arguments])
        said = capsys.readouterr()
        return ended.value.code, said.out + said.err

    killed = Checkout(project, variables | {"WAREHOUSE_FAIL_POINT": "lake_tag@2:kill"})
    assert killed.run("warehouse", "lake", "--json", check=False).returncode == -9
    code, text = run("--json")
    report = json.loads(text)
    assert (code, report["state"], report["is_new"]) == (0, 1, True)
    assert report["location"] == str(database.home / "lake")
    code, text = run()
    assert code == 0 and "Nothing is new since state 1" in text and "raw.shop__lines" in text
    assert run("--quiet") == (0, "")
    objects = sum(one["objects"] for one in report["tables"])
    assert run("--verify") == (0, f"{objects} files of state 1 compared.\n")
    next((database.home / "lake" / "raw").rglob("*.parquet")).write_bytes(b"")
    code, text = run("--verify", "--json")
    assert code == 1 and len(json.loads(text)["damaged"]) == 1
    code, text = run(str(tmp_path / "other"))
    assert code == 2 and f"The lake of this warehouse is in {database.home / 'lake'}" in text
    (project / "models" / "_shop__sources.yml").write_text(SOURCES.replace("name: lines", "name: others"))
    code, text = run("--quiet")
    assert code == 1 and "the project does not declare them: shop.lines" in text


def test_folders_that_cannot_be_the_lake_are_refused(lake: Lake, databases: Databases, tmp_path: Path) -> None:
    for name, content, message in (("full", "no lake", "is not empty and is no lake"), ("50%", "", "cannot have %")):
        lake.folder = tmp_path / name
        lake.folder.mkdir()
        (lake.folder / "letter.txt").write_text(content)
        with pytest.raises(ConfigurationError, match=message):
            lake.export()
    lake.folder = tmp_path / "lake"
    lake.export()
    (tmp_path / "another").mkdir()
    another = databases.make(tmp_path / "another")
    with (
        closing(server.connect(another, application_name="test")) as connection,
        pytest.raises(ConfigurationError, match="is the lake of another warehouse"),
    ):
        Lake(another, connection, lake.folder).export()
    for path in (lake.folder / "raw" / "shop__lines" / "metadata").glob("*.json"):
        path.unlink()
    with pytest.raises(WarehouseError, match="its metadata is gone"):
        lake.export()
