"""The options of a feed: the error about a wrong value names its key and what is allowed there."""

import contextlib
import pickle
import re
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sales_warehouse.feeds.declare import Dialect, Feed, MaxRejects, Repeats
from sales_warehouse.feeds.validate import InvalidFeed, Options, validate_feed

FEED = Feed(
    source="shop",
    name="sales",
    schema="raw",
    identifier="shop__sales",
    location="shop/*.csv",
    columns=("order_id", "amount"),
    delivery_key=r"(?P<business_date>\d{4}-\d{2}-\d{2})",
    max_rejects=MaxRejects(share=Decimal("0.01")),
)


def declare(options: dict[str, Any] | None = None, columns: tuple[str, ...] = FEED.columns, **changes: Any) -> Feed:
    """Declare the feed above with other options, or with other keys of the table or of `external`."""
    given = {"delivery_key": FEED.delivery_key, "max_rejects": "1%", **(options or {})}
    external = {"location": changes.pop("location", FEED.location), "options": given}
    table = {"name": "sales", "identifier": FEED.identifier, "columns": [{"name": name} for name in columns]}
    return validate_feed({"name": "shop", "schema": "raw"}, {**table, "external": external, **changes})


def mistake(options: dict[str, Any] | None = None, **changes: Any) -> str:
    with pytest.raises(InvalidFeed) as caught:
        declare(options, **changes)
    (message,) = caught.value.mistakes.values()
    return message


def test_a_feed_is_made_of_its_declaration() -> None:
    assert declare() == FEED


def test_all_mistakes_of_a_declaration_are_reported_at_once() -> None:
    with pytest.raises(InvalidFeed) as caught:
        declare({"quote": "xx", "encoding": "utf-9", "header": -1}, location="/srv", identifier="")
    assert list(caught.value.mistakes) == [
        ("identifier",),
        ("external", "location"),
        ("external", "options", "quote"),
        ("external", "options", "encoding"),
        ("external", "options", "header"),
    ]


@pytest.mark.parametrize("value", [False, True])
def test_a_name_that_yaml_reads_as_a_truth_value_is_explained(value: bool) -> None:
    with pytest.raises(InvalidFeed) as caught:
        declare(columns=("amount", value))  # type: ignore[arg-type]  # `- name: no` without quotes
    (message,) = caught.value.mistakes.values()
    assert message.startswith(f"columns.{value}.name: {value} is not text; allowed: text in quotes: ")
    assert message.endswith("; without quotes YAML reads no, off and false as False, and yes, on and true as True")


def test_a_reserved_word_or_no_may_be_a_column() -> None:
    assert declare(columns=("no", "order", "user")).columns == ("no", "order", "user")


def test_null_is_a_value_of_short_records_with_and_without_quotes() -> None:
    for value in (None, "null"):
        assert declare({"short_records": value}).dialect == Dialect(short_records="null")


def test_a_usual_value_of_a_later_option_leaves_the_fingerprint() -> None:
    usual = {"short_records": "reject", "null_text": [], "blanks": "text", "on_encoding_drift": "refuse"}
    assert declare(usual).fingerprint == FEED.fingerprint
    for name, value in {"short_records": "null", "null_text": "-", "blanks": "delimiter"}.items():
        assert declare({name: value}).fingerprint != FEED.fingerprint


def test_positions_in_bytes_need_an_encoding_with_characters_of_their_own() -> None:
    options = {"positions": {"order_id": "1", "amount": "2-3"}, "positions_in": "bytes"}
    fixed = {"location": "*", "file_format": "fixed"}
    feed = declare(external=fixed | {"options": options | {"encoding": "cp932"}})
    assert feed.dialect == Dialect(encoding="cp932", bytes_of="cp932")
    for encoding in ("utf-16", "iso2022_jp", "utf-7"):
        message = mistake(external=fixed | {"options": options | {"encoding": encoding}})
        assert message.startswith(f"external.options.positions_in: bytes of {encoding} have no fixed place")


def test_the_old_name_of_the_delivery_key_is_refused_with_the_new_one() -> None:
    assert mistake({"business_key": "(?P<day>.)"}).startswith(
        "external.options.business_key: was renamed to delivery_key; allowed: "
    )


def test_a_feed_goes_to_a_worker_and_comes_back_equal() -> None:
    assert pickle.loads(pickle.dumps(FEED)) == FEED


# --- dialect


@pytest.mark.parametrize("value", ["", "a", "Z", "é", "0", "ab", "\n", "\r", "\0", "\r\n", ";\n"])
def test_an_invalid_delimiter_is_refused_with_key_and_remedy(value: str) -> None:
    message = mistake({"delimiter": value})
    assert message.startswith("external.options.delimiter: ")
    assert "one or more characters, not all of them letters and digits" in message
    assert repr(value) in message


@pytest.mark.parametrize("key", ["quote", "escape"])
@pytest.mark.parametrize("value", [";;", "a", "Z", "é", "0", "\n", "\r", "\0", "\r\n", " "])
def test_an_invalid_quote_or_escape_is_refused_with_key_and_remedy(key: str, value: str) -> None:
    message = mistake({key: value})
    assert message.startswith(f"external.options.{key}: ")
    assert "one character that is no letter, digit, blank, line end or NUL" in message
    assert repr(value) in message


@pytest.mark.parametrize("value", [",", ";", "\t", "|", " ", "^", "\\", "§", "¦", "\x1f", "_"])
def test_any_other_single_character_may_be_the_delimiter(value: str) -> None:
    assert declare({"delimiter": value}).dialect == Dialect(delimiter=value)


def test_the_delimiter_cannot_be_the_quote_too() -> None:
    assert mistake({"delimiter": '"'}).startswith("external.options.quote: '\"' is the delimiter too; ")


@pytest.mark.parametrize("value", ["", '"', ","])
def test_the_escape_is_a_character_of_its_own(value: str) -> None:
    message = mistake({"escape": value})
    assert message.startswith(f"external.options.escape: {value!r} ")
    assert "a character of its own" in message


@pytest.mark.parametrize(
    "name", ["utf-9", "", "no such", "rot13", "rot_13", "hex", "base64", "zlib", "undefined", "a\0b"]
)
def test_an_unknown_or_non_text_encoding_is_refused_with_examples(name: str) -> None:
    message = mistake({"encoding": name})
    assert message.startswith("external.options.encoding: ")
    assert "utf-8, cp1252" in message


@pytest.mark.parametrize("name", ["unicode_escape", "punycode"])
def test_an_encoding_without_a_line_end_of_its_own_is_refused(name: str) -> None:
    # These encodings write a line end as other characters, so lines could not be separated.
    assert mistake({"encoding": name}).startswith("external.options.encoding: ")


@pytest.mark.parametrize(
    "name", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "latin-1", "shift_jis", "cp037"]
)
def test_any_text_encoding_python_knows_may_be_declared(name: str) -> None:
    assert declare({"encoding": name}).dialect == Dialect(encoding=name)


# --- max_rejects


@pytest.mark.parametrize(
    "value", ["101%", "-1%", "-1", -1, True, False, "many", "", "%", "1.5", 0.5, "NaN%", "Infinity%", "1 000", []]
)
def test_an_invalid_limit_is_refused_with_examples(value: object) -> None:
    message = mistake({"max_rejects": value})
    assert message.startswith("external.options.max_rejects: ")
    assert "a number of records such as 25, or a share such as 1%" in message
    assert repr(value) in message


@pytest.mark.parametrize("key", ["max_rejects", "escape", "comment", "control", "optional", "max_unpacked_bytes"])
def test_an_option_without_value_is_refused(key: str) -> None:
    assert mistake({key: None}).startswith(f"external.options.{key}: has no value; allowed: ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (25, "25"),
        ("25", "25"),
        ("1%", "1%"),
        ("0.5%", "0.5%"),
        ("1.0%", "1%"),
        ("0%", "0%"),
        ("100%", "100%"),
    ],
)
def test_a_limit_is_shown_as_it_is_declared(value: object, shown: str) -> None:
    assert str(MaxRejects.parse(value)) == shown


@pytest.mark.parametrize(
    ("limit", "rejected", "read", "allowed"),
    [
        ("1%", 1, 100, True),
        ("1%", 1, 99, False),  # a float would hide the edge
        ("1%", 2, 199, False),
        ("0.1%", 3, 3000, True),
        ("0.1%", 3, 2999, False),
        ("0%", 0, 0, True),
        ("0%", 1, 10**6, False),
        ("100%", 5, 5, True),
        (0, 0, 10, True),
        (0, 1, 10, False),
        (25, 25, 25, True),
        (25, 26, 10**6, False),
    ],
)
def test_a_limit_holds_exactly(limit: object, rejected: int, read: int, allowed: bool) -> None:
    assert MaxRejects.parse(limit).allows(rejected, read) is allowed


def test_the_options_of_the_models_do_not_change_a_feed() -> None:
    assert declare({"sorted_by": "date", "max_quarantined": "5%", "on_quarantined": "fail"}) == FEED
    assert declare({"max_quarantined": 25}) == FEED


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("sorted_by", "quantity"), ("max_quarantined", "120%"), ("max_quarantined", "few")),
        *(("on_quarantined", "refuse"), ("kind", "prices")),
    ],
)
def test_a_wrong_option_of_the_models_is_refused(option: str, value: str) -> None:
    assert mistake({option: value}).startswith(f"external.options.{option}: ")


def test_a_lookup_may_come_unchanged_under_another_delivery_key() -> None:
    lookup = declare({"kind": "lookup"})
    assert lookup.repeats == Repeats(on_same_records="load", max_shared_records=Decimal(1))
    assert declare({"kind": "lookup", "on_same_records": "hold"}).repeats.on_same_records == "hold"
    assert declare({"kind": "sales"}) == FEED


def test_no_reject_is_allowed_without_a_limit() -> None:
    assert MaxRejects().allows(0, 10)
    assert not MaxRejects().allows(1, 10)
    assert MaxRejects.parse(0).allows(1, 10) is False


# --- feed


def test_a_feed_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FEED.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("location", ["", "/srv/shop/*.csv", "../shop/*.csv", "shop/../../x.csv", ".."])
def test_a_location_outside_the_inbox_is_refused(location: str) -> None:
    message = mistake(location=location)
    assert message.startswith("external.location: ")
    assert "a relative path" in message


def test_a_location_may_hold_a_name_with_two_dots() -> None:
    assert declare(location="shop/2024..2025.csv").location == "shop/2024..2025.csv"


@pytest.mark.parametrize("key", ["schema", "identifier"])
@pytest.mark.parametrize("value", ["", "x" * 64, "é" * 32])
def test_a_name_that_postgresql_would_truncate_is_refused(key: str, value: str) -> None:
    source = {"name": "shop", "schema": value if key == "schema" else None}
    table = {"name": "sales", "identifier": value if key == "identifier" else None}
    with pytest.raises(InvalidFeed) as caught:
        validate_feed(source, {**table, "columns": [{"name": "a"}], "external": {"location": "a.csv"}})
    assert list(caught.value.mistakes) == [(key,)]
    assert "1 to 63 bytes" in str(caught.value)


def test_a_name_of_63_bytes_is_accepted() -> None:
    assert declare(identifier="x" * 63, columns=("é" * 31 + "a",)).identifier == "x" * 63


def test_a_feed_needs_columns() -> None:
    assert mistake(columns=()).startswith("columns: none is declared; ")


def test_a_column_declared_twice_is_named() -> None:
    assert mistake(columns=("a", "b", "a", "c", "c")).startswith("columns: a, c is declared twice; ")


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("InvoiceNo", "invoice_no"),
        ("invoice no", "invoice_no"),
        ("_line_id", "line_id"),
        ("a__b", "a_b"),
        ("Ä", "ä"),
        ("#", "invoice_no"),
        ("x" * 64, "x" * 63),
        ("é" * 32, "é" * 31),
    ],
)
def test_an_impossible_column_name_is_refused_with_the_name_to_use(column: str, hint: str) -> None:
    message = mistake(columns=("amount", column))
    assert message.startswith(f"columns.{column}: ")
    assert message.endswith(f"such as {hint}")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?P<day>", "is not a regular expression"),
        ("[", "is not a regular expression"),
        (r"(?P<day>x{99999999999999})", "is not a regular expression"),
        (r"\d{4}-\d{2}-\d{2}", "has no named group"),
        (r"(\d{4})", "has no named group"),
        ("", "has no named group"),
    ],
)
def test_a_delivery_key_needs_a_pattern_with_named_groups(pattern: str, why: str) -> None:
    message = mistake({"delivery_key": pattern})
    assert message.startswith("external.options.delivery_key: ")
    assert why in message
    assert "(?P<business_date>" in message


def test_the_delivery_key_is_taken_from_the_name_alone() -> None:
    assert FEED.delivery_key_of("2020-01-01/sales_2011-01-04.csv") == "business_date=2011-01-04"
    assert FEED.delivery_key_of("2020-01-01/sales.csv") is None


def test_the_delivery_key_names_all_its_parts() -> None:
    feed = replace(FEED, delivery_key=r"(?P<store>[A-Z]+)_(?P<day>\d+)(?:_(?P<part>\d))?")
    assert feed.delivery_key_of("x/ROME_12.csv") == "store=ROME day=12"
    assert feed.delivery_key_of("x/ROME_12_3.csv") == "store=ROME day=12 part=3"


def test_a_name_that_fits_without_any_named_part_has_no_delivery_key() -> None:
    # Otherwise all such files would be versions of one another, and each would replace the previous one.
    assert replace(FEED, delivery_key=r"sales(?:_(?P<day>\d+))?").delivery_key_of("shop/sales.csv") is None


def test_the_path_without_suffix_is_the_default_delivery_key() -> None:
    feed = replace(FEED, delivery_key=None)
    assert feed.delivery_key_of("shop/a.csv") == feed.delivery_key_of("shop/a.csv.gz") == "shop/a.csv"
    assert feed.delivery_key_of("shop/b.csv") != feed.delivery_key_of("other/b.csv")


@pytest.mark.parametrize(
    "changes",
    [
        {"dialect": Dialect(delimiter=";")},
        {"dialect": Dialect(encoding="cp1252")},
        {"dialect": Dialect(quote="'")},
        {"columns": ("order_id",)},
        {"delivery_key": None},
        {"max_rejects": MaxRejects(share=Decimal("0.02"))},
        {"max_rejects": MaxRejects(count=1)},
        {"location": "shop/**/*.csv"},
        {"repeats": Repeats(on_same_records="load")},
    ],
)
def test_the_fingerprint_covers_every_option_that_affects_reading(changes: dict[str, Any]) -> None:
    assert replace(FEED, **changes).fingerprint != FEED.fingerprint


def test_the_fingerprint_is_the_same_for_the_same_declaration() -> None:
    assert replace(FEED).fingerprint == FEED.fingerprint
    assert re.fullmatch("[0-9a-f]{64}", FEED.fingerprint)


def test_the_limit_of_shared_records_retries_no_file() -> None:
    assert replace(FEED, repeats=Repeats(max_shared_records=Decimal(1))).fingerprint == FEED.fingerprint


def test_the_fingerprint_is_that_of_the_releases_before() -> None:
    # the hash is in the ledgers of existing warehouses; a new one would retry every refused file after an upgrade
    assert FEED.fingerprint == "fed53036a5bfdc24c595edd137f217ceea27a68ba0a426a6e285012f627c9d6f"


@given(st.text(max_size=3), st.text(max_size=3), st.text(max_size=8))
def test_any_text_makes_a_dialect_or_a_clear_refusal(delimiter: str, quote: str, encoding: str) -> None:
    # any other exception would end in a traceback
    with contextlib.suppress(ValidationError):
        Options(delimiter=delimiter, quote=quote, encoding=encoding).dialect()


def test_the_key_of_an_archive_member_comes_from_its_own_name() -> None:
    assert FEED.delivery_key_of("shop/2024-01-01.zip!x/2024-05-02.csv.gz") == "business_date=2024-05-02"
    assert FEED.delivery_key_of("shop/2024-01-01.zip!x/2024-05-02/a.csv") is None
    feed = replace(FEED, delivery_key=None)
    assert feed.delivery_key_of("shop/box.zip!a.csv.xz") == "shop/box.zip!a.csv"
    assert FEED.delivery_key_of("shop/box.zip") == "shop/box.zip"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_the_default_delivery_key_omits_every_compression_suffix(suffix: str) -> None:
    assert replace(FEED, delivery_key=None).delivery_key_of(f"shop/a.csv{suffix}") == "shop/a.csv"


MARCH = {"from": "2024-03-01", "options": {"delimiter": ";"}}


def with_variants(*variants: Any, **options: Any) -> Feed:
    external = {"location": FEED.location, "options": {"delivery_key": FEED.delivery_key, **options}}
    return declare(external={**external, "variants": list(variants)})


def wrong_variant(*variants: Any, **options: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidFeed) as caught:
        with_variants(*variants, **options)
    return caught.value.mistakes


def test_the_last_variant_that_has_a_file_says_how_it_is_read() -> None:
    workbooks = {"location": "shop/**/*.xlsx", "file_format": "xlsx", "options": {"header_row": 3}}
    june = {"from": "2024-06-01", "location": "shop/*.csv", "options": {"delimiter": "|"}}
    feed = with_variants(MARCH, workbooks, june, delimiter=",", quote="", optional=["amount"], max_rejects="2%")
    read = {
        name: feed.for_file(f"shop/{name}")
        for name in ("2024-02-29.csv", "2024-03-01.csv", "2024-06-01.csv.gz", "a.zip!2024-03-01.csv", "old.csv")
    }
    assert {name: way.dialect.delimiter for name, way in read.items()} == {
        "2024-02-29.csv": ",",
        "2024-03-01.csv": ";",
        "2024-06-01.csv.gz": "|",
        "a.zip!2024-03-01.csv": ";",
        "old.csv": ",",  # without a day: it is refused, as its name has no delivery key
    }
    assert {way.dialect.quote for way in read.values()} == {""}
    book = feed.for_file("shop/b/2024-07-01.xlsx")
    assert (book.file_format, book.workbook.header_row, book.dialect) == ("xlsx", 3, Dialect())
    assert (book.contract.optional, book.max_rejects, book.full_name) == (
        ("amount",),
        FEED.max_rejects.parse("2%"),
        "shop.sales",
    )
    assert feed.locations == ("shop/*.csv", "shop/**/*.xlsx", "shop/*.csv")
    assert with_variants(quote="").fingerprint == with_variants(MARCH, quote="").fingerprint
    assert read["2024-03-01.csv"].fingerprint != read["2024-02-29.csv"].fingerprint


@pytest.mark.parametrize(
    ("variant", "path", "told"),
    [
        ({}, (), "no file is named; allowed: location, from (a day), or both"),
        ({"from": "2024-03-01"}, (), "it reads its files as the feed does; allowed: file_format, options, or both"),
        ({**MARCH, "from": "March"}, ("from",), "'March' is not a day; allowed: a day in quotes"),
        ({**MARCH, "options": {"delimeter": ";"}}, ("options", "delimeter"), "is not known (did you mean delimiter?)"),
        ({**MARCH, "options": {"kind": "lookup"}}, ("options", "kind"), "is an option of the whole feed"),
        ({"location": "shop/*.xlsx", "file_format": "xlsx", "options": {"quote": ""}}, ("options", "quote"), "csv"),
        ({"location": "kafka://main/shop", "file_format": "json"}, ("location",), "is a topic"),
        ({"location": "../*.xlsx", "file_format": "xlsx"}, ("location",), "is neither below the inbox nor a topic"),
    ],
)
def test_a_wrong_variant_is_named(variant: dict[str, Any], path: tuple[str, ...], told: str) -> None:
    mistakes = wrong_variant(MARCH, variant)
    assert [*mistakes] == [("external", "variants", 1, *path)]
    [message] = mistakes.values()
    assert message.startswith(".".join(("external", "variants", *path)) + ": ")
    assert told in message


def test_a_variant_from_a_day_needs_a_delivery_key_with_a_day() -> None:
    [message] = wrong_variant(MARCH, delivery_key="(?P<store>[a-z]+)").values()
    assert message.startswith("external.variants.from: delivery_key does not name the day of a file; allowed: ")
