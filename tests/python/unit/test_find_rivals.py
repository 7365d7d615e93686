"""New files of one delivery key and one time: none of them may win by its name."""

import bz2
import gzip
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.find_rivals import mark_rivals, refuse_rivals
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.outcome import FileRefused

DAY = r"(?P<business_date>\d{4}-\d{2}-\d{2})"
FEED = Feed("shop", "sales", "raw", "shop__sales", "**/*.csv", ("a",), delivery_key=DAY)
SECOND = 10**9


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path


def put(inbox: Path, uri: str, content: bytes = b"a\n1\n", seconds: int = 1) -> None:
    path = inbox / uri
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(seconds * SECOND, seconds * SECOND))


def put_archive(inbox: Path, uri: str, members: dict[str, tuple[int, bytes]], seconds: int = 1) -> None:
    with zipfile.ZipFile(inbox / uri, "w") as archive:
        for name, (hour, content) in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 5, 1, hour, 0, 0)), content)
    os.utime(inbox / uri, ns=(seconds * SECOND, seconds * SECOND))


def find(inbox: Path, feed: Feed = FEED, index: FileIndex | None = None) -> list[InboxFile]:
    return mark_rivals(find_files(inbox, [feed]).files, {feed.full_name: index or FileIndex([])})


def rivals(inbox: Path, feed: Feed = FEED, index: FileIndex | None = None) -> dict[str, tuple[str, ...]]:
    return {file.uri: file.rivals for file in find(inbox, feed, index) if file.rivals}


def test_one_key_and_time_with_other_content_are_rivals(inbox: Path) -> None:
    put(inbox, "x/2024-05-02.csv", b"a\n1\n")
    put(inbox, "y/2024-05-02.csv", b"a\n2\n")
    put(inbox, "y/2024-05-03.csv", b"a\n3\n")
    assert rivals(inbox) == {"x/2024-05-02.csv": ("y/2024-05-02.csv",), "y/2024-05-02.csv": ("x/2024-05-02.csv",)}
    first = find(inbox)[0]
    with pytest.raises(FileRefused, match=r"y/2024-05-02\.csv came with .*business_date=2024-05-02.*later time"):
        refuse_rivals(first)
    assert first.fingerprint != replace(first, rivals=()).fingerprint == FEED.fingerprint


def test_time_content_or_key_make_two_files_no_rivals(inbox: Path) -> None:
    put(inbox, "x/2024-05-02.csv", b"a\n1\n")
    put(inbox, "y/2024-05-02.csv", b"a\n2\n", seconds=2)
    put(inbox, "z/2024-05-02.csv", b"a\n1\n")
    put(inbox, "z/2024-05-02.csv.gz", gzip.compress(b"a\n1\n"))
    put(inbox, "z/2024-05-02.csv.bz2", bz2.compress(b"a\n1\n"))
    put(inbox, "z/no-key.csv", b"a\n7\n")
    put(inbox, "z/no-key-either.csv", b"a\n8\n")
    assert rivals(inbox) == {}


def test_two_spellings_of_a_path_are_rivals_without_a_key_too(inbox: Path) -> None:
    put(inbox, "K\u00f6ln.csv", b"a\n1\n")
    put(inbox, "Ko\u0308ln.csv", b"a\n2\n")
    feed = replace(FEED, delivery_key=None)
    assert set(rivals(inbox, feed)) == {"K\u00f6ln.csv", "Ko\u0308ln.csv"}


def test_members_are_ordered_by_their_own_time(inbox: Path) -> None:
    put_archive(inbox, "box.zip", {"x/2024-05-02.csv": (2, b"a\n1\n"), "y/2024-05-02.csv": (1, b"a\n2\n")})
    assert rivals(inbox) == {}
    put_archive(inbox, "box.zip", {"x/2024-05-02.csv": (2, b"a\n1\n"), "y/2024-05-02.csv": (2, b"a\n2\n")})
    assert set(rivals(inbox)) == {"box.zip!x/2024-05-02.csv", "box.zip!y/2024-05-02.csv"}


def test_a_file_and_a_member_of_one_time_are_rivals(inbox: Path) -> None:
    put_archive(inbox, "box.zip", {"2024-05-02.csv": (2, b"a\n1\n")})
    put(inbox, "2024-05-02.csv", b"a\n2\n")
    assert set(rivals(inbox)) == {"box.zip!2024-05-02.csv", "2024-05-02.csv"}


def test_a_damaged_or_missing_file_is_no_rival(inbox: Path) -> None:
    put(inbox, "x/2024-05-02.csv", b"a\n1\n")
    put(inbox, "y/2024-05-02.csv.gz", b"no gzip")
    put(inbox, "z/2024-05-02.csv", b"a\n3\n")
    found = find_files(inbox, [FEED]).files
    (inbox / "z/2024-05-02.csv").unlink()
    assert not any(file.rivals for file in mark_rivals(found, {FEED.full_name: FileIndex([])}))


def known(inbox: Path, uri: str, status: str, seconds: int, fingerprint: str = "") -> Entry:
    path = inbox / uri
    version = None if status == "refused" else 1
    return Entry(
        *(1, uri, hash_file(path), path.stat().st_size, seconds * SECOND, "business_date=2024-05-02"),
        *(version, status, fingerprint or FEED.fingerprint, 0, None),
    )


@pytest.mark.parametrize("seconds", [1, 7])  # unchanged on disk, or touched
def test_a_file_that_was_loaded_before_is_no_rival(inbox: Path, seconds: int) -> None:
    put(inbox, "x/2024-05-02.csv", b"a\n1\n")
    put(inbox, "y/2024-05-02.csv", b"a\n2\n")
    assert rivals(inbox, index=FileIndex([known(inbox, "x/2024-05-02.csv", "active", seconds)])) == {}


def test_a_file_that_was_refused_as_a_rival_still_is_one(inbox: Path) -> None:
    put(inbox, "x/2024-05-02.csv", b"a\n1\n")
    put(inbox, "y/2024-05-02.csv", b"a\n2\n")
    fingerprint = find(inbox)[0].fingerprint
    index = FileIndex([known(inbox, "x/2024-05-02.csv", "refused", 1, fingerprint)])
    assert len(rivals(inbox, index=index)) == 2


def test_files_of_other_times_are_never_opened(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sales_warehouse.load.inbox.find_rivals.ContentReader", None)
    for number in range(1, 5):
        put(inbox, f"{number}/2024-05-02.csv", b"%d" % number, seconds=number)
        put(inbox, f"{number}/2024-05-03.csv", b"%d" % number, seconds=number)
    assert rivals(inbox) == {}
