"""JSON documents: the same records as in JSON Lines, whatever the layout, the encoding and the size of the blocks."""

import codecs
import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Contract, Dialect, Feed, Nesting
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed
from sales_warehouse.ledger.outcomes import Reject, SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.load.readers.reader import Reader

FEED = Feed("shop", "lines", "raw", "shop__lines", "*", ("order_no", "amount"), file_format="json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab{}[],"\\', max_size=3), inner, max_size=3),
    max_leaves=8,
)


class Found:
    """What a reader gives for a content."""

    def __init__(self, content: bytes, feed: Feed = FEED, size: int = 1 << 20) -> None:
        self.reader: Reader = choose_reader(feed, 7)
        blocks = (content[at : at + size] for at in range(0, len(content), size))
        self.head = self.reader.read_header(blocks).head
        read = list(self.reader.read(blocks, ()))
        self.copy_data = b"".join(block.copy_data for block in read)
        self.rejects: list[Reject] = [reject for block in read for reject in block.rejects]
        self.skipped: list[SkippedLine] = [line for block in read for line in block.skipped]
        self.rows = [row[1:] for row in csv.reader(io.StringIO(self.copy_data.decode(), newline=""))]


def feed_of(**nesting: Any) -> Feed:
    """Return a feed of JSON documents with paths as they are declared, and the other changes."""
    contract = nesting.pop("contract", Contract())
    columns = nesting.pop("columns", FEED.columns)
    paths = tuple((column, tuple(path.split("."))) for column, path in nesting.pop("paths", {}).items())
    steps = {name: tuple(path.split(".")) for name, path in nesting.items()}
    return replace(FEED, columns=columns, contract=contract, nesting=Nesting(paths=paths, **steps))


@given(
    st.lists(st.fixed_dictionaries({"order_no": JSON, "amount": JSON, "rest": JSON}), max_size=6),
    st.integers(min_value=1, max_value=50),
    st.sampled_from([None, 0, 2]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    st.sampled_from(["list", "objects", "key"]),
    st.booleans(),
)
def test_a_document_gives_the_rows_of_json_lines(
    records: list[Any], size: int, indent: int | None, encoding: str, layout: str, is_ascii: bool
) -> None:
    lines = "\n".join(json.dumps(record) for record in records)
    wanted = Found(lines.encode(), replace(FEED, file_format="jsonl"))
    dumped = [json.dumps(record, indent=indent, ensure_ascii=is_ascii) for record in records]
    listed = "[" + " ,\n".join(dumped) + "] "
    text = {"list": listed, "objects": "\n".join(dumped), "key": f'{{"a":[{{}}],"items":{listed},"n":[1,{{}}]}}'}[
        layout
    ]
    if not text.strip():
        return
    feed = feed_of(records="items") if layout == "key" else FEED
    found = Found(text.encode(encoding), replace(feed, dialect=Dialect(encoding=encoding)), size)
    assert found.rows == wanted.rows
    assert found.reader.tally == wanted.reader.tally


def declare(file_format: str, **options: Any) -> Feed:
    """Return the feed of a declaration with these options."""
    external = {"location": "*", "file_format": file_format, "options": options}
    return validate_feed({"name": "shop"}, {"name": "lines", "columns": [{"name": "id"}], "external": external})


def test_paths_of_json_are_declared_as_keys_joined_by_dots() -> None:
    feed = declare("json", records="data.all", items="lines", paths={"id": "lines.no"}, encoding="utf-16")
    assert feed.nesting == Nesting(("data", "all"), ("lines",), (("id", ("lines", "no")),))
    assert feed.lineage_columns == ("_file_id", "_row_number", "_item_number")
    assert declare("json").lineage_columns == ("_file_id", "_row_number")


@pytest.mark.parametrize(
    ("file_format", "options", "problem"),
    [
        ("csv", {"items": "lines"}, "items: is an option of file_format jsonl and json, not of csv"),
        ("jsonl", {"records": "a"}, "records: is an option of file_format json, not of jsonl"),
        ("json", {"items": "a..b"}, "items: 'a..b' is no path"),
        ("json", {"paths": {"no": "a"}}, "paths.no: is not known"),
        ("json", {"items": "a.b", "paths": {"id": "a.b"}}, "paths.id: 'a.b' is the list of items itself"),
        ("json", {"encoding": "cp932"}, "encoding: is not an encoding of JSON"),
    ],
)
def test_a_wrong_option_of_json_is_named(file_format: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidFeed) as caught:
        declare(file_format, **options)
    assert f"external.options.{problem}" in str(caught.value)


@given(st.binary(max_size=60) | st.text('[]{},:"\\1a \n').map(str.encode), st.integers(min_value=1, max_value=20))
def test_any_bytes_give_records_or_a_refusal(content: bytes, size: int) -> None:
    for encoding in ("utf-8", "utf-16", "cp1252"):
        try:
            found = Found(content, replace(FEED, dialect=Dialect(encoding=encoding)), size)
        except FileRefused:
            continue
        for reject in found.rejects:
            assert content[reject.byte_offset :].startswith(reject.raw)
        assert found.reader.tally.rows == len(found.rows)


@given(st.sampled_from(["utf-8", "utf-16-le"]), st.integers(min_value=1, max_value=30))
def test_a_reject_of_a_document_is_kept_with_its_place(encoding: str, size: int) -> None:
    bad = ['{"order_no":1,}', "[1]", "12", "null", '"é"', '{"a":1,"a":2}', '{"order_no":"\0"}']
    text = '[{"order_no":"é","amount":1},\n' + ",\n".join(bad) + ', {"order_no":3}\n]'
    found = Found(text.encode(encoding), replace(FEED, dialect=Dialect(encoding=encoding)), size)
    assert [(it.row_number, it.line_number, it.raw.decode(encoding)) for it in found.rejects] == [
        (number, number, text) for number, text in enumerate(bad, 2)
    ]
    for reject in found.rejects:
        assert text.encode(encoding)[reject.byte_offset :].startswith(reject.raw)
    assert [row[0] for row in found.rows] == ["1", "9"]


def test_undecodable_bytes_reject_only_their_record() -> None:
    found = Found(b'[{"order_no":"caf\xe9"}, {"order_no":1,"amount":2},7]')
    assert [(it.reason, it.raw, it.byte_offset) for it in found.rejects] == [
        ("encoding", b'{"order_no":"caf\xe9"}', 1),
        ("bad_json", b"7", 48),
    ]


def test_a_record_over_the_limit_is_rejected_in_a_document() -> None:
    long = b'{"order_no":"' + b"x" * 1_100_000 + b'"}'
    found = Found(b'[{"order_no":1,"amount":2},' + long + b"]", size=1 << 16)
    assert [(it.reason, it.raw) for it in found.rejects] == [("too_long", long)]


def test_memory_does_not_grow_with_a_document() -> None:
    reader = choose_reader(feed_of(records="items"), 7)
    record = b'{"order_no":1,"amount":2},' * 1000
    blocks = iter([b'{"before":[', *[b'{"x":[1,2]},' * 1000] * 100, b'{}],"items":[', *[record] * 100, b"{}]}"])
    reader.read_header(blocks)
    for _ in reader.read(blocks, ()):
        assert len(vars(reader)["_text"]) < 100_000
    assert reader.tally.loaded == 100_001


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty or blank"), (b" \n", "it is empty or blank"), (codecs.BOM_UTF8, "it is empty or blank"),
        (b"<html>", "line 1: a list or an object is expected found '<html>'"),
        (b'[{"order_no":1,"amount":2}', "a comma or ] is expected found the end of the content"),
        (b'[{"order_no":1,"amount":2},\n{"order', "line 2: the content ends inside the value that begins here"),
        (b'[{"order_no":1,"amount":2},]', "a record is expected found ']'"),
        (b'[{"order_no":1,"amount":2} {}]', "a comma or ] is expected found '{}]'"),
        (b'[{"order_no":[1}]', "} closes another bracket"),
        (b"[" + b'{"order_no":"' + b"x" * (17 << 20) + b'"}]', "a value is longer than 16,777,216 characters"),
        (b'{"items":[{"order_no":1}]}', "no object has order_no, amount. Found were: items. Correct the file"),
    ],
)  # fmt: skip
def test_a_document_that_is_not_whole_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FileRefused) as caught:
        Found(content)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "an object is expected found '[]'"),
        (b'{"data":{"n":1}}', "no key items: no list of records at data.items"),
        (b'{"data":[]}', "an object is expected found '[]}'"),
        (b'{"data":{"items":{}}}', "the list of records is expected"),
        (b'{"data":{"items":[],"items":[]}}', "the key items is there twice"),
        (b'{"data":{"items":[]}', "a comma or } is expected found the end"),
        (b'{"data":{"items":[],}}', "a key is expected found '}}'"),
    ],
)  # fmt: skip
def test_a_document_without_its_list_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FileRefused) as caught:
        Found(content, feed_of(records="data.items"))
    assert message in str(caught.value)


ORDER = {"id": 7, "customer": {"id": "c1"}, "note": "x", "lines": [{"id": 1, "sku": "a"}, {"id": 2, "colour": "red"}]}
NESTED = feed_of(
    columns=("order_no", "customer_id", "id", "sku"),
    items="lines",
    paths={"order_no": "id", "customer_id": "customer.id", "id": "lines.id"},
)


def test_each_item_is_a_row_with_the_values_of_its_record() -> None:
    found = Found(json.dumps([ORDER, {**ORDER, "id": 8, "lines": {"id": 3}}]).encode(), NESTED)
    assert [[*row[:-1], json.loads(row[-1])] for row in found.rows] == [
        ["1", "1", "7", "c1", "1", "a", {"customer": {"id": "c1"}, "note": "x"}],
        ["1", "2", "7", "c1", "2", "", {"customer": {"id": "c1"}, "note": "x", "lines": {"colour": "red"}}],
        ["2", "1", "8", "c1", "3", "", {"customer": {"id": "c1"}, "note": "x"}],
    ]
    assert (found.reader.tally.read, found.reader.tally.loaded, found.reader.tally.rows) == (2, 2, 3)


def test_a_key_of_the_item_goes_before_that_of_the_record() -> None:
    feed = feed_of(columns=("id", "sku"), items="lines")
    found = Found(json.dumps({"id": 7, "lines": [{"id": 1, "sku": "a"}, {"sku": "b"}]}).encode(), feed)
    assert found.rows == [["1", "1", "1", "a", '{"id":7}'], ["1", "2", "7", "b", ""]]


def test_items_are_found_below_several_keys() -> None:
    feed = feed_of(columns=("sku",), items="order.box.lines", paths={"sku": "order.box.lines.product.sku"})
    order = {"order": {"no": 1, "box": {"lines": [{"product": {"sku": "a"}, "n": 2}], "size": "XL"}}}
    [row] = Found(json.dumps(order).encode(), feed).rows
    assert row[:3] == ["1", "1", "a"]
    assert json.loads(row[3]) == {"order": {"no": 1, "box": {"size": "XL", "lines": {"product": {"sku": "a"}, "n": 2}}}}


@pytest.mark.parametrize("items", ['{"id":1,"lines":[]}', '{"id":1,"lines":null}', '{"id":1}'])
@pytest.mark.parametrize("file_format", ["json", "jsonl"])
def test_a_record_without_items_is_skipped_and_kept(items: str, file_format: str) -> None:
    content = f"{json.dumps(ORDER)}\n{items}\n".encode()
    found = Found(content, replace(NESTED, file_format=file_format))
    assert found.skipped == [SkippedLine(2, 2, "no_items", items.encode())]
    assert (found.reader.tally.read, found.reader.tally.skipped, len(found.rows)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("lines", "detail"),
    [("5", "lines is a number instead of a list"), ("[{}, [1]]", "item 2 is a list instead of an object")],
)
def test_a_record_with_other_items_is_a_reject(lines: str, detail: str) -> None:
    content = f'[{json.dumps(ORDER)}, {{"id":1,"lines":{lines}}}]'.encode()
    [reject] = Found(content, NESTED).rejects
    assert (reject.row_number, reject.reason, reject.detail) == (2, "bad_json", detail)


def test_a_file_in_which_no_record_has_the_list_is_refused() -> None:
    with pytest.raises(FileRefused, match=r"no object has lines \(the list of items\)\. Found were: id, Lines"):
        Found(b'[{"id":1,"Lines":[{"sku":"a"}]}]', NESTED)


def test_new_keys_of_record_and_item_are_ignored_or_refused() -> None:
    content = json.dumps(ORDER).encode()
    ignoring = replace(NESTED, contract=Contract(on_new_column="ignore"))
    assert Found(content, ignoring).reader.ignored == ("note", "colour")
    with pytest.raises(FileRefused, match="line 1 has new keys, refused by on_new_column: refuse: note"):
        Found(content, replace(NESTED, contract=Contract(on_new_column="refuse")))


def test_undeclared_keys_that_differ_by_case_are_kept_as_they_are() -> None:
    found = Found(b'{"order_no":1,"amount":2,"id":"a","Id":7}')
    assert found.rows == [["1", "1", "2", '{"id":"a","Id":7}']]


def test_the_key_as_declared_goes_before_keys_that_mean_it_too() -> None:
    content = b'{"Order No":1,"order_no":2,"AMOUNT":3}{"order_no":4,"ORDER_NO":5,"amount":6}'
    assert Found(content).rows == [["1", "2", "3", '{"Order No":1}'], ["2", "4", "6", '{"ORDER_NO":5}']]


def test_utf_16_json_lines_are_read_line_by_line() -> None:
    feed = replace(FEED, file_format="jsonl", dialect=Dialect(encoding="utf-16"))
    content = '{"order_no":"ਊé","amount":1}\r\n\r\nno json\n{"order_no":"\ud800"}'.encode("utf-16", "surrogatepass")
    for size in (1, 2, 7, 1000):
        found = Found(content, feed, size)
        assert found.rows == [["1", "ਊé", "1", ""]]
        assert [(it.row_number, it.line_number, it.reason) for it in found.rejects] == [
            (3, 3, "bad_json"),
            (4, 4, "encoding"),
        ]
        for reject in found.rejects:
            assert content[reject.byte_offset :].startswith(reject.raw)
        assert (found.head, found.reader.tally.skipped) == (codecs.BOM_UTF16_LE, 1)
