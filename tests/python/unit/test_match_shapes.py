"""An object that is matched by its shape gives the same rows as one that is read in full, or is read in full."""

import json
import re
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Contract, Dialect, Feed, Nesting, Topic
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers import match_shapes
from sales_warehouse.load.readers.match_shapes import ShapeMatcher
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.load.readers.read_json_lines import JsonLinesReader
from sales_warehouse.stream.decode import choose_picker
from sales_warehouse.stream.decoders.choose import Decode
from sales_warehouse.stream.messages import Message
from sales_warehouse.stream.read_messages import Batch, MessageReader, RowFront

FEED = Feed(
    "shop", "lines", "raw", "shop__lines", "kafka://main/orders", ("id", "sku", "no"),
    contract=Contract(optional=("id", "sku", "no"), aliases=(("no", ("Number",)),)),
    file_format="json", topic=Topic("main", "orders"),
)  # fmt: skip
NESTINGS = [
    Nesting(),
    Nesting(paths=(("sku", ("box", "x")),)),
    Nesting(items=("lines",)),
    Nesting(items=("lines",), paths=(("id", ("id",)), ("no", ("lines", "x")), ("sku", ("lines", "box", "sku")))),
    Nesting(items=("box", "lines"), paths=(("no", ("box", "no")),)),
]
PLAIN: list[Any] = ["", "a", "é, ü", "%b", "true", "null", "7", None, True, False]
PLAIN += [{"number": text} for text in ("0", "-0", "1.50", "-17", "9" * 400)]
ODD: list[Any] = [
    "\x7f0\x7f",
    '"',
    "\\",
    "}\n",
    "\0",
    "\ud800",
    *({"number": it} for it in ("1e3", "2.5E-7", "1E400000")),
]
KEYS = st.sampled_from(["id", "Id", "sku", "no", "Number", "lines", "x", "box", "é", "%b", "\x7f1\x7f"])
SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.just("value"), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
ITEMS = st.lists(st.dictionaries(KEYS, SHAPES, max_size=3), max_size=3)
OBJECTS = st.dictionaries(KEYS, SHAPES, max_size=6) | st.builds(
    lambda it, lines: {**it, "lines": lines, "box": {"lines": lines, "x": "value"}},
    st.dictionaries(KEYS, SHAPES, max_size=3), ITEMS,
)  # fmt: skip


def fill(shape: Any, dice: Random, oddity: float) -> Any:
    """Return a shape with values; `oddity` is the share of those that must be read in full."""
    if isinstance(shape, dict):
        return {key: fill(inner, dice, oddity) for key, inner in shape.items()}
    if isinstance(shape, list):
        return [fill(inner, dice, oddity) for inner in shape]
    return dice.choice(ODD if dice.random() < oddity else PLAIN)


def write(value: Any, is_ascii: bool, blank: str) -> str:
    """Return the JSON of a value, with numbers as they are written."""
    if isinstance(value, dict) and value.keys() == {"number"}:
        return str(value["number"])
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key)}:{blank}{write(inner, is_ascii, blank)}" for key, inner in value.items()]
        return "{" + f",{blank}".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + f",{blank}".join(write(inner, is_ascii, blank) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=is_ascii)


def read_fields(row: bytes) -> list[str | None]:
    """Return the fields of a row as COPY reads them: NULL only without quotes."""
    text = row.decode() + ","
    fields: list[str | None] = []
    place = 0
    while place < len(text):
        found = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*)),').match(text, place)
        assert found, text
        fields.append((found[2] or None) if found[1] is None else found[1].replace('""', '"'))
        place = found.end()
    return fields


def read(feed: Feed, values: list[bytes], in_full: bool) -> tuple[Any, ...]:
    """Return the rows, rejects, skipped messages and figures of messages."""
    reader = MessageReader(feed)
    if in_full:
        reader._shapes = None
    rows, batch = write_rows(reader, values)
    return [read_fields(row) for row in rows], batch.rejects, batch.skipped, batch.tally


def write_rows(reader: MessageReader, values: list[bytes]) -> tuple[list[bytes], Batch]:
    """Return the rows of messages, and what else was read of them."""
    batch = reader.begin([Message(offset, value) for offset, value in enumerate(values)])
    data = b"".join(reader.write(batch, RowFront(1, 0, "orders", 0)))
    return [row for row in re.split(rb'\n(?=1,[0-9]+,"orders",0,|$)', data) if row], batch


@given(
    st.lists(OBJECTS, min_size=1, max_size=3), st.sampled_from(NESTINGS), st.sampled_from(["add", "ignore", "refuse"]),
    st.sampled_from(["", " ", "\n "]), st.booleans(), st.integers(0, 10**9),
)  # fmt: skip
def test_messages_of_a_known_shape_give_what_those_read_in_full_give(
    shapes: list[Any], nesting: Nesting, on_new_column: str, blank: str, is_ascii: bool, seed: int
) -> None:
    feed = replace(FEED, nesting=nesting, contract=replace(FEED.contract, on_new_column=on_new_column))
    dice = Random(seed)
    values = [
        write(fill(dice.choice(shapes), dice, oddity), is_ascii, blank).encode("utf-8", "surrogatepass")
        for oddity in (0, 0, 0, 0.2, 0.2, 0)
    ]
    assert read(feed, values, in_full=False) == read(feed, values, in_full=True)


@given(st.binary(max_size=40), st.sampled_from(NESTINGS))
def test_random_bytes_in_a_known_shape_give_what_those_read_in_full_give(inside: bytes, nesting: Nesting) -> None:
    feed = replace(FEED, nesting=nesting)
    sample = b'{"id":1,"sku":"a","lines":[{"x":true}],"box":{"x":null,"lines":[]}}'
    values = [sample]
    for mark in (b"1", b'"a"', b"a", b"true", b"null"):
        values += [sample.replace(mark, inside, 1), sample.replace(mark, b'"' + inside + b'"', 1)]
    assert read(feed, values, in_full=False) == read(feed, values, in_full=True)


LINES = replace(FEED, location="*", file_format="jsonl", topic=None)


def read_lines(feed: Feed, content: bytes, size: int, in_full: bool) -> tuple[Any, ...]:
    """Return the rows, rejects, skipped lines and figures of JSON Lines; only the message of a refused file."""
    reader = JsonLinesReader(feed, 7)
    reader.put_in_front({"folder": "x"})
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    reader.read_header(blocks)
    if in_full:
        reader._shapes = None
    try:
        read = list(reader.read(blocks, ()))
    except FileRefused as refused:
        return (refused.message,)
    rows = read_fields(b"".join(block.copy_data for block in read).replace(b"\n", b",\x1f,").removesuffix(b","))
    rejects = [reject for block in read for reject in block.rejects]
    skipped = [line for block in read for line in block.skipped]
    return rows, rejects, skipped, reader.tally, reader.ignored, reader.missing


@given(
    st.lists(OBJECTS, min_size=1, max_size=3), st.sampled_from(NESTINGS), st.sampled_from(["add", "ignore", "refuse"]),
    st.tuples(st.sampled_from(["", " "]), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"])),
    st.integers(20, 1_000), st.integers(0, 10**9),
)  # fmt: skip
def test_lines_of_a_known_shape_give_what_those_read_in_full_give(
    shapes: list[Any], nesting: Nesting, on_new_column: str, layout: tuple[str, bool, str], size: int, seed: int
) -> None:
    blank, is_ascii, line_end = layout
    contract = replace(FEED.contract, on_new_column=on_new_column, optional=("id", "sku"))
    feed = replace(LINES, nesting=nesting, contract=contract)
    dice = Random(seed)
    lines = [write(fill(dice.choice(shapes), dice, oddity), is_ascii, blank) for oddity in (0, 0, 0, 0.2, 0.2, 0, 0)]
    content = line_end.join(lines).encode("utf-8", "surrogatepass")
    assert read_lines(feed, content, size, in_full=False) == read_lines(feed, content, size, in_full=True)


@given(st.binary(max_size=40), st.sampled_from(NESTINGS))
def test_random_bytes_in_lines_give_what_those_read_in_full_give(inside: bytes, nesting: Nesting) -> None:
    feed = replace(LINES, nesting=nesting)
    sample = b'{"id":1,"sku":"a","lines":[{"x":true}],"box":{"x":null,"lines":[]}}'
    lines = [sample]
    for mark in (b"1", b'"a"', b"a", b"true", b"null"):
        lines += [sample.replace(mark, inside, 1), sample, sample.replace(mark, b'"' + inside + b'"', 1)]
    content = b"\n".join(lines)
    assert read_lines(feed, content, 1 << 20, in_full=False) == read_lines(feed, content, 1 << 20, in_full=True)


def test_one_line_of_a_shape_is_read_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, readings = replace(LINES, nesting=NESTINGS[3]), count()
    read_in_full = JsonLinesReader._read_line
    monkeypatch.setattr(JsonLinesReader, "_read_line", lambda *given: (next(readings), read_in_full(*given))[1])
    line = b'{"id":%d,"lines":[{"x":1,"box":{"sku":"a"}}]}\r\n'
    content = b"".join(line % number for number in range(1_000))
    assert read_lines(feed, content, 1 << 10, in_full=False)[3].loaded == 1_000
    assert next(readings) == 1
    read_lines(replace(feed, dialect=Dialect(encoding="latin-1")), content, 1 << 10, in_full=False)
    assert next(readings) == 1 + 1_000 + 1  # its bytes are no UTF-8


def test_shapes_are_learned_again_after_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = count()
    learn = match_shapes._learn
    monkeypatch.setattr(match_shapes, "_learn", lambda *given: (next(learned), learn(*given))[1])
    content = b"".join(b'{"id":1,"sku":"a","no":3,"k%d":2}\n' % number for number in range(10_000))
    read_lines(LINES, content * 2, 1 << 10, in_full=False)
    assert next(learned) == 2 * match_shapes._TRIES


def count_full_readings(feed: Feed, values: list[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many of the messages were read in full."""
    reader, readings = MessageReader(feed), count()
    decode: Decode = reader._decode
    monkeypatch.setattr(reader, "_decode", lambda value: (next(readings), decode(value))[1])
    write_rows(reader, values)
    return next(readings)


def test_one_message_of_a_shape_is_read_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = replace(FEED, nesting=NESTINGS[3])
    orders = [
        b'{"id":%d,"lines":[%b],"note":null}' % (number, b",".join([b'{"x": 1.50,"box":{"sku":"a"},"y":"b"}'] * lines))
        for number, lines in enumerate([1, 2, 3] * 20)
    ]
    assert count_full_readings(feed, orders, monkeypatch) == 3
    assert count_full_readings(feed, [*orders, b'{"id":"\\u00e9"}', b'{"id":1e3}'] * 2, monkeypatch) == 3 + 4


def test_a_sender_of_ever_new_shapes_has_few_of_them_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = count()
    learn = match_shapes._learn
    monkeypatch.setattr(match_shapes, "_learn", lambda *given: (next(learned), learn(*given))[1])
    values = [b'{"id":1,"k%d":2}' % number for number in range(1_000)]
    assert count_full_readings(FEED, values, monkeypatch) == 1_000
    assert 0 < next(learned) < 50


def test_a_shape_that_depends_on_its_values_is_not_learned() -> None:
    matcher = ShapeMatcher(choose_picker(replace(FEED, nesting=Nesting(items=("lines",)))))
    value = b'{"id":1,"lines":null}'  # no items; a text there would be a reject
    matcher.learn(value)
    assert matcher.match(value) is None
    with pytest.raises(Unfit, match="bad_json"):
        choose_picker(replace(FEED, nesting=Nesting(items=("lines",))))('{"id":1,"lines":"a"}')


def test_a_key_that_looks_like_a_mark_is_no_mark() -> None:
    values = [b'{"id":"%d","\x7f0\x7f":"b","sku":"\x7f0\x7f"}' % number for number in range(3)]
    assert read(FEED, values, in_full=False) == read(FEED, values, in_full=True)


@pytest.mark.parametrize(
    "token", ["01", "1.", "-", "+1", ".5", "1e3", "1E400000", "NaN", "tru", "nullnull", '"a', "'a'"]
)
def test_what_is_no_plain_value_is_read_in_full(token: str) -> None:
    values = [b'{"id":1,"sku":"a","x":2}']
    for name in (b"1", b'"a"', b"2"):
        values.append(values[0].replace(name, token.encode()))
    assert read(FEED, values, in_full=False) == read(FEED, values, in_full=True)
