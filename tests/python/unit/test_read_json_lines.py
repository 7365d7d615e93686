"""JSON Lines: values as they were written, exactly one outcome for every line, with any block size."""

import codecs
import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.read_json_lines import JsonLinesReader

COLUMNS = ("order_no", "amount")


FEED = Feed("shop", "lines", "raw", "shop__lines", "*", COLUMNS, file_format="jsonl")


def split(content: bytes, size: int = 1 << 20) -> tuple[bytes, list[Reject], Tally]:
    """Return all COPY data and rejects, with the content cut into blocks of `size` bytes."""
    reader = JsonLinesReader(FEED, 7)
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    assert reader.read_header(blocks).texts == list(COLUMNS)
    found = list(reader.read(blocks, ()))
    rejects = [reject for block in found for reject in block.rejects]
    return b"".join(block.copy_data for block in found), rejects, reader.tally


def rows(content: bytes, **options: int) -> list[list[str | None]]:
    """Return the values in the COPY data, without the file id."""
    data, _, _ = split(content, **options)
    # all values except NULL are quoted
    return [
        [None if field == "\0" else field for field in row][1:]
        for row in csv.reader(
            data.decode().replace(",,", ",\0,").replace(",,", ",\0,").replace(",\n", ",\0\n").splitlines()
        )
    ]


def test_columns_are_matched_by_normalised_key_and_the_rest_is_kept() -> None:
    content = b'{"Amount": 2.50, "Order No": "007", "till": {"no": 3}, "Paid": true}\n{"order_no":"8","AMOUNT":null}\n'
    assert rows(content) == [["1", "007", "2.50", '{"till":{"no":3},"Paid":true}'], ["2", "8", None, None]]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"tea"', "tea"), ('""', ""), ("0.10", "0.10"), ("1e3", "1e3"), ("-0", "-0"), ("1E+2", "1E+2"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("9" * 5000, "9" * 5000),
        ("true", "true"), ("false", "false"), ("null", None), ('{"a": [1.0, "x", null]}', '{"a":[1.0,"x",null]}'),
        ("[]", "[]"), (r'"caf\u00e9"', "café"), (r'"\ud83d\ude00"', "😀"), (r'["\ud83d\ude00"]', '["😀"]'),
    ],
)  # fmt: skip
def test_a_value_arrives_as_it_was_written(written: str, text: str | None) -> None:
    assert rows(f'{{"order_no":1,"amount":{written}}}'.encode()) == [["1", "1", text, None]]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'{"order_no": 1', "bad_json", "Expecting ',' delimiter, character 15 of the line"),
        (b"order_no", "bad_json", "Expecting value, character 1 of the line"),
        (b'{"order_no": 1} {}', "bad_json", "Extra data, character 17 of the line"),
        (b'{"order_no": NaN}', "bad_json", "NaN is not JSON"),
        (b'{"order_no": -Infinity}', "bad_json", "-Infinity is not JSON"),
        (b'{"order_no": 01}', "bad_json", "Expecting ',' delimiter"),
        (b"[1]", "bad_json", "a list instead of an object"),
        (b"12", "bad_json", "a number instead of an object"),
        (b'"x"', "bad_json", "a text instead of an object"),
        (b"null", "bad_json", "null instead of an object"),
        (b"[" * 200_000, "bad_json", "brackets are nested more than 200 levels deep"),
        (b'{"x": ' + b"[" * 200 + b"]" * 200 + b"}", "bad_json", "brackets are nested more than 200 levels deep"),
        (b'{"OrderNo":1,"Order No":2}', "bad_json", "the keys 'OrderNo' and 'Order No' both mean order_no"),
        (b'{"order_no":1,"order_no":1}', "bad_json", "the key 'order_no' is in one object twice"),
        (b'{"order_no":1,"x":{"a":1,"a":2}}', "bad_json", "the key 'a' is in one object twice"),
        (b'{"order_no":1,"x":1e999999}', "bad_json", "a number beyond what _extra can keep"),
        (b'{"order_no":"caf\xe9"}', "encoding", "byte 17 of the line (e9)"),
        (b'{"order_no":"\\ud800"}', "encoding", "half a character, written \\ud800"),
        (b'{"order_no":1,"x":{"\\ud800":1}}', "encoding", "half a character"),
        (b'{"order_no":"a\0b"}', "nul", "a NUL character, character 15 of the line"),
        (b'{"order_no":"a\\u0000b"}', "nul", "written \\u0000"),
        (b'{"order_no":1,"x":["\\u0000"]}', "nul", "written \\u0000"),
        (b'{"order_no":"\x01"}', "bad_json", "Invalid control character"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_loaded_is_kept_with_its_place(line: bytes, reason: str, detail: str) -> None:
    content = b'{"order_no":1,"amount":2}\n \r\n' + line + b'\r\n{"order_no":3}\n'
    data, (reject,), tally = split(content)
    assert (reject.reason, reject.raw) == (reason, line)
    assert detail in reject.detail
    assert (reject.row_number, reject.line_number, reject.byte_offset) == (3, 3, 29)
    assert (tally.loaded, tally.rejected, tally.skipped) == (2, 1, 1)
    assert data == b'7,1,"1","2",\n7,4,"3",,\n'


def test_an_escaped_backslash_is_no_nul() -> None:
    assert rows(rb'{"order_no":"\\u0000","amount":1}') == [["1", "\\u0000", "1", None]]


def test_a_byte_order_mark_and_a_missing_line_end_are_accepted() -> None:
    data, (reject,), _ = split(codecs.BOM_UTF8 + b'{"order_no":1,"amount":2}\nno json')
    assert (reject.byte_offset, reject.raw) == (29, b"no json")
    assert data == b'7,1,"1","2",\n'


def test_a_column_missing_in_every_object_refuses_the_file() -> None:
    with pytest.raises(FileRefused, match=r"no object has amount\. Found were: order_no, Sum\."):
        split(b'{"order_no":1,"Sum":2}\nno json\n{"Sum":2}\n')


def test_a_column_in_one_object_is_enough_even_if_null() -> None:
    assert rows(b'{"order_no":1}\n{"amount":null}\n') == [["1", "1", None, None], ["2", None, None, None]]


@pytest.mark.parametrize("content", [b"", b"\n \n", codecs.BOM_UTF8])
def test_a_file_without_objects_is_accepted(content: bytes) -> None:
    data, _, tally = split(content)
    assert (data, tally.loaded, tally.rejected) == (b"", 0, 0)


@pytest.mark.parametrize("size", [1 << 20, 1 << 16])
def test_a_line_over_the_record_limit_is_rejected_with_its_bytes(size: int) -> None:
    line = b'{"order_no":"' + b"x" * 1_100_000 + b'"}'
    _, (reject,), tally = split(b'{"order_no":1,"amount":2}\n' + line + b'\n{"order_no":3,"amount":4}\n', size)
    assert (reject.reason, reject.row_number, reject.raw) == ("too_long", 2, line)
    assert (tally.loaded, tally.rejected) == (2, 1)


def test_a_line_far_over_the_limit_refuses_the_file() -> None:
    with pytest.raises(FileRefused, match=r"longer than 16,777,216 bytes"):
        split(b'{"order_no":"' + b"x" * (17 << 20) + b'"}\n')


@given(
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b'{"order_no":1,"amount":2}', b"", b"{}", b'{"a":'])))
    .map(b"\n".join),
    st.integers(min_value=1, max_value=40),
)  # fmt: skip
def test_every_json_line_has_one_outcome_for_any_bytes_and_blocks(content: bytes, size: int) -> None:
    content += b'\n{"order_no":1,"amount":2}\n'
    whole = _, rejects, tally = split(content)
    assert split(content, size) == whole
    start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    lines = content[start:].removesuffix(b"\n").split(b"\n")
    assert tally.read == len(lines)
    for reject in rejects:
        assert content[reject.byte_offset :].startswith(reject.raw)
        assert lines[reject.line_number - 1].removesuffix(b"\r") == reject.raw


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_undeclared_keys_keep_their_delivered_value(value: object) -> None:
    line = json.dumps({"order_no": 1, "amount": 2, "kept": value})
    data, _, tally = split(line.encode())
    assert tally.loaded == 1
    [row] = (
        csv.reader([data.decode()], strict=True) if "\n" not in data.decode()[:-1] else [data.decode().split(",", 4)]
    )
    assert json.loads(row[4])["kept"] == value
