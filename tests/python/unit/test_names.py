"""Names of files as several systems and archive programs write them: one delivery has one path and one key."""

import io
import re
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.names import compression_of, is_archive, name_of, place_of, split_uri, without_compression
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed
from sales_warehouse.load.inbox.open_file import hash_file, list_members

DAY = r"(?P<store>.+)-(?P<business_date>\d{4}-\d{2}-\d{2})"
FEED = Feed("shop", "sales", "raw", "shop__sales", "shop/*.csv", ("a",), delivery_key=DAY)

# no slash, and nothing that a file system refuses
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\!"), min_size=1, max_size=20)


def spell(text: str) -> set[str]:
    return {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}


@given(NAMES)
@example("Ko\u0308ln")
@example("\u1e9b\u0323")
@example("\ud55c\uae00")
def test_every_spelling_of_a_name_has_one_delivery_key(name: str) -> None:
    uris = {f"shop/{folder}/{spelt}-2024-05-02.csv" for folder in spell("\u00e9") for spelt in spell(name)}
    path = replace(FEED, delivery_key=None)
    for feed in (FEED, path, replace(FEED, delivery_key_case="fold"), replace(path, delivery_key_case="fold")):
        assert len({feed.delivery_key_of(uri) for uri in uris}) == 1


@given(NAMES)
@example("stra\u00dfe")
@example("\u0130\u0345")
def test_the_letter_case_of_keys_is_folded_where_declared(name: str) -> None:
    folded = replace(FEED, delivery_key_case="fold")
    keys = {folded.delivery_key_of(f"shop/{text}-2024-05-02.csv") for text in (name, name.casefold())}
    assert len(keys) == 1
    assert FEED.delivery_key_of("shop/Paris-2024-05-02.csv") != FEED.delivery_key_of("shop/paris-2024-05-02.csv")


@pytest.mark.parametrize("pattern", ["K\u00f6ln", "Ko\u0308ln", "K[\u00f6o]ln", "K[o\u0308o]ln"])
def test_a_pattern_fits_in_either_spelling(pattern: str) -> None:
    feed = replace(FEED, delivery_key=f"(?P<store>{pattern})")
    assert {feed.delivery_key_of(f"shop/{name}.csv") for name in spell("K\u00f6ln")} == {"store=K\u00f6ln"}


@pytest.mark.parametrize("archive", ["a.zip", "a.ZIP", "x/a.Zip"])
def test_the_letter_case_of_suffixes_does_not_matter(archive: str) -> None:
    assert is_archive(archive)
    assert split_uri(f"{archive}!x/b.zip!c.csv") == (archive, "x/b.zip!c.csv")
    assert name_of(f"{archive}!x/b.csv") == "b.csv"
    assert compression_of("a.csv.GZ") == ".gz"
    assert without_compression("x/A.CSV.Zst") == "x/A.CSV"
    assert (compression_of("gz"), without_compression("a.gzip"), is_archive("zip")) == (None, "a.gzip", False)


@pytest.mark.parametrize(
    ("uri", "place"),
    [("a.csv", "a.csv"), ("x/a.csv", "x/a.csv"), ("x/a.zip!y/b.csv", "x/y/b.csv"), ("a.zip!b.csv", "b.csv")],
)
def test_a_member_has_its_place_in_the_folder_of_its_archive(uri: str, place: str) -> None:
    assert place_of(uri) == place


def test_a_key_may_come_from_the_path_with_values_decoded() -> None:
    pattern = r"day=(?P<business_date>[^/]+)/store=(?P<store>[^/]+)/"
    feed = replace(FEED, delivery_key=pattern, delivery_key_from="path")
    expected = "business_date=2024-05-03 store=K\u00f6ln"
    for uri in ("w/day=2024-05-03/store=K%C3%B6ln/a.csv", "w/day=2024-05-03/b.zip!store=Ko\u0308ln/a.csv"):
        assert feed.delivery_key_of(uri) == expected
    assert feed.delivery_key_of("w/day=2024-05-03/a.csv") is None
    assert replace(feed, delivery_key_from="name").delivery_key_of("w/day=2024-05-03/store=x/a.csv") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delivery_key_from": "path"}, "delivery_key_from: means nothing without delivery_key; allowed: name or path"),
        ({"delivery_key_from": "folder"}, "allowed: name or path"),
        ({"delivery_key_case": "lower"}, "allowed: exact or fold"),
        ({"folder_columns": ["b"]}, "folder_columns: needs a delivery_key"),
        (
            {"folder_columns": ["day"], "delivery_key": "(?P<x>a)"},
            "folder_columns: is not known; allowed: some of a, b",
        ),
        ({"folder_columns": ["a", "b"], "delivery_key": "(?P<x>a)"}, "no column is left that a file has"),
        (
            {"folder_columns": ["b"], "delivery_key": "(?P<x>a)", "optional": ["a"]},
            "no column is left that a file must",
        ),
    ],
)
def test_a_wrong_option_of_keys_is_refused(options: dict[str, str], message: str) -> None:
    table = {
        "name": "t",
        "columns": [{"name": "a"}, {"name": "b"}],
        "external": {"location": "*.csv", "options": options},
    }
    with pytest.raises(InvalidFeed, match=re.escape(message)):
        validate_feed({"name": "s"}, table)


# --- names in archives ----------------------------------------------------------------------------------------------


def write_archive(names: list[bytes], flag: int) -> bytes:
    """Return an archive whose names are these bytes, with or without the flag for UTF-8."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"{number:06}".ljust(len(name), "x"), name)
    data = content.getvalue()
    for number, name in enumerate(names):
        data = data.replace(f"{number:06}".ljust(len(name), "x").encode(), name)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(mark)
        data = mark.join(
            [parts[0], *(part[: place - 4] + flag.to_bytes(2, "little") + part[place - 2 :] for part in parts[1:])]
        )
    return data


@pytest.mark.parametrize("flag", [0, 0x800])
@pytest.mark.parametrize(
    "name", ["K\u00f6ln-2024.csv", "Ko\u0308ln-2024.csv", "\u65e5\u4ed8-2024.csv", "plain-2024.csv"]
)
def test_a_name_in_utf8_is_read_with_and_without_its_flag(tmp_path: Path, name: str, flag: int) -> None:
    path = tmp_path / "box.zip"
    path.write_bytes(write_archive([name.encode(), b"other-2024.csv"], flag))
    assert [member.name for member in list_members(path)] == [name, "other-2024.csv"]
    assert hash_file(path, name) != hash_file(path, "other-2024.csv")


def test_a_name_that_is_no_utf8_is_cp437(tmp_path: Path) -> None:
    path = tmp_path / "box.zip"
    path.write_bytes(write_archive([b"K\x94ln-2024.csv"], 0))
    assert [member.name for member in list_members(path)] == ["K\u00f6ln-2024.csv"]
    assert hash_file(path, "K\u00f6ln-2024.csv")


def test_a_name_and_its_double_decoding_are_two_members(tmp_path: Path) -> None:
    path = tmp_path / "box.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("K\u251c\u2562ln.csv", b"flagged")
    flagged = hash_file(path, "K\u251c\u2562ln.csv")
    path.write_bytes(write_archive(["K\u00f6ln-2024.csv".encode()], 0))
    with pytest.raises(OSError, match="no longer in the archive"):
        hash_file(path, "K\u251c\u2562ln-2024.csv")
    assert hash_file(path, "K\u00f6ln-2024.csv") != flagged


@given(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.encode))
def test_every_listed_member_can_be_read(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "box.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, name)
        for member in list_members(path):
            if member.problem is None:
                assert hash_file(path, member.name)
