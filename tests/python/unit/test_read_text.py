"""The second reader alone: texts with known results, and texts that are not records."""

from typing import Any

import pytest

from sales_warehouse.feeds.declare import Dialect, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.read_text import TextReading
from sales_warehouse.verify.records import CannotRead, Record

Value = str | None


def read_again(
    content: str | bytes, rejects: list[Reject] | None = None, file_format: str = "csv", positions: Any = (),
    **dialect: Any,
) -> TextReading:  # fmt: skip
    feed = Feed(
        "shop", "lines", "raw", "shop__lines", "*", ("a", "b"), Dialect(**dialect), file_format=file_format,
        positions=positions,
    )  # fmt: skip
    data = content if isinstance(content, bytes) else content.encode(dialect.get("encoding", "utf-8"))
    blocks = iter([data[at : at + 3] for at in range(0, len(data), 3)])
    return TextReading(lambda: next(blocks, b""), feed, iter(rejects or []))


def values(content: str, **options: Any) -> list[list[Value] | str | None]:
    found = list(read_again(content, **options))
    assert all(isinstance(it, Record) for it in found)
    return [it.values or it.skipped_as for it in found if isinstance(it, Record)]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ('a,b\n"x ""y""",\n,""\n', {}, [['x "y"', None], [None, ""]]),
        ('a,b\r\n"1\r\n2",3\r\n', {}, [["1\r\n2", "3"]]),
        ("a,b\n1\r2,3\n\n", {}, [["1\r2", "3"], "blank"]),
        ("a<>b\n1<2<>>\n<>\n", {"delimiter": "<>"}, [["1<2", ">"], [None, None]]),
        ("a<>b\n'<>'<>''\n'o''k'<>x", {"delimiter": "<>", "quote": "'"}, [["<>", ""], ["o'k", "x"]]),
        ('a,b\n"1,"\n', {"quote": ""}, [['"1', '"']]),
        ('a,b\n\\"1\\,2\\\\,"\\""\n', {"escape": "\\"}, [['"1,2\\', '"']]),
        ('a,b\n"1\\\n2",3\n', {"escape": "\\"}, [["1\n2", "3"]]),
        ('a,b\n1"2,"3"\n', {"stray_quotes": "text"}, [['1"2', "3"]]),
        ('a||b\n1"2||"3"\n', {"stray_quotes": "text", "delimiter": "||"}, [['1"2', "3"]]),
        ('a,b\r1,"x\ry"\r2\n,3', {"line_end": "cr"}, [["1", "x\ry"], ["2\n", "3"]]),
        ("x\ny\na,b\n1,2\n", {"preamble_lines": 2}, ["preamble", "preamble", ["1", "2"]]),
        ("a,\n,b\n1,2\n", {"header_lines": 2}, [["1", "2"]]),
        ("1,2\n", {"header_lines": 0}, [["1", "2"]]),
        ('#\na,b\n#1\n"\n#",2\nT\n3,4', {"comment": "^#", "trailer": "T"},
         ["comment", "comment", ["\n#", "2"], "trailer", ["3", "4"]]),
        (" a\tb \n 1  2\n", {"file_format": "aligned"}, [["1", "2"]]),
        ("ab\n 1 22 x\n3    \n", {"file_format": "fixed", "positions": ((1, 2), (3, 5))},
         ["preamble", ["1", "22"], ["3", None]]),
        ("a,b\né,ß\n", {"encoding": "utf-16"}, [["é", "ß"]]),
    ],
)  # fmt: skip
def test_texts_with_known_answers_are_read_right(
    content: str, options: dict[str, Any], expected: list[list[Value] | str]
) -> None:
    assert values(content, **options) == expected


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ('a,b\n1,2\n"3,4\n5,6\n', {}, "unexpected end of data"),
        ('a,b\n1,2\n"3"x,4\n', {}, "expected after"),
        ('a||b\n1||2\n"3||4\n5||6\n', {"delimiter": "||"}, "a quote is never closed"),
        ('a||b\n1||2\n"3"x||4\n', {"delimiter": "||"}, "text follows the closing quote of field 1"),
        ('a||b\n1||2\n3||4"5\n', {"delimiter": "||"}, "a quote is inside field 2"),
        ('a,b\n1,2\n"3""4",5\n', {"escape": "\\"}, "text follows the closing quote of field 1"),
        ("a,b\n1,2\n3,\\n\n", {"escape": "\\"}, "an escape precedes n"),
        ("a,b\n1,2\n3,4\\\n", {"escape": "\\"}, "precedes the end of the line"),
        (b"a,b\n1,2\n3,\xff\n", {}, "can't decode byte 0xff"),
    ],
)
def test_an_invalid_record_stops_the_reading_at_its_line(
    content: str | bytes, options: dict[str, Any], words: str
) -> None:
    reading = read_again(content, **options)
    found = []
    with pytest.raises(CannotRead, match=words) as caught:
        found += [next(rows) for rows in [iter(reading)] for _ in range(2)]
    assert caught.value.line_number == 3
    assert reading.row_number == 2


def test_a_file_without_its_header_cannot_be_read() -> None:
    for content, options in (("", {}), ("x\n", {"preamble_lines": 3}), ("a,b\n", {"header_lines": 2})):
        with pytest.raises(CannotRead, match="there is no header"):
            read_again(content, **options)


def test_rejects_are_read_at_their_ledger_offset_with_their_row_number() -> None:
    reject = Reject(2, 3, 8, "unbalanced_quote", "", b'"3,4')
    first, second, third = read_again('a,b\n1,2\n"3,4\n5,6\n', [reject])
    assert (first.row_number, second.row_number, third.row_number) == (1, 2, 3)
    assert (second.line_number, second.raw) == (3, b'"3,4')
    assert isinstance(third, Record) and third.values == ["5", "6"]
