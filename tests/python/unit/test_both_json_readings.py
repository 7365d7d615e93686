"""Loader and verify read JSON with different code; for any content they must agree on every row and every reject."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import MAX_JSON_DEPTH, Contract, Dialect, Feed, Nesting
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.verify.read_documents import DocumentReading
from sales_warehouse.verify.read_objects import ObjectReading, write_as_jsonb
from sales_warehouse.verify.records import Record, RejectPlace

FEED = Feed(
    "shop", "lines", "raw", "shop__lines", "*", ("id", "sku", "no"),
    contract=Contract(optional=("id", "sku", "no"), aliases=(("no", ("Number",)),)),
)  # fmt: skip
KEYS = st.sampled_from(["id", "Id", "ID", "sku", "no", "Number", "NUMBER", "lines", "x", "X", "box"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", 'é"[', "}\n", "\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=6)
ITEMS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3)
WITH_ITEMS = st.builds(lambda it, lines: {**it, "lines": lines}, RECORDS, ITEMS | VALUES)
BELOW = st.builds(lambda it, inner: {**it, "box": inner}, RECORDS, WITH_ITEMS | VALUES)
NESTINGS = [
    Nesting(),
    Nesting(paths=(("sku", ("box", "x")),)),
    Nesting(items=("lines",)),
    Nesting(items=("lines",), paths=(("id", ("id",)), ("no", ("lines", "x")), ("sku", ("lines", "box", "sku")))),
    Nesting(items=("box", "lines"), paths=(("no", ("box", "no")),)),
]
# most of these become rows
SOUND = st.dictionaries(
    st.sampled_from(["id", "Id", "sku", "no", "x", "X", "box"]), st.integers() | st.text("aé", max_size=2)
)
SOUND_ITEMS = st.lists(SOUND, max_size=3) | SOUND
SOUND_NESTED = st.builds(
    lambda it, lines, inner: {**it, "lines": lines, "box": {**inner, "lines": lines}}, SOUND, SOUND_ITEMS, SOUND
)
TEXTS = st.one_of(
    st.builds(json.dumps, SOUND_NESTED),
    st.builds(lambda it: json.dumps(it, ensure_ascii=False), SOUND_NESTED),
    st.builds(json.dumps, RECORDS | WITH_ITEMS | BELOW),
    st.builds(lambda it: json.dumps(it, indent=1), WITH_ITEMS | BELOW),
    st.sampled_from(["7", "[1]", '{"id":1,"id":2}', '{"a":}', "null"]),
)


@given(
    st.lists(TEXTS, max_size=5), st.sampled_from(NESTINGS), st.sampled_from(["jsonl", "list", "below"]),
    st.sampled_from(["utf-8", "utf-16", "latin-1"]), st.integers(min_value=1, max_value=200),
    st.sampled_from(["add", "ignore"]),
)  # fmt: skip
def test_both_readings_of_json_agree_on_rows_and_rejects(
    texts: list[str], nesting: Nesting, layout: str, encoding: str, size: int, on_new_column: str
) -> None:
    records = ("data", "all") if layout == "below" else ()
    feed = replace(
        FEED,
        file_format="jsonl" if layout == "jsonl" else "json",
        dialect=Dialect(encoding=encoding),
        nesting=replace(nesting, records=records),
        contract=replace(FEED.contract, on_new_column=on_new_column),
    )
    text = "\n".join(text.replace("\n", " ") for text in texts) if layout == "jsonl" else f"[{', '.join(texts)}\n]"
    if layout == "below":
        text = f'{{"page":[{{"all":1}}],"data":{{"n":{{}},"all":{text},"x":2}}}}\n'
    assert_both_agree(text.encode(encoding), feed, size)


@pytest.mark.parametrize(
    ("beside", "is_loaded"),
    [
        *[(text, True) for text in ("NaN", "-Infinity", '{"a":1,"a":2}', '"two\nlines"', '[1,{"b":[]}]', "9" * 5000)],
        *[(text, False) for text in ("01", "tru", "1.", "'x'", "[", "")],
    ],
)
def test_what_is_beside_the_list_of_records_is_passed_over_by_both(beside: str, is_loaded: bool) -> None:
    feed = replace(FEED, file_format="json", nesting=Nesting(records=("all",)))
    content = f'{{"of\tday": {beside}, "all": [{{"id": 1}}], "x": {beside}}}'
    assert (assert_both_agree(content.encode(), feed, 7) is not None) == is_loaded


@given(st.binary(max_size=40), st.sampled_from(NESTINGS), st.sampled_from(["json", "jsonl"]))
@example(b"\r", Nesting(), "json")  # shorter than a byte order mark
def test_both_readings_of_json_agree_on_random_bytes(content: bytes, nesting: Nesting, file_format: str) -> None:
    feed = replace(FEED, file_format=file_format, nesting=nesting)
    assert_both_agree(b'{"id":1,"no":"' + content + b'","lines":[],"box":{"lines":[{}]}}', feed, 7)
    assert_both_agree(content, feed, 7)


@given(
    st.integers(MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH + 2) | st.integers(3, 1_500),
    st.lists(st.sampled_from([("[", "]"), ('{"x":', "}"), ('["}",', "]")]), min_size=1, max_size=3),
    st.sampled_from(
        [
            *[('{"id":', "}", 1), ('{"x":', "}", 1), ('{"lines":[{"no":1}],"x":', "}", 1)],
            *[('{"lines":[{"id":', "}]}", 3), ('{"lines":[{},{"x":', "}]}", 3)],
        ]
    ),
    st.sampled_from(["jsonl", "json", "below", "beside"]),
)
@example(MAX_JSON_DEPTH + 2, [("[", "]")], ('{"id":', "}", 1), "beside")  # in which the deepest place is inside a block
def test_both_readings_of_json_have_the_same_limit_of_depth(
    depth: int, brackets: list[tuple[str, str]], record: tuple[str, str, int], layout: str
) -> None:
    before, behind, own_depth = record
    inner = [brackets[number % len(brackets)] for number in range(depth - own_depth)]
    value = "".join(opened for opened, _ in inner) + "7" + "".join(closed for _, closed in reversed(inner))
    feed = replace(
        FEED,
        file_format="jsonl" if layout == "jsonl" else "json",
        nesting=Nesting(("all",) if layout in ("below", "beside") else (), ("lines",) if "lines" in before else ()),
    )
    text = before + value + behind + '\n{"lines":[{}]}'
    if layout == "below":
        text = f'{{"all":[{text.replace(chr(10), ",")}]}}'
    elif layout == "beside":  # what is beside the list of records is not loaded, but must be right
        text = f'{{"x":{value},"all":[]}}'
    outcome = assert_both_agree(text.encode(), feed, 100)
    is_too_deep = depth - (own_depth if layout == "beside" else 0) > MAX_JSON_DEPTH
    if layout == "beside":
        assert (outcome is None) == is_too_deep
    else:
        assert outcome is not None
        assert [(it.reason, it.detail) for it in outcome] == [
            ("bad_json", f"brackets are nested more than {MAX_JSON_DEPTH} levels deep")
        ] * is_too_deep


def assert_both_agree(content: bytes, feed: Feed, size: int) -> list[Reject] | None:
    """Read a content twice; nothing may differ. Return the rejects, or None where the loader refuses the file."""
    reader = choose_reader(feed, 7)
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    try:
        reader.read_header(blocks)
        read = list(reader.read(blocks, ()))
    except FileRefused:
        return None
    rejects = [reject for block in read for reject in block.rejects]
    skipped = [(it.line_number, it.row_number, it.kind, it.raw) for block in read for it in block.skipped]
    loaded = [
        (int(row[1]), [*row[2:]])
        for row in csv.reader(io.StringIO(b"".join(block.copy_data for block in read).decode(), newline=""))
    ]
    again = iter([content[at : at + size] for at in range(0, len(content), size)])
    reading_of = ObjectReading if feed.file_format == "jsonl" else DocumentReading
    reading = reading_of(lambda: next(again, b""), feed, iter(rejects))
    rows, skips, places = [], [], []
    for found in reading:
        if isinstance(found, RejectPlace):
            places.append((found.booked, found.row_number, found.line_number, found.raw, found.fits_reason))
        elif found.values is not None:
            rows += [(found.row_number, ["" if it is None else it for it in row]) for row in rows_of(found)]
        elif found.skipped_as == "no_items":
            skips.append((found.line_number, found.row_number, found.skipped_as, found.raw))
    if feed.extra_column:
        for _, row in (*loaded, *rows):
            row[-1] = row[-1] and write_as_jsonb(row[-1])
    assert rows == loaded
    assert skips == skipped
    assert places == [(it, it.row_number, it.line_number, it.raw, True) for it in rejects]
    return rejects


def rows_of(record: Record) -> list[list[str | None]]:
    """Return the values of each row of a record."""
    assert record.values is not None
    return [record.values, *record.more]
