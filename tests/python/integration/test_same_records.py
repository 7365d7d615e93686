"""What a delivery is: files with the same records are duplicates, held, or loaded and named, by one rule."""

from decimal import Decimal
from typing import Any

import pytest
from deliver import HEADER, Inbox, Listener, make_feed

from sales_warehouse.corrections.decide_held import Decided, accept, refuse
from sales_warehouse.corrections.restore import RestoreRefused
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Repeats
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.verify.run_verify import run_verify

TEN = HEADER + "".join(f"{number},tea,{number}.50\n" for number in range(1, 11))
NINE = HEADER + "".join(f"{number},tea,{number}.50\n" for number in range(1, 10))


def declare(inbox: Inbox, **options: Any) -> None:
    inbox.feed = make_feed(repeats=Repeats(**options))


def statuses(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.query("select name, version, status from ledger.files order by file_id")


# --- one rule -----------------------------------------------------------------------------------------------------


def test_small_files_of_two_keys_with_equal_bytes_are_both_loaded(inbox: Inbox) -> None:
    inbox.deliver("lyon 2024-01-01.csv", NINE)
    inbox.deliver("nice 2024-01-02.csv", NINE)
    report = inbox.load()
    assert report.statuses == {"active": 2}
    assert not report.needs_a_person
    assert len(inbox.rows()) == 18
    message = report.outcomes[1].message or ""
    assert message.startswith(
        "the same 9 records as file 1, shop/lyon 2024-01-01.csv (version 1, active), under another"
    )
    assert "on_same_records" in message
    assert inbox.load().unchanged == 2


def test_ten_equal_records_under_another_key_are_held(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-02.csv", TEN)
    report = inbox.load()
    assert report.statuses == {"active": 1, "held": 1}
    assert report.needs_a_person
    assert len(inbox.rows()) == 10
    held = report.outcomes[1]
    assert (held.file_id, held.version, held.tally.read) == (2, None, 10)
    assert "file 1, shop/2024-01-01.csv" in (held.message or "")
    assert "warehouse files --accept 2" in (held.message or "")
    assert "warehouse files --refuse 2" in (held.message or "")
    assert inbox.query("select rows_loaded, rows_refused, records_read from ledger.files where status = 'held'") == [
        (0, 10, 10)
    ]
    again = inbox.load()
    assert (again.outcomes, again.still_held, again.needs_a_person) == ([], {"shop/2024-01-02.csv": 2}, True)


@pytest.mark.parametrize(
    ("option", "content", "status"),
    [
        ("hold", HEADER + "1,tea,2\n", "held"),
        ("load", TEN, "active"),
        ("duplicate", HEADER + "1,tea,2\n", "duplicate"),
        ("duplicate", TEN, "duplicate"),
    ],
)
def test_the_option_decides_about_equal_records(inbox: Inbox, option: str, content: str, status: str) -> None:
    declare(inbox, on_same_records=option)
    inbox.deliver("2024-01-01.csv", content)
    inbox.deliver("2024-01-02.csv", content)
    assert [outcome.status for outcome in inbox.load().outcomes] == ["active", status]


def test_a_held_file_is_judged_again_when_the_option_changes(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-02.csv", TEN)
    inbox.load()
    declare(inbox, on_same_records="load")
    assert inbox.load().statuses == {"active": 1}


@pytest.mark.parametrize(
    "again",
    [
        TEN.replace("\n", "\r\n"),
        TEN.replace(".50\n", ".5\n"),
        TEN.replace(",tea,", ', "tea" ,').replace(', "tea" ,', ',"tea",'),
        HEADER + "".join(reversed(TEN.splitlines(keepends=True)[1:])),
        "Amount,Product,Order No\n" + "".join(f"{n}.500,tea ,{n}\n" for n in range(1, 11)),
        TEN + "\n\n",
    ],
)
def test_a_file_saved_again_counts_once(inbox: Inbox, again: str) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-01 (1).csv", again)
    report = inbox.load()
    assert [outcome.status for outcome in report.outcomes] == ["active", "duplicate"]
    assert report.outcomes[1].message == "the same records as file 1, shop/2024-01-01.csv (active)"
    assert len(inbox.rows()) == 10
    inbox.deliver("2024-01-07.csv", again)
    assert inbox.load().statuses == {"held": 1}


@pytest.mark.parametrize("records", [33, 64, 700])
def test_a_long_file_saved_again_counts_once(inbox: Inbox, records: int) -> None:
    lines = [f'{number},"tea, {number * 37}",{number % 13}.50\n' for number in range(records)]
    inbox.deliver("2024-01-01.csv", HEADER + "".join(lines))
    inbox.deliver("2024-01-02.csv", (HEADER + "\n" + "".join(lines)).replace(".50", ".5").replace("\n", "\r\n"))
    assert [outcome.status for outcome in inbox.load().outcomes] == ["active", "held"]


@pytest.mark.parametrize("line", ["10,tea,10.51", "10,tee,10.50", "10,tea,", "010,tea,10.50", "10,tea,1.050"])
def test_one_other_value_makes_another_delivery(inbox: Inbox, line: str) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-02.csv", TEN.replace("10,tea,10.50", line))
    report = inbox.load()
    assert report.statuses == {"active": 2}
    assert report.outcomes[1].message is None


def test_the_same_records_another_number_of_times_are_another_delivery(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,1\n" * 6 + "2,tea,1\n" * 6)
    inbox.deliver("2024-01-02.csv", HEADER + "1,tea,1\n" * 7 + "2,tea,1\n" * 5)
    assert inbox.load().statuses == {"active": 2}


# --- the delivery key ---------------------------------------------------------------------------------------------


def test_a_correction_equal_to_another_file_is_a_new_version(inbox: Inbox) -> None:
    inbox.deliver("2024-01-03.csv", HEADER)
    inbox.deliver("2024-01-05.csv", HEADER + "1004,tea,3.50\n")
    inbox.load()
    inbox.deliver("2024-01-05.csv", HEADER)
    assert inbox.load().statuses == {"active": 1}
    assert inbox.rows() == []
    assert statuses(inbox) == [
        ("2024-01-03.csv", 1, "active"),
        ("2024-01-05.csv", 1, "superseded"),
        ("2024-01-05.csv", 2, "active"),
    ]


def test_a_held_correction_leaves_the_earlier_version_active(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-02.csv", HEADER + "77,pot,1\n")
    inbox.load()
    inbox.deliver("2024-01-02.csv", TEN)
    assert inbox.load().statuses == {"held": 1}
    assert len(inbox.rows()) == 11
    inbox.deliver("2024-01-02.csv", HEADER + "78,pot,1\n")
    assert inbox.load().statuses == {"active": 1}
    assert inbox.load().still_held == {}


def test_without_a_declared_key_the_same_records_are_a_duplicate(inbox: Inbox) -> None:
    inbox.feed = make_feed(delivery_key=None)
    inbox.deliver("a.csv", HEADER + "1,tea,2.50\n")
    inbox.deliver("b.csv", HEADER + "1,tea,2.5\r\n")
    inbox.deliver("c.csv", HEADER + "1,tea,2.50\n")
    assert [outcome.status for outcome in inbox.load().outcomes] == ["active", "duplicate", "duplicate"]


def test_without_a_declared_key_a_copy_over_another_file_leaves_that_active(inbox: Inbox) -> None:
    inbox.feed = make_feed(delivery_key=None)
    inbox.deliver("a.csv", TEN)
    inbox.deliver("b.csv", HEADER + "77,pot,1\n")
    inbox.load()
    for text in (TEN, TEN.replace("\n", "\r\n")):  # known by its bytes, known by its records
        inbox.deliver("b.csv", text)
        [copied] = inbox.load().outcomes
        assert copied.status == "duplicate"
        assert "file 2, stays active. If it is wrong, run: warehouse unload 2" in (copied.message or "")
    assert len(inbox.rows()) == 11


def test_a_late_copy_of_a_superseded_version_stays_a_duplicate(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.load()
    inbox.deliver("2024-01-01.csv", NINE)
    inbox.load()
    inbox.deliver("2024-01-01 late.csv", TEN)
    assert inbox.load().statuses == {"duplicate": 1}


def test_an_earlier_file_without_fingerprint_is_found_by_its_count(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.load()
    inbox.query("update ledger.files set records_fingerprint = null returning 1")
    inbox.deliver("2024-01-02.csv", TEN.replace("\n", "\r\n"))
    assert inbox.load().statuses == {"held": 1}


# --- held files ---------------------------------------------------------------------------------------------------


def decide_about(inbox: Inbox, name: str, is_accepted: bool) -> Decided:
    if is_accepted:
        return accept(inbox.connection, [inbox.feed], inbox.folder, name, Listener())
    return refuse(inbox.connection, [inbox.feed], name, Listener())


@pytest.mark.parametrize(("is_accepted", "status", "rows"), [(True, "active", 10), (False, "unloaded", 0)])
def test_a_file_that_a_build_held_is_decided_without_reading_it(
    inbox: Inbox, is_accepted: bool, status: str, rows: int
) -> None:
    path = inbox.deliver("2024-01-01.csv", TEN)
    inbox.load()
    inbox.query("select ledger.hold_file(1, 'too many rows are quarantined', 'b')")
    report = inbox.load()
    assert (report.still_held, report.needs_a_person, len(inbox.rows())) == ({"shop/2024-01-01.csv": 1}, True, 10)
    path.unlink()
    assert decide_about(inbox, "1", is_accepted).status == status
    assert statuses(inbox) == [("2024-01-01.csv", 1, status)]
    assert len(inbox.rows()) == rows
    assert not inbox.load().needs_a_person


def test_an_accepted_file_is_loaded_as_the_next_version(inbox: Inbox) -> None:
    spoilt = TEN + "11,tea\n\n"
    inbox.deliver("2024-01-01.csv", spoilt)
    inbox.deliver("2024-01-02.csv", HEADER + "77,pot,1\n")
    inbox.load()
    inbox.deliver("2024-01-02.csv", spoilt)
    assert inbox.load().statuses == {"held": 1}
    held = inbox.query("select row_number, reason, raw::text from ledger.rejects where file_id = 3")
    decided = decide_about(inbox, "3", is_accepted=True)
    assert (decided.status, decided.rows, decided.replaced and decided.replaced.file_id) == ("active", 10, 2)
    assert inbox.query("select row_number, reason, raw::text from ledger.rejects where file_id = 3") == held
    assert inbox.rows("_file_id") == [(1,)] * 10 + [(3,)] * 10
    assert inbox.query(
        "select version, status, supersedes_file_id, records_read, rows_loaded, rows_refused, rows_rejected "
        "from ledger.files where file_id > 1 order by 1"
    ) == [(1, "superseded", None, 1, 1, 0, 0), (2, "active", 2, 12, 10, 0, 1)]
    assert inbox.query("select file_id, kind from ledger.file_events order by event_id")[2:] == [
        (2, "deactivated"),
        (3, "activated"),
    ]
    report = inbox.load()
    assert (report.unchanged, report.needs_a_person) == (2, False)
    assert run_verify(inbox.connection, [inbox.feed], inbox.folder, [], Listener()).is_equal
    # it is a file like any other now: a copy of it is a duplicate, and it can be unloaded and restored
    inbox.deliver("2024-01-02 copy.csv", spoilt.replace("\n", "\r\n"))
    assert inbox.load().statuses == {"duplicate": 1}
    with pytest.raises(ConfigurationError, match="only a file that is held can"):
        decide_about(inbox, "3", is_accepted=True)


def test_a_held_file_that_changed_is_not_accepted(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.deliver("2024-01-02.csv", TEN)
    inbox.load()
    inbox.deliver("2024-01-02.csv", NINE)
    before = inbox.state()
    with pytest.raises(RestoreRefused, match="another content"):
        decide_about(inbox, "2", is_accepted=True)
    assert inbox.state() == before


def test_a_refused_held_file_is_not_tried_again(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    path = inbox.deliver("2024-01-02.csv", TEN)
    inbox.load()
    assert decide_about(inbox, "shop/2024-01-02.csv", is_accepted=False).status == "refused"
    declare(inbox, on_same_records="load")
    for _ in range(2):
        report = inbox.load()
        assert (report.outcomes, report.needs_a_person, report.still_refused) == ([], False, [])
        path.touch()
    [(status, message)] = inbox.query("select status, message from ledger.files where file_id = 2")
    assert status == "refused"
    assert message.startswith("refused by a person; the same 10 records as file 1")
    assert len(inbox.rows()) == 10


def test_fingerprints_tell_stores_apart_and_are_blind_to_spelling(inbox: Inbox) -> None:
    texts = ("12,Z12,01.05.2024", "21,Z12,01.05.2024", "12,Z21,01.05.2024", '2024-05-01,"Z12","12.0"')
    for day, text in enumerate(texts, 1):
        header = "amount,product,order_no\n" if day == 4 else HEADER
        inbox.deliver(f"2024-01-0{day}.csv", f"{header}{text}\n")
    inbox.load()
    prints = [value for (value,) in inbox.query("select records_fingerprint from ledger.files order by file_id")]
    assert len(set(prints)) == 3
    assert prints[0] == prints[3]


# --- what is reported ---------------------------------------------------------------------------------------------


def test_a_version_without_a_record_of_the_one_before_is_reported(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", TEN)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TEN.replace("9.50", "9.49"))
    [related] = inbox.load().outcomes
    assert (related.version, related.message) == (2, None)
    inbox.deliver("2024-01-01.csv", HEADER + "100,pot,7\n")
    [unrelated] = inbox.load().outcomes
    assert unrelated.version == 3
    assert "it has no record of file 2, shop/2024-01-01.csv (version 2)" in (unrelated.message or "")


def test_unrelated_versions_are_kept_where_the_feed_says_so(inbox: Inbox) -> None:
    declare(inbox, on_unrelated_version="keep")
    name = "2024-01-01.csv"

    def deliver(text: str) -> str:
        inbox.deliver(name, HEADER + text)
        [outcome] = inbox.load().outcomes
        return f"{outcome.status} {outcome.version}: {outcome.message}"

    assert deliver("1,tea,1\n2,tea,2\n") == "active 1: None"
    assert "no record of file 1, shop/2024-01-01.csv (version 1): both count" in deliver("3,pot,3\n")
    assert deliver("3,pot,3\n4,pot,4\n") == "active 2: None"  # a correction of the newest
    assert deliver("1,tea,1\n2,tea,2.50\n") == "active 2: None"  # of the first
    assert deliver("3,pot,3.0\n4,pot,4\n").startswith("duplicate None: the same records as file 3")
    assert deliver("").startswith("active 1: it has no record of file 3")  # no sales, under a third key
    assert sorted(row[2] for row in inbox.rows()) == ["1", "2.50", "3", "4"]
    assert inbox.query("select delivery_key, version, status from ledger.files where version > 0 order by file_id") == [
        ("day=2024-01-01", 1, "superseded"),
        ("part=2 day=2024-01-01", 1, "superseded"),
        ("part=2 day=2024-01-01", 2, "active"),
        ("day=2024-01-01", 2, "active"),
        ("part=3 day=2024-01-01", 1, "active"),
    ]
    assert inbox.load().unchanged == 1
    inbox.deliver(name, HEADER + "1,tea,1\n2,tea,2.50\n")
    assert inbox.load().unchanged == 1
    report = run_verify(inbox.connection, [inbox.feed], inbox.folder, (), Listener())
    assert [verdict.status for verdict in report.verdicts] == ["changed", "equal", "changed"]
    assert "They are file 4, which counts beside this one" in (report.verdicts[0].message or "")


def test_a_key_that_looks_like_a_later_part_is_refused(inbox: Inbox) -> None:
    inbox.feed = make_feed(delivery_key="(?P<part>[0-9]+ .*)[.]csv", repeats=Repeats(on_unrelated_version="keep"))
    inbox.deliver("2 a.csv", NINE)
    [outcome] = inbox.load().outcomes
    assert (outcome.status, "part=2 a, begins like" in (outcome.message or "")) == ("refused", True)
    declare(inbox)


def test_a_file_that_shares_records_with_another_is_reported(inbox: Inbox) -> None:
    lines = [f"{number},tea,{number}.50\n" for number in range(40)]
    inbox.deliver("2024-01-01.csv", HEADER + "".join(lines[:10]))
    inbox.deliver("2024-01-02.csv", HEADER + "".join(lines[8:16]))
    inbox.deliver("2024-01-03.csv", HEADER + "".join(lines[15:25]))
    report = inbox.load()
    assert report.statuses == {"active": 3}
    assert list(report.overlaps) == ["shop/2024-01-02.csv"]
    assert report.overlaps["shop/2024-01-02.csv"].startswith("2 of its 8 records (25%) are in file 1 too")
    declare(inbox, max_shared_records=Decimal("0.05"))
    inbox.deliver("2024-01-04.csv", HEADER + "".join(lines[24:34]))
    assert (
        "1 of its 10 records (10%) are in file 3 too, shop/2024-01-03.csv"
        in inbox.load().overlaps["shop/2024-01-04.csv"]
    )


def test_verify_knows_files_saved_again_held_and_refused(inbox: Inbox) -> None:
    def verdicts() -> list[tuple[str, str]]:
        report = run_verify(inbox.connection, [inbox.feed], inbox.folder, [], Listener())
        return [(verdict.status, (verdict.message or "").partition("loaded. ")[2][:32]) for verdict in report.verdicts]

    inbox.deliver("2024-01-01.csv", TEN)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TEN.replace("\n", "\r\n"))
    inbox.load()
    assert verdicts() == [("equal", "")]
    inbox.deliver("2024-01-01.csv", TEN.replace(".50\n", ".5\n"))
    assert verdicts() == [("changed", "`warehouse load` takes them in.")]
    inbox.load()
    assert verdicts() == [("changed", "They are file 3, a duplicate: th")]
    inbox.deliver("2024-01-02.csv", NINE)
    inbox.load()
    inbox.deliver("2024-01-02.csv", TEN)
    inbox.load()
    assert verdicts()[1] == ("changed", "They are file 5, which is held. ")


# --- two feeds of one source --------------------------------------------------------------------------------------


def make_german(inbox: Inbox, **changes: Any) -> Feed:
    """Return a second feed of the source, whose files write the same sales in another way."""
    values = {"name": "german", "identifier": "shop__german", "location": "german/*.csv", "delimiter": ";"}
    return make_feed(**values | changes)


def load_both(inbox: Inbox, german: Feed, name: str, text: str) -> list[str]:
    path = inbox.folder / german.location.partition("/")[0] / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    report = run_load(inbox.connection, [inbox.feed, german], inbox.folder, Listener(), LoadOptions(settle_seconds=0))
    return [outcome.status for outcome in report.outcomes if outcome.feed == german.full_name]


def test_one_delivery_in_two_feeds_of_a_source_counts_once(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", NINE)
    german = make_german(inbox)
    assert load_both(inbox, german, "2024-01-01.csv", NINE.replace(",", ";")) == ["duplicate"]
    inbox.deliver("2024-01-02.csv", TEN)
    assert load_both(inbox, german, "2024-01-03.csv", TEN.replace(",", ";")) == ["held"]
    without_key = make_german(
        inbox, delivery_key=None, name="nameless", identifier="shop__nameless", location="nameless/*.csv"
    )
    assert load_both(inbox, without_key, "x.csv", TEN.replace(",", ";")) == ["duplicate"]


def test_a_correction_equal_to_the_file_of_another_feed_is_a_new_version(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,3\n")
    german, header = make_german(inbox), HEADER.replace(",", ";")
    assert load_both(inbox, german, "2024-01-01.csv", header + "1;tea;20\n") == ["active"]
    assert load_both(inbox, german, "2024-01-01.csv", header + "1;tea;3\n") == ["active"]
    assert inbox.query("select amount from raw.shop__german") == [("3",)]


def test_values_are_equal_when_staging_casts_them_alike(inbox: Inbox) -> None:
    english = HEADER + "".join(f"{number},tea,1{number:03}.50\n" for number in range(1, 13))
    as_german = HEADER.replace(",", ";") + "".join(f"{number};tea;1.{number:03},50\n" for number in range(1, 13))
    german = make_german(inbox)
    inbox.deliver("2024-01-01.csv", english)
    assert load_both(inbox, german, "2024-01-02.csv", as_german) == ["active"]  # nothing says that they are equal
    create = (
        "create view staging.stg_shop__{} as select _file_id, _row_number, order_no as order_id, product, "
        "{}::numeric(18, 4) as amount, _row_number::text as sales_line_id, amount as delivered_values, "
        "'accepted' as row_status from raw.shop__{}"
    )
    with inbox.connection, inbox.connection.cursor() as cursor:
        cursor.execute("create schema staging")
        cursor.execute(create.format("lines", "amount", "lines"))
        cursor.execute(create.format("german", "replace(replace(amount, '.', ''), ',', '.')", "german"))
    assert load_both(inbox, german, "2024-01-03.csv", as_german + "\n") == ["held"]
    assert load_both(inbox, german, "2024-01-04.csv", as_german.replace("1.012,50", "10.125,0")) == ["active"]
