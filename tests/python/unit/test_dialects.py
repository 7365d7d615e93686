"""Every valid dialect: written values are read back unchanged, and with any bytes every line has one outcome."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sales_warehouse.feeds.declare import Dialect, Feed, RecordTypes
from sales_warehouse.feeds.validate import Options
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.load.readers.grammar import COPY_DELIMITER, COPY_QUOTE
from sales_warehouse.verify.read_text import TextReading
from sales_warehouse.verify.records import RejectPlace

Value = str | None
COLUMNS = ("a", "b", "c")
property_test = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Read:
    """The result of reading one file."""

    header: list[str]
    rows: dict[int, list[Value]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    skipped: list[SkippedLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def make_feed(
    file_format: str = "csv", columns: tuple[str, ...] = COLUMNS, positions: Any = (), **dialect: Any
) -> Feed:
    return Feed(
        source="shop",
        name="lines",
        schema="raw",
        identifier="shop__lines",
        location="*",
        columns=columns,
        dialect=Dialect(**dialect),
        file_format=file_format,
        positions=positions,
    )


def read(content: bytes, feed: Feed, block: int | None = None) -> Read:
    """Read the content as the loader does, block by block, and compare the second reading with it."""
    size = block or max(len(content), 1)
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    reader = choose_reader(feed, 7)
    result = Read(reader.read_header(blocks).texts, tally=reader.tally)
    copied = []
    for one in reader.read(blocks, [True] * len(result.header)):
        copied.append(one.copy_data)
        result.rejects += one.rejects
        result.skipped += one.skipped
    delimiter, quote = reader.grammar.copy_delimiter, reader.grammar.copy_quote
    result.rows = read_copy_data(b"".join(copied), delimiter, quote)
    if reader.is_plain_text:  # COPY's text format must give the same rows
        lines = b"".join(copied).split(b"\n")[:-1]
        as_text = [[value.decode() or None for value in line.split(delimiter)] for line in lines]
        assert {int(row[1] or 0): row[2:] for row in as_text} == result.rows
    assert len(result.rows) == result.tally.loaded
    assert len(result.rejects) == result.tally.rejected
    if block is None:
        compare_second_reading(content, feed, result)
    return result


def compare_second_reading(content: bytes, feed: Feed, result: Read) -> None:
    """Read the content as `verify` does, around the same rejects."""
    blocks = iter([content])
    reading = TextReading(lambda: next(blocks, b""), feed, iter(result.rejects))
    rows, rejected, skipped = {}, [], 0
    for found in reading:
        if isinstance(found, RejectPlace):
            assert (found.raw, found.fits_reason) == (found.booked.raw, True)
            rejected.append(found.row_number)
        elif found.values is None:
            skipped += found.row_number is not None
        else:
            assert found.problem is None
            rows[found.row_number] = found.values
    assert rows == result.rows
    assert rejected == [reject.row_number for reject in result.rejects]
    assert skipped == result.tally.skipped


def read_copy_data(data: bytes, delimiter: bytes, quote: bytes) -> dict[int, list[Value]]:
    """Read COPY's CSV as the server does: a quote anywhere opens and closes, an unquoted empty value is NULL."""
    d, q = re.escape(delimiter), re.escape(quote)
    one = re.compile(b"(?:%b((?:[^%b]|%b%b)*)%b|([^%b%b\r\n]*))(%b|\n)" % (q, q, q, q, q, q, d, d), re.DOTALL)
    rows: dict[int, list[Value]] = {}
    row: list[Value] = []
    at = 0
    while at < len(data):
        found = one.match(data, at)
        assert found is not None, data[at : at + 80]
        quoted, plain, end = found.groups()
        row.append(plain.decode() or None if quoted is None else quoted.replace(quote * 2, quote).decode())
        at = found.end()
        if end == b"\n":
            assert row[0] == "7"
            rows[int(row[1] or 0)] = row[2:]
            row = []
    assert not row
    return rows


Draw = Callable[[st.SearchStrategy[Any]], Any]


def draw_simplest(strategy: st.SearchStrategy[Any]) -> Any:
    """Draw no blanks, no text for NULL and all fields."""
    return {BLANKS: "", YES_OR_NO: False}[strategy]


BLANKS = st.text([" ", "\t"], max_size=2)
YES_OR_NO = st.booleans()


def write_record(values: list[Value], dialect: Dialect, draw: Draw = draw_simplest) -> str:
    """Write values as a sender of this dialect does: empty text in quotes, NULL without."""
    quote, escape, delimiter = dialect.quote, dialect.escape, dialect.delimiter
    free = {blank for blank in " \t" if dialect.blanks == "delimiter" and blank not in f"{delimiter}{quote}{escape}"}

    def write(value: Value) -> str:
        if value is None:
            return dialect.null_text[0] if dialect.null_text and draw(YES_OR_NO) else ""
        if not quote:
            marks = [escape, *delimiter] if escape else []
            return "".join(f"{escape}{letter}" if letter in marks else letter for letter in value)
        if escape:
            marked = value.replace(escape, escape * 2).replace(quote, escape + quote)
        else:
            marked = value.replace(quote, quote * 2)
        needs = not value or any(mark in value for mark in (quote, escape or quote, delimiter[0], "\n", "\r"))
        needs = needs or value in dialect.null_text or value.strip("".join(free)) != value
        return quote + marked + quote if needs else value

    def pad(text: str) -> str:
        around = [draw(BLANKS) for _ in "ab"] if free else ["", ""]
        before, behind = ("".join(blank for blank in blanks if blank in free) for blanks in around)
        return before + text + behind

    fields = [pad(write(value)) for value in values]
    if dialect.short_records == "null" and not any("\n" in field or "\r" in field for field in fields):
        while len(fields) > 1 and values[len(fields) - 1] is None and fields[-2].strip(" \t") and draw(YES_OR_NO):
            fields.pop()
    if dialect.trailing_delimiter == "ignore" and draw(YES_OR_NO):
        fields.append(pad(""))
    return delimiter.join(fields)


DIALECTS = {
    "several characters": {"delimiter": "||"},
    "comma and blank": {"delimiter": ", "},
    "letters in the delimiter": {"delimiter": "<x>", "quote": "'"},
    "overlapping": {"delimiter": "aba!"},
    "tab without quotes": {"delimiter": "\t", "quote": ""},
    "tab without quotes, escaped": {"delimiter": "\t", "quote": "", "escape": "\\"},
    "escape": {"escape": "\\"},
    "escape of two bytes": {"escape": "§", "delimiter": "¦"},
    "stray quotes are text": {"stray_quotes": "text"},
    "carriage returns": {"line_end": "cr"},
    "carriage returns, escape, several characters": {"line_end": "cr", "escape": "^", "delimiter": "::"},
    "utf-16": {"encoding": "utf-16", "delimiter": "||"},
    "utf-16, carriage returns": {"encoding": "utf-16", "line_end": "cr"},
    "cp1252": {"encoding": "cp1252", "delimiter": "§§"},
    "control characters": {"delimiter": "\x1f", "quote": "\x1e"},
    "the quotes used for COPY": {"delimiter": "\x1e\x1e", "quote": "\x1f"},
}  # fmt: skip


LENIENT = [
    {},
    {"short_records": "null"},
    {"blanks": "delimiter"},
    {"trailing_delimiter": "ignore"},
    {"short_records": "null", "blanks": "delimiter", "trailing_delimiter": "ignore"},
]


@st.composite
def any_dialect(draw: st.DrawFn) -> Dialect:
    """Generate any valid dialect, from so few characters that they collide."""
    marks = [",", ";", "|", "\t", " ", "\\", "'", '"', "^", ".", "§", "\x1e", "\x1f"]
    options = {
        "delimiter": draw(st.text([*marks, "a"], min_size=1, max_size=3)),
        "quote": draw(st.sampled_from(["", '"', *marks])),
        "escape": draw(st.none() | st.sampled_from(marks)),
        "stray_quotes": draw(st.sampled_from(["reject", "text"])),
        "line_end": draw(st.sampled_from(["lf", "cr"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-16", "cp1252"])),
        "null_text": draw(st.sampled_from([[], [], ["\\N"], ["-"]])),
        **draw(st.sampled_from(LENIENT)),
    }
    if any(mark in text for text in options["null_text"] for mark in [*options["delimiter"], options["quote"] or "N"]):
        options["null_text"] = []
    try:
        return Options.model_validate({key: value for key, value in options.items() if value is not None}).dialect()
    except ValidationError:
        assume(False)
        raise


@given(dialect=any_dialect(), data=st.data())
@settings(property_test, max_examples=1000)
def test_any_table_written_in_any_dialect_comes_back_equal(dialect: Dialect, data: st.DataObject) -> None:
    check_round_trip(dialect, data)


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
@settings(property_test, max_examples=40)
def test_any_table_written_in_a_common_dialect_comes_back_equal(name: str, data: st.DataObject) -> None:
    check_round_trip(Dialect(**DIALECTS[name]), data)  # type: ignore[arg-type]


def check_round_trip(dialect: Dialect, data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"])) if dialect.line_end == "lf" else "\r"
    letters = [*"ab ,;'\"\\\x1e\x1f.", *dialect.delimiter, dialect.quote or "q", dialect.escape or "e", "é", "\n", "\r"]
    values = st.text("".join(letters), max_size=5)
    if not dialect.quote:  # a line end cannot be written, an empty text is NULL, and a delimiter needs an escape
        forbidden = "\n\r" + ("" if dialect.escape else dialect.delimiter)
        free = " \t" if dialect.blanks == "delimiter" else ""
        values = st.text(set(letters) - set(forbidden), min_size=1, max_size=5)
        values = values.filter(lambda text: text not in dialect.null_text and text.strip(free) == text)
    elif dialect.null_text:
        values |= st.sampled_from(dialect.null_text)
    table = data.draw(st.lists(st.lists(st.none() | values, min_size=3, max_size=3), max_size=8))
    header = list(COLUMNS)
    lines = [write_record(values, dialect, data.draw) for values in [header, *table]]
    if dialect.encoding.startswith("utf") and data.draw(st.booleans()):  # each record from a file of its own
        lines = [lines[0], *(f"\ufeff{line}" for line in lines[1:])]
    content = end.join([*lines, ""]).encode(dialect.encoding)
    feed = replace(make_feed(), dialect=dialect)
    for block in (None, data.draw(st.integers(1, 9))):
        result = read(content, feed, block)
        assert result.header == header
        assert result.rejects == []
        assert list(result.rows.values()) == table


@given(data=st.data())
@settings(property_test, max_examples=100)
def test_any_table_in_columns_comes_back_equal(data: st.DataObject) -> None:
    word = st.text(["a", "1", "é", '"', ",", "\\", "\x1e", "\x1f", "."], min_size=1, max_size=4)
    table = data.draw(st.lists(st.lists(word, min_size=3, max_size=3), max_size=6))
    blanks = st.text([" ", "\t"], min_size=1, max_size=3)
    aligned = [data.draw(blanks) + "".join(value + data.draw(blanks) for value in row) for row in table]
    content = "\n".join(["a b c", *aligned]).encode()
    assert list(read(content, make_feed("aligned"), data.draw(st.integers(1, 9))).rows.values()) == table
    some = data.draw(st.lists(st.lists(st.none() | word, min_size=3, max_size=3).filter(any), max_size=6))
    fixed = ["".join((value or "").ljust(5) for value in row) for row in some]
    feed = make_feed("fixed", positions=((1, 5), (6, 10), (11, 15)), header_lines=0)
    assert list(read("\n".join(fixed).encode(), feed, data.draw(st.integers(1, 9))).rows.values()) == some
    encoding = data.draw(st.sampled_from(["utf-8", "cp1252", "cp932", "gb18030"]))
    letters = st.text([letter for letter in "a1é€茶ｱ-" if letter in letter.encode(encoding, "ignore").decode(encoding)])
    texts = st.none() | letters.filter(lambda text: 0 < len(text.encode(encoding)) < 8)
    some = data.draw(st.lists(st.lists(texts, min_size=3, max_size=3).filter(any), max_size=6))
    content = b"".join(b"".join((value or "").encode(encoding).ljust(8) for value in row) + b"\n" for row in some)
    feed = make_feed(
        "fixed", positions=((1, 8), (9, 16), (17, 24)), header_lines=0, encoding=encoding, bytes_of=encoding,
        on_encoding_drift="warn",
    )  # fmt: skip
    for block in (None, data.draw(st.integers(1, 9))):
        assert list(read(content, feed, block).rows.values()) == some


@given(data=st.data())
@settings(property_test, max_examples=100)
def test_any_orders_and_lines_come_back_with_the_columns_of_their_order(data: st.DataObject) -> None:
    dialect = replace(Dialect(**DIALECTS[data.draw(st.sampled_from([*DIALECTS]))]), header_lines=0)  # type: ignore[arg-type]
    values = st.none() | st.text('ab,"HD', min_size=1, max_size=3)
    order = st.tuples(values, st.lists(values, max_size=3))
    orders = data.draw(st.lists(order, max_size=4))
    end = dialect.line_end_text
    lines, expected = [], []
    for number, (key, articles) in enumerate(orders):
        lines.append(write_record(["H", str(number), key, "x"], dialect))
        lines += [write_record(["D", article], dialect) for article in articles]
        expected += [["D", article, key] for article in articles]
    types = RecordTypes("^D", "^H", (("c", (3, 3)),))
    feed = replace(make_feed(), dialect=replace(dialect, record_types=types))
    content = "".join(line + end for line in lines).encode(dialect.encoding)
    for block in (None, data.draw(st.integers(1, 9))):
        result = read(content, feed, block)
        assert (list(result.rows.values()), result.rejects) == (expected, [])
        assert result.tally.skipped == len(orders)


FORMATS: dict[str, Feed] = {
    **{name: replace(make_feed(), dialect=Dialect(**dialect)) for name, dialect in DIALECTS.items()},  # type: ignore[arg-type]
    "plain": make_feed(),
    "comments and a trailer": make_feed(comment="^#", trailer="^T,", preamble_lines=1),
    "no header": make_feed(header_lines=0),
    "header of two lines": make_feed(header_lines=2, comment="^#"),
    "aligned": make_feed("aligned", header_lines=0),
    "fixed": make_feed("fixed", positions=((1, 3), (5, 5), (6, 8)), header_lines=0),
    "fixed in bytes": make_feed("fixed", positions=((1, 1), (3, 4), (5, 6)), header_lines=0, bytes_of="utf-8"),
    "fixed in bytes, short": make_feed(
        "fixed", positions=((1, 1), (3, 4), (5, 6)), header_lines=0, bytes_of="cp932", encoding="cp932",
        short_records="null",
    ),
    "aligned, short": make_feed("aligned", header_lines=0, short_records="null", null_text=("ab",)),
    "short": make_feed(short_records="null", comment="^#"),
    "all lenient": make_feed(short_records="null", blanks="delimiter", trailing_delimiter="ignore", null_text=("ab",)),
    "lenient, several characters": make_feed(
        delimiter="||", escape="\\", blanks="delimiter", trailing_delimiter="ignore", null_text=("\\N", "ab")
    ),
    "record types": make_feed(
        record_types=RecordTypes("^ab", "^T", (("c", (2, 2)),), "^#"), header_lines=0, comment="^##"
    ),
    "record types of columns": make_feed(
        "fixed", positions=((1, 3), (4, 5)), header_lines=0,
        record_types=RecordTypes("^ab", "^T", (("c", (2, 4)),), "^#"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@property_test
def test_rejects_skipped_and_loaded_records_add_up_to_the_file(name: str, data: st.DataObject) -> None:
    feed = FORMATS[name]
    dialect = feed.dialect
    marks = [
        dialect.delimiter,
        dialect.quote or "'",
        dialect.escape or "\\",
        "\n",
        "\r",
        "#",
        "T,",
        "ab",
        " ",
        "\0",
        "é",
    ]
    pieces = st.sampled_from([mark.encode(dialect.encoding, "replace") for mark in marks]) | st.binary(max_size=2)
    content = b"".join(data.draw(st.lists(pieces, max_size=30)))
    if feed.file_format == "csv" and dialect.header_lines:
        head = "\n".join(
            [*["x"] * dialect.preamble_lines, *[dialect.delimiter.join(COLUMNS)] * dialect.header_lines, ""]
        )
        content = (head.replace("\n", "\r") if dialect.line_end == "cr" else head).encode(dialect.encoding) + content
    try:
        whole = read(content, feed)
    except FileRefused:
        with pytest.raises(FileRefused):
            read(content, feed, data.draw(st.integers(1, 7)))
        return
    cut = read(content, feed, data.draw(st.integers(1, 7)))
    assert cut == whole
    # every reject and every skipped line is in the file where the ledger says, and nothing has two outcomes
    numbers = [*whole.rows, *(reject.row_number for reject in whole.rejects)]
    numbers += [line.row_number for line in whole.skipped if line.row_number is not None]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(1, whole.tally.read + 1))
    for reject in whole.rejects:
        assert content[reject.byte_offset :].startswith(reject.raw)
    for line in whole.skipped:
        assert line.raw in content


@pytest.mark.parametrize(
    ("feed", "content", "rows", "rejects"),
    [
        (make_feed(escape="\\"), r'a,b,c~"x\"y",\,\,,"\\"~', [['x"y', ",,", "\\"]], []),
        (make_feed(escape="\\"), r'a,b,c~1,\N,3~4,"\t",6~7,8,9\~', [], ["stray_escape"] * 3),
        (make_feed(escape="\\"), "a,b,c~8\\'9,2,3~é,\\é,3~", [], ["stray_escape"] * 2),
        (make_feed(escape="\\"), 'a,b,c~"x""y",2,3~', [], ["stray_quote"]),
        (make_feed(escape="\\"), 'a,b,c~"1\\~2",3,4~', [["1\n2", "3", "4"]], []),
        (make_feed(stray_quotes="text"), 'a,b,c~5",6 "x",7~"8"9,1,2~', [['5"', '6 "x"', "7"]], ["stray_quote"]),
        (make_feed(quote="", delimiter="\t"), 'a\tb\tc~"1\t2"\t3~', [['"1', '2"', "3"]], []),
        (make_feed(delimiter="||"), 'a||b||c~1|||2||3~"||"||""||~', [["1", "|2", "3"], ["||", "", None]], []),
        (make_feed(header_lines=0), "1,2,3~4,5~", [["1", "2", "3"]], ["too_few_fields"]),
        (make_feed(line_end="cr"), 'a,b,c\r"1\n\r",2\n,3\r', [["1\n\r", "2\n", "3"]], []),
        (make_feed("aligned"), " a  b\tc~ 1   2  3 ~~1 2~  ~1 2 3 4~", [["1", "2", "3"]],
         ["too_few_fields", "too_many_fields"]),
        (make_feed("fixed", positions=((1, 3), (5, 5), (6, 8))),
         "header~ é  x y  ~  ~ab xyz  ~abc xyzab~abc~abc xyz~   |  y ~",
         [["é", "x", "y"], ["ab", "y", "z"], [None, None, "y"]],
         ["too_many_fields", "too_few_fields", "too_few_fields"]),
        (make_feed("fixed", positions=((1, 3), (5, 5), (6, 8)), short_records="null"),
         "header~abc xyz~a~abc xyzabd~", [["abc", "x", "yz"], ["a", None, None]], ["too_many_fields"]),
        (make_feed("fixed", positions=((1, 2), (3, 4), (5, 6)), bytes_of="utf-8"),
         "header~ééxxyy~éaayy~aaéyy~12éy~aéyyzz~", [["é", "aa", "yy"], ["aa", "é", "yy"]],
         ["too_many_fields", "too_few_fields", "split_character"]),
        (make_feed(null_text=("\\N", "-"), escape="\\"), 'a,b,c~\\N,"-",-~x\\,\\N,2~-1,-\\,\\\\~',
         [[None, "-", None], ["-1", "-,\\", "2"]][:1], ["stray_escape", "too_few_fields"]),
        (make_feed(short_records="null"), 'a,b,c~1~"x"~"1~2"~1,2,3,4~', [["1", None, None], ["x", None, None]],
         ["unbalanced_quote", "unbalanced_quote", "too_many_fields"]),
        (make_feed(blanks="delimiter"), 'a, b ,"c" ~ 1, "x, y" ,\t5.0 0 ~" 1 ",,"" ~ \t ~1, "x"y,3~',
         [["1", "x, y", "5.0 0"], [" 1 ", None, ""]], ["stray_quote"]),
        (make_feed(trailing_delimiter="ignore"), 'a,b,c~1,2,3,~1,2,3~"1~",2,3,~1,2,3,""~1,2,3,4~',
         [["1", "2", "3"], ["1", "2", "3"], ["1\n", "2", "3"]], ["too_many_fields"] * 2),
        (make_feed("aligned", null_text=("-",), short_records="null"), "a b c~- 1 -1~2~",
         [[None, "1", "-1"], ["2", None, None]], []),
    ],
)  # fmt: skip
def test_records_of_a_dialect_read_as_declared(
    feed: Feed, content: str, rows: list[list[Value]], rejects: list[str]
) -> None:
    result = read(content.replace("~", "\n").encode(), feed)
    assert list(result.rows.values()) == rows
    assert [reject.reason for reject in result.rejects] == rejects


H_AND_D = RecordTypes(r"^D\|", "^H", (("c", (2, 2)),), r"^T\|")


def test_records_take_fields_of_the_header_record_in_front_of_them() -> None:
    feed = make_feed(delimiter="|", header_lines=0, record_types=H_AND_D)
    content = b'D|0\nH|"a\nb"|x\nD|1\nD|"2\nH|3"\n\nH\nD|4\nT|"\nE|5"\nX|6\nH||y\nD|7\nH|""\nD|8\nH|"'
    for block in (None, *range(1, 12)):
        result = read(content, feed, block)
        assert result.header == ["a", "b", "c"]
        assert result.rows == {
            3: ["D", "1", "a\nb"], 4: ["D", "2\nH|3", "a\nb"], 11: ["D", "7", None], 13: ["D", "8", ""],
        }  # fmt: skip
        assert [(reject.row_number, reject.reason) for reject in result.rejects] == [
            (1, "no_header_record"), (6, "too_few_fields"), (7, "no_header_record"), (9, "unknown_record_type"),
            (14, "unbalanced_quote"),
        ]  # fmt: skip
        assert (result.tally.read, result.tally.skipped) == (14, 5)


def test_own_records_behind_a_record_of_an_unknown_type_take_no_fields_of_an_earlier_header_record() -> None:
    feed = make_feed(delimiter="|", header_lines=0, record_types=H_AND_D)
    for unknown in (b'"H"|3', b" H|3", b"h|3"):
        result = read(b"H|1\nD|2\nT|\nD|3\n" + unknown + b"\nD|4\nH|5\nD|6\n", feed)
        assert result.rows == {2: ["D", "2", "1"], 4: ["D", "3", "1"], 8: ["D", "6", "5"]}
        assert [(reject.row_number, reject.reason) for reject in result.rejects] == [
            (5, "unknown_record_type"), (6, "no_header_record"),
        ]  # fmt: skip


def test_a_quote_too_many_in_another_record_hides_no_own_record() -> None:
    feed = make_feed(delimiter="|", header_lines=0, record_types=H_AND_D)
    content = b'H|1\nD|2\nT|"x\nD|3\nH|"y\nD|4\nT|"\nT|"a\nb"\nH|5\nD|6\n'
    for block in (None, *range(1, 12)):
        result = read(content, feed, block)
        assert result.rows == {2: ["D", "2", "1"], 4: ["D", "3", "1"], 10: ["D", "6", "5"]}
        assert [(reject.row_number, reject.reason) for reject in result.rejects] == [
            (3, "unbalanced_quote"), (5, "unbalanced_quote"), (6, "no_header_record"), (7, "unbalanced_quote"),
        ]  # fmt: skip


def test_records_of_columns_take_fields_of_their_header_record() -> None:
    types = RecordTypes("^D", "^H", (("c", (2, 4)),))
    feed = make_feed("fixed", positions=((1, 1), (2, 3)), header_lines=0, record_types=types)
    result = read("H né more\nD 1\nDé2\nHxx\nD 3\n".encode(), feed)
    assert result.rows == {2: ["D", "1", "né"], 3: ["D", "é2", "né"]}
    assert [(reject.row_number, reject.reason) for reject in result.rejects] == [
        (4, "too_few_fields"), (5, "no_header_record"),
    ]  # fmt: skip


def test_a_header_names_the_columns_of_its_own_records() -> None:
    feed = make_feed(delimiter="|", record_types=H_AND_D, columns=("c", "b", "a"))
    result = read(b"a|b\nH|7\nD|1\n", feed)
    assert (result.header, result.rows) == (["a", "b", "c"], {2: ["D", "1", "7"]})


def test_preamble_comments_and_trailers_are_no_records_and_kept() -> None:
    feed = make_feed(preamble_lines=2, comment="^#", trailer="^T,", header_lines=1)
    content = b'Report\r\n\xff,"\r\n\r\n# before\r\na,b,c\r\n1,2,3\r\n# "x\r\n\r\n"y\r\n# z",5,6\r\nT,1,2\r\n7,8,9\r\n'
    result = read(content, feed)
    assert result.header == ["a", "b", "c"]
    assert result.rows == {1: ["1", "2", "3"], 4: ["y\r\n# z", "5", "6"], 6: ["7", "8", "9"]}
    assert result.skipped == [
        SkippedLine(1, None, "preamble", b"Report"),
        SkippedLine(2, None, "preamble", b'\xff,"'),
        SkippedLine(4, None, "comment", b"# before"),
        SkippedLine(7, 2, "comment", b'# "x'),
        SkippedLine(11, 5, "trailer", b"T,1,2"),
    ]
    assert (result.tally.loaded, result.tally.skipped, result.tally.rejected) == (3, 3, 0)


def test_a_header_of_several_lines_is_joined_by_column() -> None:
    feed = make_feed(header_lines=3, columns=("net_amount_eur", "day"))
    assert read(b"Net,\n\nAmount,Day\n(EUR),\n1,2\n", feed).header == ["Net Amount (EUR)", "Day"]
    with pytest.raises(FileRefused, match=r"different numbers of fields \(2, 1, 2\)"):
        read(b"a,b\nc\nd,e\n", feed)


def test_a_repeated_header_is_a_record_or_refuses_the_file() -> None:
    content = b'"a",b,c\n1,2,3\na,"b",c\n4,5,6\n'
    assert len(read(content, make_feed()).rows) == 3
    with pytest.raises(FileRefused, match="line 3 repeats the header"):
        read(content, make_feed(repeated_header="refuse"))
    assert len(read(b"a,b,c\na,b,d\naa,b,c\n", make_feed(repeated_header="refuse")).rows) == 2


def test_a_file_that_ends_inside_its_preamble_is_refused() -> None:
    with pytest.raises(FileRefused, match="ends inside its preamble"):
        read(b"only\n", make_feed(preamble_lines=2))


def test_an_empty_file_without_header_holds_no_records() -> None:
    assert read(b"", make_feed(header_lines=0)).tally == Tally()


def test_the_delimiter_and_quote_of_copy_are_kept_in_a_value() -> None:
    mark = COPY_DELIMITER.decode() + COPY_QUOTE.decode()
    result = read(f"a||b||c\n1{mark}||2||3\n".encode(), make_feed(delimiter="||"))
    assert result.rows == {1: [f"1{mark}", "2", "3"]}
