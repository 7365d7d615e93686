"""Every byte of a file belongs to exactly one record, and every record is loaded, rejected or skipped.

Python's csv module is the reference: it writes files whose values must be read back unchanged, and it reads, in its
strict mode, what is sent to COPY. For any bytes, the records must cover the content without gap or overlap, and the
result must not depend on the block size.
"""

import csv
import io
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import Reject, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers import parse_record, split_records
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, RecordGrammar
from sales_warehouse.load.readers.split_records import TextReader

FILE_ID = 7
CSV = Dialect()
property_test = settings(
    deadline=None, max_examples=35, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass
class Result:
    """The result of splitting one file."""

    header: list[str]
    copied: bytes = b""
    rejects: list[Reject] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def split(content: bytes, dialect: Dialect = CSV, block: int | None = None) -> Result:
    """Split the content as the loader does, block by block."""
    size = block or max(len(content), 1)
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    reader = TextReader(dialect, RecordGrammar(dialect), FILE_ID)
    header = reader.read_header(blocks).texts
    found = list(reader.read(blocks, [True] * len(header)))
    rejects = [reject for one in found for reject in one.rejects]
    return Result(header, b"".join(one.copy_data for one in found), rejects, reader.tally)


def rows_of(result: Result, dialect: Dialect = CSV) -> dict[int, list[str]]:
    """Read the COPY data strictly; return the values of each row by its number."""
    grammar = RecordGrammar(dialect)
    delimiter, quote = grammar.copy_delimiter.decode(), grammar.copy_quote.decode()
    csv.field_size_limit(2**31 - 1)
    text = io.StringIO(result.copied.decode(), newline="")
    rows = list(csv.reader(text, delimiter=delimiter, quotechar=quote, strict=True))
    assert {int(row[0]) for row in rows} <= {FILE_ID}
    numbered = {int(row[1]): row[2:] for row in rows}
    assert len(numbered) == len(rows) == result.tally.loaded
    assert list(numbered) == sorted(numbered)
    return numbered


def outcomes(result: Result) -> tuple[int, int, int]:
    return result.tally.loaded, result.tally.rejected, result.tally.skipped


def only_reject(result: Result) -> Reject:
    (reject,) = result.rejects
    assert result.tally.rejected == 1
    return reject


# --- (a) what Python's csv module writes is read back unchanged

COMBINATIONS = [
    ("utf-8", ",", '"', "é漢"),
    ("utf-8-sig", ";", "'", "é漢"),
    ("utf-8", "§", '"', "«Â"),
    ("utf-8", "\t", "«", "§Â"),
    ("utf-8", "^", "-", "\\"),
    ("utf-8", "«", "»", "§"),
    ("utf-16", ",", '"', "\u0a0a\u010a\u0a00\u0d0a\u0d00上"),  # their bytes contain those of a line end
    ("utf-16-be", ";", '"', "\u0a0a\u010a\u0a00\u000a\U0001f600"),
    ("utf-16", "§", "«", "\u0a0a"),
    ("utf-32", "|", '"', "\u0a0a\U0001f600"),
    ("cp1252", ";", '"', "é€"),
    ("cp1252", "§", "«", "»"),
    ("shift_jis", ",", '"', "表ソ|"),  # their second byte is a backslash
    ("shift_jis", "|", "'", "表ソﾎﾟ"),
    ("cp037", ",", '"', "é\x85"),
    ("cp037", "§", '"', "«"),
]  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL], ids=["minimal", "all"])
@pytest.mark.parametrize(("encoding", "delimiter", "quote", "letters"), COMBINATIONS)
@given(data=st.data())
@settings(property_test, max_examples=8)
def test_any_table_written_by_python_comes_out_equal(
    encoding: str, delimiter: str, quote: str, letters: str, quoting: Any, newline: str, data: st.DataObject
) -> None:
    dialect = Dialect(delimiter, quote, encoding)
    alphabet = [delimiter, quote, "\n", "\r", " ", "a", ",", '"', *letters]
    values = st.text(alphabet=alphabet, max_size=5) | st.just("\r\n")
    width = data.draw(st.integers(1, 4))
    table = data.draw(st.lists(st.lists(values, min_size=width, max_size=width), max_size=8))
    if quoting == csv.QUOTE_MINIMAL and newline == "\n":
        # Python does not quote a carriage return then, and at the end of a line it is part of the line end.
        table = [[*row[:-1], row[-1].rstrip("\r")] for row in table]
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=newline)
    header = [f"c{number}" for number in range(width)]
    writer.writerows([header, *table])
    content = target.getvalue().encode(encoding)
    for block in (None, data.draw(st.integers(1, 9))):
        result = split(content, dialect, block)
        assert result.header == header
        assert result.rejects == []
        assert list(rows_of(result, dialect).items()) == list(enumerate(table, 1))
        assert outcomes(result) == (len(table), 0, 0)


# --- (b) any bytes: one outcome for every record, no byte in two records or in none ------


def physical_lines(content: bytes, start: int, newline: bytes) -> list[tuple[int, int]]:
    """Return where each line after `start` begins and ends, without line ends, by the simplest method."""
    lines, at, width = [], start, len(newline)
    for position in range(start, len(content) - width + 1, width):
        if content[position : position + width] == newline:
            lines.append((at, position))
            at = position + width
    if at < len(content):
        lines.append((at, len(content)))
    return lines


def assert_every_line_has_one_outcome(
    content: bytes, header_bytes: int, result: Result, dialect: Dialect, codec: str
) -> None:
    """Follow the records by their numbers, offsets and values, from the header to the last byte."""
    newline, carriage_return = "\n".encode(codec), "\r".encode(codec)
    lines = physical_lines(content, header_bytes, newline)
    rows = rows_of(result, dialect)
    rejects = {reject.row_number: reject for reject in result.rejects}
    assert len(rejects) == len(result.rejects) == result.tally.rejected
    assert result.tally.read == len(rows) + len(rejects) + result.tally.skipped
    assert not rows.keys() & rejects.keys()
    at = 0
    for number in range(1, result.tally.read + 1):
        start, end = lines[at]
        if number in rejects:
            reject = rejects[number]
            assert reject.byte_offset == start
            assert reject.line_number == at + 2  # the header is line 1
            assert content[start : start + len(reject.raw)] == reject.raw
            stop = start + len(reject.raw)
            while lines[at][1] not in (stop, stop + len(carriage_return)):
                at += 1  # a reject may span several lines, and its end is the end of a line
            if lines[at][1] != stop:
                assert content[stop : lines[at][1]] == carriage_return
        elif number in rows:
            width = len(result.header)
            assert len(rows[number]) == width
            at += sum(value.count("\n") for value in rows[number])
            text = content[start : lines[at][1]].decode(codec).removesuffix("\r")
            if "\r" not in text.replace("\r\n", ""):
                record = io.StringIO(text, newline="")
                reader = csv.reader(record, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
                assert list(reader) == [rows[number]]
        else:
            assert content[start:end] in (b"", carriage_return)
        at += 1
    assert at == len(lines)


FRAGMENTS = ["a", "1,2", ",", '"', '""', '"x"', '"x,y"', "\n", "\n", "\r\n", "\r", "\0", "é", "\u0a0a", "\u0d0a"]
BODIES = {
    "utf-8": ("utf-8", b""),
    "utf-8 with BOM": ("utf-8", b"\xef\xbb\xbf"),
    "utf-16 little": ("utf-16-le", b"\xff\xfe"),
    "utf-16 big": ("utf-16-be", b"\xfe\xff"),
    "utf-16-le": ("utf-16-le", b""),
    "utf-32": ("utf-32-le", b"\xff\xfe\0\0"),
    "cp1252": ("cp1252", b""),
    "shift_jis": ("shift_jis", b""),
    "cp037": ("cp037", b""),
}
DECLARED = {"utf-8 with BOM": "utf-8", "utf-16 little": "utf-16", "utf-16 big": "utf-16"}


def bodies(codec: str) -> st.SearchStrategy[bytes]:
    valid = [text.encode(codec) for text in FRAGMENTS if is_encodable(text, codec)]
    return st.lists(st.sampled_from([*valid, *valid, b"\xff", b"\xc3", b"\0", b"\n", b"\x81"]) | st.binary(max_size=4),
                    max_size=30).map(b"".join)  # fmt: skip


def is_encodable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeError:
        return False
    return True


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("columns", [1, 2, 3])
@given(data=st.data())
@settings(property_test, max_examples=15)
def test_every_line_has_one_outcome_for_any_bytes_and_blocks(kind: str, columns: int, data: st.DataObject) -> None:
    codec, bom = BODIES[kind]
    dialect = Dialect(encoding=DECLARED.get(kind, codec))
    header = bom + ("a,b,c"[: 2 * columns - 1] + "\n").encode(codec)
    content = header + data.draw(bodies(codec))
    result = split(content, dialect)
    assert_every_line_has_one_outcome(content, len(header), result, dialect, codec)
    for block in (1, 7):
        assert split(content, dialect, block) == result


@pytest.mark.parametrize(("delimiter", "quote"), [("§", '"'), ("|", "«"), (";", "'"), ("^", "]")])
@given(data=st.data())
@settings(property_test)
def test_every_line_has_one_outcome_with_other_delimiters_and_quotes(
    delimiter: str, quote: str, data: st.DataObject
) -> None:
    dialect = Dialect(delimiter, quote)
    parts = [delimiter, quote, quote * 2, f"1{delimiter}2", "\n", "\r\n", "\r", "a", ",", '"']
    header = f"a{delimiter}b\n".encode()
    content = header + "".join(data.draw(st.lists(st.sampled_from(parts), max_size=25))).encode()
    result = split(content, dialect)
    assert_every_line_has_one_outcome(content, len(header), result, dialect, "utf-8")
    for block in (1, 7):
        assert split(content, dialect, block) == result


# --- (c) the result does not depend on the block size -------


def outcome(content: bytes, dialect: Dialect, block: int | None) -> Result | str:
    try:
        return split(content, dialect, block)
    except FileRefused as refusal:
        return refusal.message


PIECES = [b"a", b",", b'"', b"\n", b"\n\0", b"\0\n", b"\r", b"\0", b"\x25", b"\x6b", b"\x7f"]
PIECES += [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp037", "utf-7"])
@given(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
@example(b"\0\n\0")
@example("a,b\n1,2\n\ufeff3,4\n".encode("utf-16-le"))  # a byte order mark in the middle of the file
@example("a,b\n1,2\n".encode("utf-16-le") + b"\xff\xfe")
@property_test
def test_header_and_refusals_do_not_depend_on_the_block_size(
    encoding: str, content: bytes
) -> None:  # fmt: skip
    dialect = Dialect(encoding=encoding)
    whole = outcome(content, dialect, None)
    for block in (1, 2, 7):
        assert outcome(content, dialect, block) == whole


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("iso2022_jp", b'a\n\x1b$B$"\n$$\n'),
        ("iso2022_kr", b"a\n\x1b$)C\x0e!!\n!!\n"),
        ("hz", b"a\n~{<:Ky\n<:Ky\n"),
        ("utf-7", b"a\n+MEI\nMEI\n"),
    ],
)
def test_a_stateful_encoding_reads_a_line_the_same_at_any_block_start(encoding: str, content: bytes) -> None:
    # A state that a line sets and does not reset must not change the next line in another block.
    dialect = Dialect(encoding=encoding)
    whole = outcome(content, dialect, None)
    for block in (1, 7):
        assert outcome(content, dialect, block) == whole


@given(st.lists(st.sampled_from(["1,2\n", "\n", '"', "a" * 9, "b" * 25, ",", "\n", "\r\n"]), max_size=16).map("".join))
@example("1,2\n" + "a" * 41 + "\n")
@example('1,"\n' + "a,b\n" * 11 + '"\n')
@property_test
def test_the_record_limit_does_not_depend_on_the_block_size(monkeypatch: Any, body: str) -> None:
    monkeypatch.setattr(parse_record, "MAX_RECORD_BYTES", 40)
    monkeypatch.setattr(split_records, "MAX_RECORD_BYTES", 40)
    content = b"a,b\n" + body.encode()
    whole = outcome(content, CSV, None)
    for block in (1, 7, 30):
        assert outcome(content, CSV, block) == whole


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("block", range(1, 12))
def test_a_block_may_end_in_a_mark_a_character_or_a_line_end(encoding: str, block: int) -> None:
    content = 'é,b\r\n"ü\r\nö",漢\r\n'.encode(encoding)
    result = split(content, Dialect(encoding=encoding), block)
    assert result.header == ["é", "b"]
    assert rows_of(result) == {1: ["ü\r\nö", "漢"]}


# --- each kind of reject: reason, line, row, offset, bytes


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b"1", "too_few_fields", "1 fields where the header has 2"),
        (b"1,2,3", "too_many_fields", "3 fields where the header has 2"),
        (b",,", "too_many_fields", "3 fields where the header has 2; the last is empty: see trailing_delimiter"),
        (b'"1,2"', "too_few_fields", "1 fields where the header has 2"),
        (b'"a""b"', "too_few_fields", "1 fields where the header has 2"),
        (b'1,a"b', "unbalanced_quote", "field 2"),
        (b'1,a"b"c', "stray_quote", "field 2"),
        (b'"a"b,2', "stray_quote", "field 1"),
        (b'1, "a"', "stray_quote", "field 2"),
        (b'"a"b"c,2', "unbalanced_quote", "field 1"),
        (b"1,\0", "nul", "field 2"),
        (b'"\0",2', "nul", "field 1"),
        (b"\0", "nul", "field 1"),
        (b"caf\xe9,2", "encoding", "byte 4 of the line (e9)"),
        (b"1,\xc3", "encoding", "byte 3 of the line (c3)"),
        (b"\xed\xa0\x80,2", "encoding", "not utf-8"),
        (b'1,"\xff"', "encoding", "byte 4 of the line (ff)"),
        (b"\xff", "encoding", "byte 1 of the line (ff)"),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_rejected_line_has_reason_and_place_and_its_neighbours_load(
    line: bytes, reason: str, detail: str, newline: bytes
) -> None:
    lines = [b"a,b", b"1,2", b"", b'3,"x', b'y"', line, b"5,6"]
    result = split(newline.join(lines) + newline)
    reject = only_reject(result)
    assert reject.reason == reason
    assert detail in reject.detail
    assert reject.line_number == 6
    assert reject.row_number == 4  # after a row, a blank line and a record of two lines
    assert reject.byte_offset == len(newline.join(lines[:5]) + newline)
    assert reject.raw == line
    assert rows_of(result) == {1: ["1", "2"], 3: ["3", "x" + newline.decode() + "y"], 5: ["5", "6"]}
    assert outcomes(result) == (3, 1, 1)


@pytest.mark.parametrize(
    ("raw", "reason"), [(b"3", "too_few_fields"), (b'3,"x', "unbalanced_quote"), (b'"', "unbalanced_quote")]
)
def test_a_last_line_cut_short_is_rejected(raw: bytes, reason: str) -> None:
    result = split(b"a,b\n1,2\n" + raw)
    reject = only_reject(result)
    assert (reject.reason, reject.raw, reject.line_number, reject.byte_offset) == (reason, raw, 3, 8)
    assert rows_of(result) == {1: ["1", "2"]}


def test_a_last_line_without_line_end_is_loaded() -> None:
    assert rows_of(split(b"a,b\n1,2\n3,4")) == {1: ["1", "2"], 2: ["3", "4"]}
    assert rows_of(split(b'a,b\n1,"x\ny"')) == {1: ["1", "x\ny"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_stray_opening_quote_costs_its_own_line_only(encoding: str, ending: str) -> None:
    content = ('a,b\n1,2\n3,"x\n4,5\n6,7' + ending).encode(encoding)
    result = split(content, Dialect(encoding=encoding))
    reject = only_reject(result)
    assert (reject.reason, reject.line_number, reject.row_number) == ("unbalanced_quote", 3, 2)
    assert reject.raw == '3,"x'.encode(encoding)
    assert rows_of(result) == {1: ["1", "2"], 3: ["4", "5"], 4: ["6", "7"]}


def test_a_stray_quote_before_a_quoted_line_costs_its_own_line_only() -> None:
    result = split(b'a,b\n1,"x\n3,4\n5,"6"\n7,8\n')
    assert only_reject(result).raw == b'1,"x'
    assert rows_of(result) == {2: ["3", "4"], 3: ["5", "6"], 4: ["7", "8"]}


def test_a_stray_opening_quote_closed_by_the_next_one_costs_two_lines() -> None:
    result = split(b'a,b\n1,"x\n3,4\n5,"\n7,8\n')
    # This is a valid record of two fields and cannot be distinguished from a long text.
    assert rows_of(result) == {1: ["1", "x\n3,4\n5,"], 2: ["7", "8"]}


def test_too_many_fields_over_several_lines_mean_an_unbalanced_quote() -> None:
    result = split(b'a,b\n1,"x\n3,4\n",5\n7,8\n')
    assert [(reject.reason, reject.raw) for reject in result.rejects] == [
        ("unbalanced_quote", b'1,"x'),
        ("unbalanced_quote", b'",5'),
    ]
    assert rows_of(result) == {2: ["3", "4"], 4: ["7", "8"]}


def test_a_bad_byte_after_a_stray_quote_does_not_reject_sound_lines() -> None:
    # With three fields it counts as a stray quote, as above, and the lines within are read again.
    result = split(b'a,b\n1,"x\n3,4\n\xff",5\n7,8\n')
    assert [reject.raw for reject in result.rejects] == [b'1,"x', b'\xff",5']
    assert rows_of(result) == {2: ["3", "4"], 4: ["7", "8"]}


def test_an_undecodable_byte_in_a_quoted_text_rejects_the_whole_record() -> None:
    result = split(b'a,b\n1,"x\ncaf\xe9\ny"\n7,8\n')
    reject = only_reject(result)
    assert (reject.reason, reject.line_number, reject.row_number, reject.byte_offset) == ("encoding", 2, 1, 4)
    assert reject.raw == b'1,"x\ncaf\xe9\ny"'
    assert rows_of(result) == {2: ["7", "8"]}


def test_a_rejected_record_keeps_the_line_ends_inside_it_as_delivered() -> None:
    result = split(b'a,b\r\n1,"x\r\n\xff\ny"\r\n')
    assert only_reject(result).raw == b'1,"x\r\n\xff\ny"'


def test_an_encoded_line_end_does_not_shift_the_lines_after_it() -> None:
    result = split(b"a,b\n1,x+AAo-y\n3,4\n", Dialect(encoding="utf-7"))
    reject = only_reject(result)
    assert (reject.reason, reject.raw, reject.line_number) == ("encoding", b"1,x+AAo-y", 2)
    assert rows_of(result) == {2: ["3", "4"]}


def test_half_a_character_at_the_end_of_the_file_is_rejected() -> None:
    content = "a,b\n1,2\n3".encode("utf-16-le")
    for tail in (b"\r", b"\x41\x0d\x00", b"\x00\x0a\x00", b"\x00"):
        result = split(content + tail, Dialect(encoding="utf-16-le"))
        reject = only_reject(result)
        assert reject.reason == "encoding"
        assert reject.raw == "3".encode("utf-16-le") + tail


def test_a_quoted_empty_text_differs_from_null() -> None:
    assert split(b'a,b\n"",\n,""\n').copied == b'7,00001,"",\n7,00002,,""\n'


def test_a_bare_carriage_return_inside_a_value_is_kept_for_copy_in_quotes() -> None:
    assert split(b"a,b\nx\ry,2\n").copied == b'7,00001,"x\ry",2\n'


def test_values_are_sent_as_delivered() -> None:
    content = b"a,b\n  1 ,\\N\n\\.,NULL\n'x',\t\n"
    assert rows_of(split(content)) == {1: ["  1 ", "\\N"], 2: ["\\.", "NULL"], 3: ["'x'", "\t"]}


# --- blank lines


@pytest.mark.parametrize("blank", [b"\n", b"\r\n"])
def test_blank_lines_are_skipped_and_counted_everywhere(blank: bytes) -> None:
    result = split(b"a,b\n" + blank + b"1,2\n" + blank + blank + b"3,4\n" + blank)
    assert outcomes(result) == (2, 0, 4)
    assert rows_of(result) == {2: ["1", "2"], 5: ["3", "4"]}


def test_a_line_of_spaces_or_empty_quotes_is_not_blank() -> None:
    assert [reject.reason for reject in split(b'a,b\n \n""\n').rejects] == ["too_few_fields"] * 2


def test_a_blank_line_inside_quotes_belongs_to_the_text() -> None:
    result = split(b'a,b\n1,"x\n\ny"\n')
    assert outcomes(result) == (1, 0, 0)
    assert rows_of(result) == {1: ["1", "x\n\ny"]}


def test_a_file_of_one_column_distinguishes_blank_lines_and_empty_text() -> None:
    result = split(b'a\n1\n\n""\n"x\ny"\nb,c\n')
    assert rows_of(result) == {1: ["1"], 3: [""], 4: ["x\ny"]}
    assert outcomes(result) == (3, 1, 1)
    assert only_reject(result).reason == "too_many_fields"
    assert b'7,00003,""\n' in result.copied


# --- the header


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (b"a,b\n", ["a", "b"]),
        (b"a,b", ["a", "b"]),
        (b"a", ["a"]),
        (b"a,b\r\n", ["a", "b"]),
        (b'"a","b ""c"""\n', ["a", 'b "c"']),
        (b'"a\nx",b\n', ["a\nx", "b"]),
        (b"\xef\xbb\xbfa,b\n", ["a", "b"]),
        (b'\xef\xbb\xbf"a",b\n', ["a", "b"]),
        (b"\n\r\n\na,b\n", ["a", "b"]),
        (b"\xef\xbb\xbf\n\na,b\n", ["a", "b"]),
        ("é,漢\n".encode(), ["é", "漢"]),
        (b",\n", ["", ""]),
    ],
)
@pytest.mark.parametrize("block", [None, 1, 3])
def test_a_header_is_read_with_its_quotes_mark_and_blank_lines_before(
    content: bytes, header: list[str], block: int | None
) -> None:
    result = split(content, CSV, block)
    assert result.header == header
    assert outcomes(result) == (0, 0, 0)


def test_lines_and_offsets_count_everything_before_the_header() -> None:
    reject = only_reject(split(b'\xef\xbb\xbf\n\r\n"a\nx",b\n1,2\n3\n'))
    assert (reject.line_number, reject.row_number) == (6, 2)
    assert reject.byte_offset == 3 + 1 + 2 + 8 + 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty: not even a header"),
        (b"\xef\xbb\xbf", "the file is empty: not even a header"),
        (b"\n\r\n\n", "the file is empty: not even a header"),
        (b"caf\xe9,b\n1,2\n", "line 1: the header cannot be read: not utf-8: byte 4 of the line (e9)"),
        (b"\n\ncaf\xe9,b\n", "line 3: the header cannot be read: not utf-8"),
        (
            b'a,b"\n1,2\n',
            "line 1: the header cannot be read: a quote at the start of field 2 or inside it is not closed",
        ),
        (b'"a,b\n1,2\n', "line 1: the header cannot be read: its quotes do not match"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: the header cannot be read: not utf-8"),
        (b'"a\n\xff",b\n', "the header cannot be read: not utf-8"),
    ],
)
@pytest.mark.parametrize("block", [None, 1])
def test_a_file_without_a_readable_header_is_refused_with_line_and_cause(
    content: bytes, message: str, block: int | None
) -> None:
    with pytest.raises(FileRefused) as caught:
        split(content, CSV, block)
    assert message in caught.value.message


def test_a_wrong_byte_after_the_header_does_not_affect_the_header() -> None:
    result = split(b"a,b\n\xff,2\n")
    assert result.header == ["a", "b"]
    assert only_reject(result).reason == "encoding"


def test_a_truncated_file_of_two_byte_characters_is_refused() -> None:
    for content in (b"\x00\n\x00", b"\n", b"\x00", b"a\x00,"):
        with pytest.raises(FileRefused):
            split(content, Dialect(encoding="utf-16-le"))


@pytest.mark.parametrize("content", [b"a" * (MAX_RECORD_BYTES + 2), b'"a\n' * (MAX_RECORD_BYTES // 3 + 2)])
def test_an_endless_header_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefused, match="header"):
        split(content, CSV, 256 * 1024)


# --- records that are too long


def test_a_line_too_long_is_rejected_whole_and_its_neighbours_load() -> None:
    long = b"x" * MAX_RECORD_BYTES + b",y"
    for block in (2 * MAX_RECORD_BYTES, 256 * 1024):
        result = split(b"a,b\n1,2\n" + long + b"\r\n3,4\n", CSV, block)
        assert rows_of(result) == {1: ["1", "2"], 3: ["3", "4"]}
        reject = only_reject(result)
        assert (reject.reason, reject.line_number, reject.row_number) == ("too_long", 3, 2)
        assert reject.raw == long
        assert "1,048,579 bytes" in reject.detail


@pytest.mark.parametrize("end", [b"", b",y\n3,4\n"])
def test_a_line_far_over_the_limit_refuses_the_file_and_is_named(end: bytes) -> None:
    content = b"a,b\n1,2\n" + b"x" * (MAX_LINE_BYTES + 2) + end
    for block in (len(content), 1024 * 1024):
        with pytest.raises(FileRefused, match="line 3 is longer than 16,777,216 bytes"):
            split(content, CSV, block)


def test_a_line_of_the_maximum_length_is_loaded() -> None:
    line = b"1," + b"x" * (MAX_RECORD_BYTES - 2)
    result = split(b"a,b\n" + line + b"\n", CSV, 256 * 1024)
    assert rows_of(result)[1][1] == "x" * (MAX_RECORD_BYTES - 2)


def test_a_quote_that_never_closes_in_a_large_file_costs_its_own_line_only() -> None:
    good = b"1,2\n" * (MAX_RECORD_BYTES // 4 + 1000)
    result = split(b'a,b\n0,"x\n' + good, CSV, 512 * 1024)
    reject = only_reject(result)
    assert (reject.reason, reject.raw, reject.line_number) == ("unbalanced_quote", b'0,"x', 2)
    assert result.tally.loaded == good.count(b"\n")


def test_a_quote_that_never_closes_does_not_hold_the_rest_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise the rest of the file would be held in memory and scanned again with every block.
    monkeypatch.setattr(parse_record, "MAX_RECORD_BYTES", 40)
    reader = TextReader(CSV, RecordGrammar(CSV), FILE_ID)
    assert reader.read_header(iter([b"a,b\n"])).texts == ["a", "b"]
    block = next(reader.read(iter([b'1,"x\n' + b"2,3\n" * 20]), [True, True]))
    assert block.copy_data.count(b"\n") == 20
    assert [reject.raw for reject in block.rejects] == [b'1,"x']


# --- row numbers


@pytest.mark.parametrize("count", [9_998, 9_999, 10_000, 10_001, 20_000, 100_001])
def test_row_numbers_continue_across_groups(count: int) -> None:
    result = split(b"a,b\n" + b"x,y\n" * count, CSV, 64 * 1024)
    numbers = [int(line.split(b",")[1]) for line in result.copied.splitlines()]
    assert numbers == list(range(1, count + 1))


@pytest.mark.parametrize("at", [9_998, 9_999, 10_000, 10_001])
def test_a_reject_at_the_edge_of_a_group_leaves_its_number_out(at: int) -> None:
    lines = [b"x,y\n"] * 10_010
    lines[at - 1] = b"x\n"
    lines[at] = b"\n"
    result = split(b"a,b\n" + b"".join(lines))
    assert only_reject(result).row_number == at
    assert set(range(1, 10_011)) - rows_of(result).keys() == {at, at + 1}


# --- blocks that are not cut into lines

ODD_LINES = [
    "3,%d\n",
    "%%,%b\n",
    "é,ü\n",
    "\n",
    "1\n",
    "1,2,3\n",
    "1,2\r\n",
    '1,"2"\n',
    "a\\,b\n",
    "1,\0\n",
    "\ufeff1,2\n",
]
ODD_LINES += [",\n", "\ufeff", "é", "1,2\n"]
FIRST_NUMBERS = [1, 9_990, 10_000, 99_990, 100_000, 1_234_567, 9_999_990]


def split_blocks(content: bytes, block: int, first: int, dialect: Dialect, in_full: bool) -> tuple[Any, ...]:
    """Return what a reader gives for content whose first record has this number; `in_full` looks at each line."""
    blocks = (content[at : at + block] for at in range(0, len(content), block))
    reader = TextReader(dialect, RecordGrammar(dialect), FILE_ID, counts_by_block=True)
    reader.put_in_front({"share": "5%d"})
    reader._is_plain = reader._is_plain and not in_full
    reader.read_header(blocks)
    reader.continue_at(first)
    found = list(reader.read(blocks, [True, True]))
    return found, reader.tally, reader.notes, reader._offset, reader._line_number


def assert_lines_agree(text: str, block: int, delimiter: str, first: int, broken: bytes = b"") -> None:
    """Assert that it makes no difference whether each line is looked at."""
    content = ("a,b\n1,2\n" + text).replace(",", delimiter).encode() + broken
    for encoding in ("utf-8", "latin-1"):
        dialect = Dialect(delimiter=delimiter, encoding=encoding, on_encoding_drift="warn")
        plain, in_full = (split_blocks(content, block, first, dialect, it) for it in (False, True))
        assert plain == in_full


@given(
    st.lists(st.just("1,2\n") | st.sampled_from(ODD_LINES), max_size=30).map("".join),
    st.sampled_from([b"", b"\xff", b"\xff\n"]), st.integers(1, 60), st.sampled_from(",%;"),
    st.sampled_from(FIRST_NUMBERS),
)  # fmt: skip
@settings(deadline=None)
def test_blocks_of_sound_lines_give_what_their_lines_give(
    text: str, broken: bytes, block: int, delimiter: str, first: int
) -> None:
    assert_lines_agree(text, block, delimiter, first, broken)


@pytest.mark.parametrize("odd", ODD_LINES)
def test_one_odd_line_among_sound_ones_is_read_as_by_itself(odd: str) -> None:
    for first in FIRST_NUMBERS:
        for block in (7, 25, 1_000):
            assert_lines_agree("1,2\n" * 15 + odd + "1,2\n" * 15, block, ",", first)


def test_few_blocks_of_a_sound_file_are_cut_into_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = []
    lines_of = split_records._Lines
    monkeypatch.setattr(split_records, "_Lines", lambda data, decoder: (cut.append(data), lines_of(data, decoder))[1])
    content = b"a,b\n" + "é,5 %\n".encode() * 250_000
    found, tally, *_ = split_blocks(content, 10_000, 1, CSV, in_full=False)
    assert tally.loaded == 250_000
    numbers = [int(line.split(b",")[2]) for block in found for line in block.copy_data.splitlines()]
    assert numbers == list(range(1, 250_001))
    # those of the first 10,000 records, and those in which a hundred thousand begins
    assert sum(map(len, cut)) < 10_000 * 8 + 3 * 10_000 + 10_000


# --- time


@pytest.mark.parametrize(
    "pattern",
    [
        b'1,"x\n',
        b'1,"\n',
        b'1,"x\n2,3\n2,3\n2,3\n',
        b"1\n",
        b"\xff,1\n",
        b"\n",
        b'","\n',
    ],
)
def test_the_time_grows_no_faster_than_the_file(pattern: bytes) -> None:
    def seconds(size: int) -> float:
        content = b'a,b\n1,"\n' + pattern * (size // len(pattern))
        start = time.process_time()
        split(content, CSV, 64 * 1024)
        return time.process_time() - start

    def best(size: int) -> float:
        return min(seconds(size) for _ in range(3))  # the minimum is least affected by other load on the machine

    # Quadratic work would take 64 times as long for 8 times the size.
    assert best(80_000) < 24 * max(best(10_000), 0.005)


def test_blank_lines_before_the_header_are_read_quickly() -> None:
    start = time.process_time()
    assert split(b"\n" * 10_000 + b"a,b\n1,2\n", CSV, 256 * 1024).tally.loaded == 1
    assert time.process_time() - start < 1
