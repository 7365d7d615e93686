"""The decision about a file depends on its path, its content, its delivery key and the ledger only."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import CLOSED, Entry, FileIndex
from sales_warehouse.load.decide import Duplicate, New, Unchanged, decide, is_known_on_disk, needs_hash_first

FEED = Feed("shop", "sales", "raw", "shop__sales", "*.csv", ("a",), delivery_key=r"(?P<day>\d+)")
CHANGED_FEED = replace(FEED, columns=("a", "b"))


def found(uri: str, size: int = 10, mtime: int = 1, feed: Feed = FEED) -> InboxFile:
    return InboxFile(feed, Path("/inbox") / uri, uri, size, mtime)


def entry(
    file_id: int, uri: str, content: str, status: str = "active", version: int | None = 1, key: str | None = "day=1"
) -> Entry:
    taken_in = status in ("active", "superseded", "unloaded")
    return Entry(file_id, uri, content, 10, 1, key, version if taken_in else None, status, FEED.fingerprint, 0, None)


# --- by size and time


def test_a_file_of_the_same_size_and_time_is_known_without_being_read() -> None:
    known = entry(1, "1.csv", "A")
    assert is_known_on_disk(found("1.csv"), FileIndex([known])) == Unchanged(known)


@pytest.mark.parametrize("file", [found("1.csv", size=11), found("1.csv", mtime=2), found("2.csv")])
def test_a_file_of_another_size_time_or_path_must_be_read(file: InboxFile) -> None:
    assert is_known_on_disk(file, FileIndex([entry(1, "1.csv", "A")])) is None


def test_stat_is_compared_with_the_latest_entry_of_the_path() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), replace(entry(2, "1.csv", "B", version=2), mtime_ns=5)])
    assert is_known_on_disk(found("1.csv", mtime=1), known_files) is None
    assert is_known_on_disk(found("1.csv", mtime=5), known_files) is not None


@pytest.mark.parametrize("status", ["active", "superseded", "unloaded", "duplicate", "held", "refused"])
def test_an_untouched_file_is_unchanged_in_every_status(status: str) -> None:
    known = entry(1, "1.csv", "A", status)
    assert is_known_on_disk(found("1.csv"), FileIndex([known])) == Unchanged(known)
    assert decide(found("1.csv"), "A", FileIndex([known])) == Unchanged(known)


def test_only_a_size_in_the_ledger_requires_a_hash_before_the_load() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A")])
    assert needs_hash_first(found("9.csv", size=10), known_files)
    assert not needs_hash_first(found("9.csv", size=11), known_files)
    assert not needs_hash_first(found("9.csv"), FileIndex([]))


# --- by content


def test_unknown_content_is_new() -> None:
    assert decide(found("1.csv"), "A", FileIndex([])) == New()
    assert decide(found("1.csv"), "B", FileIndex([entry(1, "1.csv", "A")])) == New()


def test_a_touched_file_of_the_same_content_is_unchanged() -> None:
    known = entry(1, "1.csv", "A")
    assert decide(found("1.csv", mtime=99), "A", FileIndex([known])) == Unchanged(known)


def test_known_content_under_another_name_is_a_duplicate_of_the_first() -> None:
    known = entry(1, "1.csv", "A")
    assert decide(found("copy of 1.csv"), "A", FileIndex([known])) == Duplicate(known)


def test_a_third_delivery_is_a_duplicate_of_the_loaded_file() -> None:
    known = entry(1, "1.csv", "A")
    known_files = FileIndex([known, entry(2, "1 b.csv", "A", "duplicate")])
    assert decide(found("1 c.csv"), "A", known_files) == Duplicate(known)


def test_known_content_under_another_declared_key_is_read() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A")])
    assert decide(found("2.csv"), "A", known_files) == New()
    assert decide(found("nameless.csv"), "A", known_files) == New()  # it is refused


def test_without_a_declared_key_known_content_is_a_duplicate() -> None:
    known = entry(1, "1.csv", "A", key="1.csv")
    without_key = replace(FEED, delivery_key=None)
    assert decide(found("2.csv", feed=without_key), "A", FileIndex([known])) == Duplicate(known)


def test_a_path_that_goes_back_to_an_older_content_is_a_new_version() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), entry(2, "1.csv", "B", version=2)])
    assert decide(found("1.csv"), "A", known_files) == New()


def test_a_path_may_alternate_between_contents() -> None:
    known_files = FileIndex([])
    for number, content in enumerate("ABABAB", 1):
        assert decide(found("1.csv"), content, known_files) == New()
        known_files.add(entry(number, "1.csv", content, version=known_files.next_version("day=1")))
    assert known_files.next_version("day=1") == 7


def test_older_content_under_another_path_is_a_late_duplicate() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), entry(2, "1.csv", "B", version=2)])
    decision = decide(found("late/1.csv"), "A", known_files)
    assert isinstance(decision, Duplicate)
    assert (decision.of.file_id, decision.of.status) == (1, "superseded")


def test_unloaded_content_that_arrives_again_stays_out() -> None:
    known = entry(1, "1.csv", "A", "unloaded")
    assert decide(found("again 1.csv"), "A", FileIndex([known])) == Duplicate(known)
    assert decide(found("1.csv", mtime=9), "A", FileIndex([known])) == Unchanged(known)


def test_content_loaded_twice_is_a_duplicate_of_the_active_file() -> None:
    known_files = FileIndex(
        [entry(1, "1.csv", "A"), entry(2, "1.csv", "B", version=2), entry(3, "1.csv", "A", version=3)]
    )
    decision = decide(found("copy 1.csv"), "A", known_files)
    assert isinstance(decision, Duplicate)
    assert decision.of.file_id == 3


def test_the_active_file_of_a_content_takes_precedence() -> None:
    active = entry(1, "1.csv", "A")
    assert FileIndex([active, entry(2, "2.csv", "A", "superseded", key="day=2")]).find_loaded("A") == active
    unloaded = entry(2, "2.csv", "A", "unloaded", key="day=2")
    assert FileIndex([entry(1, "1.csv", "A", "superseded"), unloaded]).find_loaded("A") == unloaded


# --- refused files


def test_a_refused_file_stays_refused_until_the_declaration_changes() -> None:
    known = entry(1, "1.csv", "A", "refused")
    known_files = FileIndex([known])
    assert is_known_on_disk(found("1.csv"), known_files) == Unchanged(known)
    assert decide(found("1.csv", mtime=9), "A", known_files) == Unchanged(known)
    assert is_known_on_disk(found("1.csv", feed=CHANGED_FEED), known_files) is None
    assert decide(found("1.csv", feed=CHANGED_FEED), "A", known_files) == New()


def test_a_held_file_is_judged_again_when_the_declaration_changes() -> None:
    known = entry(1, "1.csv", "A", "held")
    assert is_known_on_disk(found("1.csv"), FileIndex([known])) == Unchanged(known)
    assert is_known_on_disk(found("1.csv", feed=CHANGED_FEED), FileIndex([known])) is None


def test_a_file_that_a_person_refused_is_not_tried_again() -> None:
    known = replace(entry(1, "1.csv", "A", "refused"), declaration_sha256=CLOSED)
    assert is_known_on_disk(found("1.csv", feed=CHANGED_FEED), FileIndex([known])) == Unchanged(known)


def test_a_loaded_file_is_not_read_again_when_the_declaration_changes() -> None:
    known = entry(1, "1.csv", "A")
    assert is_known_on_disk(found("1.csv", feed=CHANGED_FEED), FileIndex([known])) == Unchanged(known)


def test_refused_content_may_be_delivered_again_under_another_path() -> None:
    assert decide(found("2.csv"), "A", FileIndex([entry(1, "1.csv", "A", "refused")])) == New()


def test_a_refused_correction_leaves_the_earlier_version_active() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), entry(2, "1.csv", "B", "refused")])
    active = known_files.active("day=1")
    assert active is not None
    assert active.file_id == 1


# --- the ledger


def test_a_new_version_supersedes_the_one_before_within_one_run() -> None:
    known_files = FileIndex([])
    known_files.add(entry(1, "1.csv", "A"))
    known_files.add(entry(2, "other/1.csv", "B", version=known_files.next_version("day=1")))
    first, second = known_files.latest_at("1.csv"), known_files.active("day=1")
    assert first is not None
    assert second is not None
    assert (first.status, second.file_id, second.version) == ("superseded", 2, 2)


def test_versions_are_counted_by_delivery_key() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), entry(2, "2.csv", "B", key="day=2")])
    assert known_files.next_version("day=1") == known_files.next_version("day=2") == 2
    assert known_files.next_version("day=3") == 1


@pytest.mark.parametrize("status", ["duplicate", "refused"])
def test_files_not_loaded_use_no_version_number(status: str) -> None:
    known_files = FileIndex([entry(1, "1.csv", "A"), entry(2, "2.csv", "B", status)])
    assert known_files.next_version("day=1") == 2


@pytest.mark.parametrize("status", ["superseded", "unloaded"])
def test_a_version_number_is_never_reused(status: str) -> None:
    assert FileIndex([entry(1, "1.csv", "A", status)]).next_version("day=1") == 2


def test_a_key_without_an_active_version_has_none() -> None:
    assert FileIndex([entry(1, "1.csv", "A", "unloaded")]).active("day=1") is None
    assert FileIndex([]).active("day=1") is None


def test_an_unchanged_file_keeps_its_entry_and_takes_the_new_time() -> None:
    known_files = FileIndex([entry(1, "1.csv", "A")])
    known_files.add(replace(entry(1, "1.csv", "A"), mtime_ns=77))
    assert is_known_on_disk(found("1.csv", mtime=77), known_files) is not None
    assert known_files.next_version("day=1") == 2


def test_only_a_path_that_held_a_content_counts_as_its_path() -> None:
    known_files = FileIndex(
        [entry(1, "1.csv", "A"), entry(2, "1.csv", "B", version=2), entry(3, "2.csv", "A", "duplicate")]
    )
    assert known_files.was_at("1.csv", "A")
    assert known_files.was_at("2.csv", "A")
    assert not known_files.was_at("2.csv", "B")
    assert not known_files.was_at("3.csv", "A")


DELIVERIES = st.lists(st.tuples(st.sampled_from(["1.csv", "x/1.csv", "2.csv"]), st.sampled_from("ABC")), max_size=12)


@given(DELIVERIES)
@settings(deadline=None)
def test_no_key_is_ever_active_twice(deliveries: list[tuple[str, str]]) -> None:
    known_files = FileIndex([])
    entries: list[Entry] = []
    for number, (uri, content) in enumerate(deliveries, 1):
        key = FEED.delivery_key_of(uri)
        assert key is not None
        decision = decide(found(uri), content, known_files)
        if isinstance(decision, Unchanged):
            assert decision.entry.uri == uri
            assert decision.entry.sha256 == content
            continue
        if isinstance(decision, Duplicate):
            assert decision.of.sha256 == content
            new = entry(number, uri, content, "duplicate", key=key)
        else:
            new = entry(number, uri, content, version=known_files.next_version(key), key=key)
            entries = [replace(e, status="superseded") if e.delivery_key == key and e.status == "active" else e
                       for e in entries]  # fmt: skip
        entries.append(new)
        known_files.add(new)
        active = [e for e in entries if e.status == "active"]
        assert len({e.delivery_key for e in active}) == len(active)
        versions = [(e.delivery_key, e.version) for e in entries if e.version is not None]
        assert len(set(versions)) == len(versions)
        # the index updated on the way is equal to one read from the ledger
        reread = FileIndex(entries)
        for e in active:
            assert known_files.active(e.delivery_key or "") == reread.active(e.delivery_key or "") == e
        # the same file again is unchanged
        assert isinstance(decide(found(uri), content, known_files), Unchanged)
