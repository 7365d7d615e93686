"""Which files of the inbox belong to which feed, and in which order they are loaded."""

import errno
import hashlib
import inspect
import os
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Dialect, Feed, RecordTypes, Workbook
from sales_warehouse.load.inbox import find_files as search
from sales_warehouse.load.inbox.find_files import Found, find_files
from sales_warehouse.load.inbox.open_file import hash_file


def feed(location: str, name: str = "sales") -> Feed:
    return Feed("shop", name, "raw", f"shop__{name}", location, ("a",))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path


def put(inbox: Path, *uris: str, mtime: int | None = None) -> None:
    for uri in uris:
        path = inbox / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a\n1\n")
        if mtime is not None:
            os.utime(path, ns=(mtime, mtime))


def uris(found: Found) -> list[str]:
    return [file.uri for file in found.files]


@pytest.mark.parametrize(
    ("location", "fits", "unmatched"),
    [
        ("a.csv", ["a.csv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zst"], ["b.csv", "x/a.csv", "a.csv.Z", "acsv"]),
        ("shop/*.csv", ["shop/a.csv", "shop/b c.csv.gz"], ["a.csv", "shop/x/a.csv", "shop/a.csvx", "xshop/a.csv"]),
        ("shop/**/*.csv", ["shop/a.csv", "shop/x/a.csv", "shop/x/y/z/a.csv.gz"], ["a.csv", "other/a.csv"]),
        ("**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv"], ["a.txt", "x/a.txt"]),
        ("*/daily/*.csv", ["x/daily/a.csv"], ["daily/a.csv", "x/y/daily/a.csv"]),
        ("shop/20??.csv", ["shop/2024.csv", "shop/20ab.csv.gz"], ["shop/24.csv", "shop/20245.csv"]),
        ("shop/[a+(b).csv", ["shop/[a+(b).csv"], ["shop/a.csv", "shop/aab.csv"]),
        ("shop/*.csv.gz", ["shop/a.csv.gz"], ["shop/a.csv"]),
        ("shop/*", ["shop/a.csv", "shop/b"], ["shop/x/a.csv"]),
        ("*.csv", ["A.CSV", "b.Csv.GZ", "c.csv.Zst"], ["a.txt"]),
        ("A*.CSV.gz", ["A.csv.GZ"], ["a.csv.gz"]),
        ("Shop/*.csv", ["Shop/a.csv"], ["shop/a.csv"]),
        ("caf\u00e9/*.csv", ["cafe\u0301/a.csv", "caf\u00e9/b.csv"], ["cafe/a.csv"]),
        ("cafe\u0301/?.csv", ["caf\u00e9/e\u0301.csv"], []),
    ],
)  # fmt: skip
def test_a_location_matches_its_pattern(inbox: Path, location: str, fits: list[str], unmatched: list[str]) -> None:
    put(inbox, *fits, *unmatched)
    found = find_files(inbox, [feed(location)])
    assert sorted(uris(found)) == sorted(fits)
    assert found.unmatched == sorted(unmatched)


def test_two_stars_at_the_end_match_all_folders(inbox: Path) -> None:
    put(inbox, "shop/a.csv", "shop/x/y/b.csv")
    assert sorted(uris(find_files(inbox, [feed("shop/**")]))) == ["shop/a.csv", "shop/x/y/b.csv"]


def test_a_file_is_described_by_path_size_and_time(inbox: Path) -> None:
    put(inbox, "shop/x/a.csv", mtime=1_700_000_000_123_456_789)
    (file,) = find_files(inbox, [feed("shop/**/*.csv")]).files
    assert (file.uri, file.path, file.size_bytes) == ("shop/x/a.csv", inbox / "shop/x/a.csv", 4)
    assert file.mtime_ns == (inbox / "shop/x/a.csv").stat().st_mtime_ns
    assert file.feed == feed("shop/**/*.csv")


def test_files_are_sorted_by_time_and_then_by_path(inbox: Path) -> None:
    second = 1_000_000_000
    put(inbox, "c.csv", mtime=1 * second)
    put(inbox, "b.csv", "x/a.csv", "a.csv", mtime=2 * second)
    put(inbox, "0.csv", mtime=3 * second)
    assert uris(find_files(inbox, [feed("**/*.csv")])) == ["c.csv", "a.csv", "b.csv", "x/a.csv", "0.csv"]


def test_files_of_several_feeds_come_in_one_order(inbox: Path) -> None:
    put(inbox, "b/1.csv", mtime=10**9)
    put(inbox, "a/1.csv", mtime=2 * 10**9)
    found = find_files(inbox, [feed("a/*.csv", "a"), feed("b/*.csv", "b")])
    assert [(file.feed.name, file.uri) for file in found.files] == [("b", "b/1.csv"), ("a", "a/1.csv")]


def test_symbolic_links_are_reported_and_not_followed(inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere, "secret.csv")
    put(inbox, "shop/a.csv")
    (inbox / "shop" / "link.csv").symlink_to(elsewhere / "secret.csv")
    (inbox / "shop" / "folder").symlink_to(elsewhere)
    (inbox / "shop" / "loop").symlink_to(inbox)
    (inbox / "shop" / "dangling.csv").symlink_to("nowhere")
    found = find_files(inbox, [feed("**/*.csv")])
    assert uris(found) == ["shop/a.csv"]
    told = {unreadable.uri: unreadable.message for unreadable in found.unreadable}
    assert list(told) == [f"shop/{name}" for name in ("dangling.csv", "folder", "link.csv", "loop")]
    assert "Put the file itself there, or a hard link to it." in told["shop/link.csv"]
    assert "name its target with --inbox" in told["shop/folder"]
    assert found.unmatched == []


def test_links_where_no_feed_looks_are_unmatched(inbox: Path) -> None:
    put(inbox, "real/a.csv")
    (inbox / "note.txt").symlink_to(inbox / "real" / "a.csv")
    (inbox / "other").symlink_to(inbox / "real")
    (inbox / "real" / "deeper").symlink_to(inbox / "real")
    found = find_files(inbox, [feed("real/*.csv")])
    assert uris(found) == ["real/a.csv"]
    assert found.unmatched == [f"{name} (a symbolic link)" for name in ("note.txt", "other", "real/deeper")]
    assert found.unreadable == []


@pytest.mark.parametrize(
    ("location", "link", "needs_a_person"),
    [
        ("shop/*.csv", "shop", True),
        ("shop/*.csv", "shops", False),
        ("*/*/a.csv", "shop", True),
        ("*/2024/*.csv", "shop/2024", True),
        ("*/2024/*.csv", "shop/2023", False),
        ("shop/*.csv", "shop/2024", False),
        ("shop/**/*.csv", "shop/2024", True),
        ("shop/**", "shop/2024", True),
        ("*.csv", "shop", False),
        ("shop/*.csv", "shop/box.zip", True),
        ("shop/*.csv", "shop/a.csv.gz", True),
    ],
)
def test_a_linked_folder_or_archive_in_a_location_needs_a_person(
    inbox: Path, tmp_path_factory: pytest.TempPathFactory, location: str, link: str, needs_a_person: bool
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put(elsewhere, "a.csv")
    (inbox / link).parent.mkdir(exist_ok=True)
    (inbox / link).symlink_to(elsewhere)
    one, other = feed(location), replace(feed("nowhere/*"), name="other")
    found = find_files(inbox, [one, other])
    assert [(it.uri, it.feed) for it in found.unreadable] == ([(link, one.full_name)] if needs_a_person else [])
    assert len(found.unmatched) == (not needs_a_person)
    assert find_files(inbox, [one, other], only=other).unreadable == []


def test_the_inbox_itself_may_be_a_link(inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    put(inbox, "a.csv")
    link = tmp_path_factory.mktemp("links") / "inbox"
    link.symlink_to(inbox)
    assert uris(find_files(link, [feed("*.csv")])) == ["a.csv"]


def test_a_folder_named_like_a_file_is_searched(inbox: Path) -> None:
    put(inbox, "day.csv/a.csv")
    assert uris(find_files(inbox, [feed("*.csv")])) == []
    assert uris(find_files(inbox, [feed("**/*.csv")])) == ["day.csv/a.csv"]


def test_a_pipe_or_socket_is_reported_and_never_opened(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(inbox / "a.csv")
    os.mkfifo(inbox / "a.zip")
    os.mkfifo(inbox / "note.txt")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(inbox)  # the path of a socket must be short
        server.bind("b.csv")
        found = find_files(inbox, [feed("*.csv")])
    assert uris(found) == []
    assert [(it.uri, it.message.partition(";")[0]) for it in found.unreadable] == [
        ("a.csv", "is a named pipe and no file"),
        ("a.zip", "is a named pipe and no file"),
        ("b.csv", "is a socket and no file"),
    ]
    assert found.unmatched == ["note.txt (a named pipe)"]


def test_a_file_of_two_feeds_is_refused_with_both_names(inbox: Path) -> None:
    put(inbox, "shop/a.csv")
    both = [feed("shop/*.csv", "one"), feed("**/a.csv", "two")]
    for only in (None, *both):
        with pytest.raises(ConfigurationError, match=r"shop/a\.csv fits the location of shop\.one and shop\.two"):
            find_files(inbox, both, only)


def test_a_file_of_several_record_types_may_be_of_several_feeds(inbox: Path) -> None:
    put(inbox, "a.csv")
    typed = Dialect(record_types=RecordTypes("^D"))
    both = [replace(feed("*.csv", name), dialect=typed) for name in ("one", "two")]
    assert [(it.uri, it.feed.name) for it in find_files(inbox, both).files] == [("a.csv", "one"), ("a.csv", "two")]
    assert [it.feed.name for it in find_files(inbox, both, both[1]).files] == ["two"]
    with pytest.raises(ConfigurationError, match="or declare record_types in both feeds"):
        find_files(inbox, [both[0], feed("a.csv", "two")])


@pytest.mark.parametrize(
    ("one", "two", "may"),
    [("Orders", "Returns", True), (1, 2, True), ("Orders", "orders", False), (1, 1, False), (1, "Orders", False)],
)
def test_a_workbook_may_be_of_several_feeds_with_a_sheet_each(
    inbox: Path, one: str | int, two: str | int, may: bool
) -> None:
    put(inbox, "a.xlsx")
    feeds = [
        replace(feed("*.xlsx", str(number)), file_format="xlsx", workbook=Workbook(sheet=sheet))
        for number, sheet in enumerate((one, two))
    ]
    if may:
        assert [it.feed.name for it in find_files(inbox, feeds).files] == ["0", "1"]
        feeds[1] = replace(feeds[1], file_format="csv")
    with pytest.raises(ConfigurationError, match="or of a workbook another sheet in each"):
        find_files(inbox, feeds)


def test_files_of_other_feeds_are_skipped_and_not_unmatched(inbox: Path) -> None:
    put(inbox, "a/1.csv", "b/1.csv", "c/1.csv")
    feeds = [feed("a/*.csv", "a"), feed("b/*.csv", "b")]
    found = find_files(inbox, feeds, feeds[1])
    assert uris(found) == ["b/1.csv"]
    assert found.unmatched == ["c/1.csv"]


@pytest.mark.parametrize("make", [lambda path: None, Path.touch])
def test_an_inbox_that_is_no_folder_is_refused_with_a_remedy(inbox: Path, make: object) -> None:
    missing = inbox / "missing"
    make(missing)  # type: ignore[operator]
    with pytest.raises(ConfigurationError, match=r"missing is no directory\. Make it, or name another with --inbox"):
        find_files(missing, [feed("*.csv")])


def test_an_empty_inbox_holds_nothing(inbox: Path) -> None:
    assert find_files(inbox, [feed("*.csv")]) == Found()


def test_a_name_may_contain_a_line_end(inbox: Path) -> None:
    put(inbox, "shop/a\nb.csv")
    assert uris(find_files(inbox, [feed("shop/*.csv")])) == ["shop/a\nb.csv"]


def test_a_name_that_is_no_utf8_is_found_and_written_with_escapes(inbox: Path) -> None:
    path = os.fsencode(inbox) + b"/caf\xe9.csv"
    with open(path, "wb") as target:  # noqa: PTH123 - pathlib takes no bytes
        target.write(b"a\n")
    (file,) = find_files(inbox, [feed("*.csv")]).files
    assert file.uri == r"caf\xe9.csv"
    assert file.uri.encode()
    assert file.path.read_bytes() == b"a\n"


def test_a_name_in_utf8_stays_as_it_is(inbox: Path) -> None:
    put(inbox, "café/日.csv")
    assert uris(find_files(inbox, [feed("**/*.csv")])) == ["café/日.csv"]


def test_a_file_that_grows_or_disappears_counts_as_changed(inbox: Path) -> None:
    put(inbox, "a.csv", mtime=10**9)
    (file,) = find_files(inbox, [feed("*.csv")]).files
    assert file.is_unchanged_on_disk()
    os.utime(file.path, ns=(2 * 10**9, 2 * 10**9))
    assert not file.is_unchanged_on_disk()
    file.path.write_bytes(b"longer than before")
    os.utime(file.path, ns=(10**9, 10**9))
    assert not file.is_unchanged_on_disk()
    file.path.unlink()
    assert not file.is_unchanged_on_disk()


def test_a_location_with_many_stars_is_matched_quickly(inbox: Path) -> None:
    put(inbox, "a" * 200 + ".csv")
    assert uris(find_files(inbox, [feed("*a*a*.txt")])) == []


# --- archives -----------------------------------------------------------------------------------------------------


def put_archive(inbox: Path, uri: str, *members: str, mtime: int = 10**9) -> Path:
    path = inbox / uri
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"" if member.endswith("/") else b"a\n1\n")
    os.utime(path, ns=(mtime, mtime))
    return path


@pytest.mark.parametrize(
    ("location", "fits", "unmatched"),
    [
        ("shop/*.csv", ["a.csv", "b.csv.gz"], ["a.txt", "x/a.csv"]),
        ("shop/**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv.zst"], ["a.txt"]),
        ("**/*.csv", ["a.csv", "x/a.csv"], ["a.txt"]),
        ("shop/may/*.csv", ["may/a.csv"], ["a.csv", "june/a.csv"]),
    ],
)
def test_a_member_fits_a_location_as_if_the_archive_were_its_folder(
    inbox: Path, location: str, fits: list[str], unmatched: list[str]
) -> None:
    path = put_archive(inbox, "shop/box.zip", *fits, *unmatched)
    found = find_files(inbox, [feed(location)])
    assert uris(found) == sorted(f"shop/box.zip!{name}" for name in fits)
    assert found.unmatched == sorted(f"shop/box.zip!{name}" for name in unmatched)
    for file in found.files:
        assert (file.path, file.size_bytes, file.mtime_ns, file.archive_bytes) == (path, 4, 10**9, path.stat().st_size)


def test_an_archive_in_the_inbox_itself_has_members_there(inbox: Path) -> None:
    put_archive(inbox, "box.zip", "a.csv", "x/a.csv")
    assert uris(find_files(inbox, [feed("*.csv")])) == ["box.zip!a.csv"]


LEFT_BEHIND = [
    *("~$prices.xlsx", ".~lock.a.xlsx#", "._a.csv", ".DS_Store", "Thumbs.db", "DESKTOP.INI", "ehthumbs.db"),
    *("a.csv.part", "a.csv.crdownload", "a.csv.tmp", "a.csv.filepart", "a.csv.partial", "A.CSV.PART", "a.csv.!qB"),
    *(".a.csv.Xy12Za", ".syncthing.a.csv.tmp", "~syncthing~a.csv.tmp", "a.csv~", "#a.csv#", ".a.csv.swp", "_SUCCESS"),
    *("._.csv", ".csv", "~$.csv", ".in.a.csv."),
]


@pytest.mark.parametrize("location", ["shop/**", "shop/*.csv"])
@pytest.mark.parametrize("in_archive", [False, True])
def test_what_programs_leave_behind_is_passed_over(inbox: Path, location: str, in_archive: bool) -> None:
    names = [*LEFT_BEHIND, "a.csv", "part.csv", "tmp.csv", "~a.csv", "_a.csv", "a.part.csv", "#1.csv"]
    if in_archive:
        put_archive(inbox, "shop/box.zip", *names)
    else:
        put(inbox, *(f"shop/{name}" for name in names))
    found = find_files(inbox, [feed(location)])
    folder = "shop/box.zip!" if in_archive else "shop/"
    assert sorted(uris(found)) == sorted(folder + name for name in names if name not in LEFT_BEHIND)
    assert found.passed_over == sorted(folder + name for name in LEFT_BEHIND)
    assert (found.unmatched, found.unreadable) == ([], [])


def test_a_folder_that_tools_leave_behind_is_named_once(inbox: Path) -> None:
    put(inbox, "shop/.git/x/a.csv", "shop/.git/b.csv", "@eaDir/a.csv", "a.csv")
    put_archive(inbox, "box.zip", "x/", "b.csv", "__MACOSX/._a.csv", "__MACOSX/x/a.csv", "x/.git/a.csv")
    found = find_files(inbox, [feed("**/*.csv")])
    assert sorted(uris(found)) == ["a.csv", "box.zip!b.csv"]
    assert found.passed_over == ["@eaDir/", "box.zip!__MACOSX/", "box.zip!x/.git/", "shop/.git/"]
    assert (found.unmatched, found.unreadable) == ([], [])


def test_a_location_may_name_what_is_passed_over_elsewhere(inbox: Path) -> None:
    put(inbox, "shop/a.tmp", "shop/.export/a.csv", "shop/b.part")
    found = find_files(inbox, [feed("shop/*.tmp", "one"), feed("shop/.export/*.csv", "two")])
    assert sorted(uris(found)) == ["shop/.export/a.csv", "shop/a.tmp"]
    assert found.passed_over == ["shop/b.part"]


def test_a_dangling_link_of_an_editor_is_passed_over(inbox: Path) -> None:
    (inbox / ".#a.csv").symlink_to("someone@somewhere.1234")
    found = find_files(inbox, [feed("*.csv")])
    assert (found.passed_over, found.unreadable) == ([".#a.csv"], [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../a.csv", "../a.csv"),
        ("/etc/a.csv", "/etc/a.csv"),
        ("x/../../a.csv", "../a.csv"),
        ("./../a.csv", "../a.csv"),
        ("..", ".."),
        ("C:/a.csv", "C:/a.csv"),
        ("c:a.csv", "c:a.csv"),
        ("..\\a.csv", "../a.csv"),
        ("\\\\server\\share\\a.csv", "/server/share/a.csv"),
    ],
)
def test_a_member_outside_its_archive_is_reported_and_never_loaded(inbox: Path, name: str, shown: str) -> None:
    put_archive(inbox, "shop/box.zip", name, "good.csv")
    found = find_files(inbox, [feed("**")])
    assert uris(found) == ["shop/box.zip!good.csv"]
    (unreadable,) = found.unreadable
    assert (unreadable.uri, unreadable.feed) == (f"shop/box.zip!{shown}", "shop.sales")
    assert "leads out of the archive" in unreadable.message
    assert find_files(inbox, [feed("elsewhere/*")]).unmatched == sorted(
        ["shop/box.zip!good.csv", f"shop/box.zip!{shown} (its name leads out of the archive)"]
    )


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("x\\a.csv", "x/a.csv"),
        ("x//a.csv", "x/a.csv"),
        ("./a.csv", "a.csv"),
        (".\\x\\.\\a.csv", "x/a.csv"),
        ("x/../a.csv", "a.csv"),
        ("x/y/../../z/a.csv", "z/a.csv"),
        ("12:30.csv", "12:30.csv"),
        ("..a.csv", None),  # hidden
    ],
)
def test_a_member_inside_its_archive_is_found_and_read(inbox: Path, name: str, member: str | None) -> None:
    put_archive(inbox, "shop/box.zip", name)
    found = find_files(inbox, [feed("shop/**/*.csv")])
    assert [file.member for file in found.files] == ([member] if member else [])
    for file in found.files:
        assert hash_file(file.path, file.member) == hashlib.sha256(b"a\n1\n").hexdigest()


def test_two_spellings_of_one_member_count_as_its_name_twice(inbox: Path) -> None:
    put_archive(inbox, "box.zip", "x\\a.csv", "x/a.csv", "./b.csv")
    found = find_files(inbox, [feed("**/*.csv")])
    assert uris(found) == ["box.zip!b.csv"]
    assert [(it.uri, "twice" in it.message) for it in found.unreadable] == [("box.zip!x/a.csv", True)]


def test_members_are_in_the_order_of_their_own_times(inbox: Path) -> None:
    second = 10**9
    for uri, mtime, hours in (("b.zip", 2, (3, 1, 2)), ("a.zip", 3, (1, 1, 1)), ("c.ZIP", 1, (9, 9, 8))):
        with zipfile.ZipFile(inbox / uri, "w") as archive:
            for name, hour in zip("xyz", hours, strict=True):
                archive.writestr(zipfile.ZipInfo(f"{name}.csv", (2024, 5, 1, hour, 0, 0)), b"a\n1\n")
        os.utime(inbox / uri, ns=(mtime * second, mtime * second))
    found = find_files(inbox, [feed("*.csv")])
    assert [f"{uri[0]}{uri[6]}" for uri in uris(found)] == ["cz", "cx", "cy", "by", "bz", "bx", "ax", "ay", "az"]


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_a_folder_listing_changes_nothing(random: Random) -> None:
    with TemporaryDirectory() as folder:
        inbox = Path(folder)
        put(inbox, "a.csv", "b/a.csv", "b/.x", "e\u0301.csv", "\u00e9.csv", "note.txt", mtime=10**9)
        put_archive(inbox, "box.zip", "a.csv", "z.csv", ".hidden", "../out.csv", mtime=10**9)
        feeds = [feed("**/*.csv")]
        expected = find_files(inbox, feeds)
        one = search._Search(feeds, None)
        entries = list(search._walk(inbox, one.add_unreadable))
        random.shuffle(entries)
        for entry, relative in entries:
            one.add(entry, relative)
        assert one.finish() == expected


def test_encrypted_and_repeated_members_are_reported(inbox: Path) -> None:
    path = put_archive(inbox, "box.zip", "a.csv", "b.csv", "c.csv")
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02", 0, content.index(b"a.csv", content.index(b"PK\x01\x02"))) + 8] |= 1
    path.write_bytes(content.replace(b"c.csv", b"b.csv"))
    found = find_files(inbox, [feed("*.csv")])
    assert uris(found) == []
    assert [(it.uri, it.message.split(": ")[1].split(".")[0]) for it in found.unreadable] == [
        ("box.zip!a.csv", "it is encrypted"),
        ("box.zip!b.csv", "its name is in the archive twice"),
    ]


def test_an_archive_inside_an_archive_is_reported(inbox: Path) -> None:
    put_archive(inbox, "box.zip", "inner.zip", "x.tar.gz")
    assert find_files(inbox, [feed("**")]).unmatched == [
        "box.zip!inner.zip (an archive inside an archive)",
        "box.zip!x.tar.gz (an archive inside an archive)",
    ]


@pytest.mark.parametrize("content", [b"", b"PK", b"a\n1\n", b"PK\x05\x06" + b"\xff" * 18])
def test_an_archive_without_a_list_belongs_to_the_feed_of_its_folder(inbox: Path, content: bytes) -> None:
    (inbox / "shop").mkdir()
    (inbox / "shop" / "box.zip").write_bytes(content)
    other = feed("other/*.csv", "other")
    (file,) = find_files(inbox, [feed("shop/*.csv"), other]).files
    assert (file.uri, file.feed.name, file.member) == ("shop/box.zip", "sales", None)
    assert find_files(inbox, [feed("shop/*.csv"), other], other).files == []
    for feeds in ([other], [feed("shop/*.csv"), feed("shop/*.txt", "texts")]):
        (unreadable,) = find_files(inbox, feeds).unreadable
        assert unreadable.uri == "shop/box.zip"
        assert "cannot be opened as a zip archive" in unreadable.message


def test_a_file_named_like_a_member_matches_no_feed(inbox: Path) -> None:
    put(inbox, "box.zip!a.csv")
    assert find_files(inbox, [feed("*.csv")]).unmatched == ["box.zip!a.csv (named like a member of an archive)"]


def test_a_member_changes_with_its_archive(inbox: Path) -> None:
    path = put_archive(inbox, "box.zip", "a.csv")
    (file,) = find_files(inbox, [feed("*.csv")]).files
    assert file.is_unchanged_on_disk()
    put_archive(inbox, "box.zip", "a.csv", "b.csv")
    assert not file.is_unchanged_on_disk()
    path.unlink()
    assert not file.is_unchanged_on_disk()


def test_folders_nested_deeper_than_python_recurses_are_searched(inbox: Path) -> None:
    put(inbox, "d/" * 150 + "a.csv")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = find_files(inbox, [feed("**/a.csv")])
    finally:
        sys.setrecursionlimit(limit)
    assert uris(found) == ["d/" * 150 + "a.csv"]


def test_an_entry_that_cannot_be_looked_at_leaves_the_others(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(inbox, "shop/a.csv", "shop/b.csv", "locked/c.csv")
    real_stat, real_scan = search.mtime_ns_of, os.scandir

    def scandir(folder: str | Path) -> object:
        if str(folder).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_scan(folder)

    def mtime_ns_of(found: os.stat_result) -> int:
        if found.st_ino == (inbox / "shop" / "a.csv").stat().st_ino:
            raise ValueError("a defect")
        return real_stat(found)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(search, "mtime_ns_of", mtime_ns_of)
    monkeypatch.setenv("WAREHOUSE_HOME", str(inbox / "home"))
    found = find_files(inbox, [feed("**/*.csv")])
    assert uris(found) == ["shop/b.csv"]
    messages = {it.uri: str(it.message) for it in found.unreadable}
    assert "Permission denied. Allow it" in messages["locked/"]
    assert "ValueError: a defect. Its traceback is in" in messages["shop/a.csv"]
