"""The grammar of one record: what it reads, what it refuses, and that what it writes is read back unchanged."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.readers import parse_record
from sales_warehouse.load.readers.grammar import Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_record import RecordGrammar

PLAIN = RecordGrammar(Dialect())
DIALECTS = [
    Dialect(",", '"'),
    Dialect(";", "'"),
    Dialect("\t", '"'),
    Dialect("^", "]"),
    Dialect("\\", "-"),
    Dialect("|", "§"),
    Dialect("«", '"'),
    Dialect("§", "«"),  # both are two bytes long and share the first byte
]


def parse(line: str, *more: str, grammar: RecordGrammar = PLAIN) -> Parsed | Unclosed | Unsound:
    return grammar.parse([text.encode() for text in (line, *more)], 0)


def values_of(line: str, *more: str) -> list[str]:
    found = parse(line, *more)
    assert isinstance(found, Parsed)
    return [value.decode() for value in found.values]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a,b", ["a", "b"]),
        ("a", ["a"]),
        ("", [""]),
        (",", ["", ""]),
        ('""', [""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b"', ['a"b']),
        ('""""', ['"']),
        ('"",""', ["", ""]),
        ('" a ", b ', [" a ", " b "]),
        ('é,"ß"', ["é", "ß"]),
    ],
)
def test_a_sound_record_gives_its_values(line: str, values: list[str]) -> None:
    assert values_of(line) == values


def test_quoted_values_are_flagged_as_quoted() -> None:
    found = parse('a,"",,"b"')
    assert isinstance(found, Parsed)
    assert found.quoted == [False, True, False, True]


def test_a_quoted_field_goes_on_over_lines_and_the_record_ends_with_it() -> None:
    found = parse('"a', "", 'b",c', "d")
    assert found == Parsed([b"a\n\nb", b"c"], [True, False], 3)


def test_a_line_end_inside_a_field_is_kept_as_delivered() -> None:
    found = PLAIN.parse([b'"a', b"b", b'c"'], 0, [b"\r\n", b"\n", b"\r\n"])
    assert found == Parsed([b"a\r\nb\nc"], [True], 3)


def test_a_record_may_start_at_any_line() -> None:
    assert PLAIN.parse([b'"', b"a,b", b"c"], 1) == Parsed([b"a", b"b"], [False, False], 2)


@pytest.mark.parametrize(
    ("lines", "column"),
    [(['a"b,c'], 1), (['a,b"'], 2), (['"a"b'], 1), (['"a" ,b'], 1), ([' "a"'], 1), (['"a', 'b"c'], 1)],
)
def test_a_misplaced_quote_is_reported_with_its_field(lines: list[str], column: int) -> None:
    found = parse(*lines)
    assert isinstance(found, Unsound)
    assert f"field {column} " in found.detail


@pytest.mark.parametrize("lines", [['"'], ['a,"b'], ['"""'], ['"a', "b"], ['"a""', "b"], ['"a",b,"', ""]])
def test_a_field_that_never_closes_is_unclosed(lines: list[str]) -> None:
    assert parse(*lines) == Unclosed(too_long=False)


def test_an_unclosed_field_ends_at_the_record_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_record, "MAX_RECORD_BYTES", 10)
    assert parse('"aaaa', "bbbb") == Unclosed(too_long=False)
    assert parse('"aaaa', "bbbbb") == Unclosed(too_long=True)
    assert parse('"aaaa', "bbbbb", '"') == Unclosed(too_long=True)
    assert isinstance(parse('"aaaa', "bbbb", '"'), Parsed)


@pytest.mark.parametrize(
    ("line", "fields", "sound"),
    [
        ("a,b", 2, True),
        ("a,b", 1, False),
        ("a,b", 3, False),
        ('"a,b"', 1, True),
        ('"a,b"', 2, False),
        ('"a""b",', 2, True),
        ('"a', 1, False),
        ('a"b', 1, False),
        ('"a"b', 1, False),
        ('"a"\n', 1, False),
        ("a\rb", 1, False),
        ('"a\rb"', 1, True),
    ],
)
def test_the_quick_check_accepts_only_sound_lines_of_the_right_width(line: str, fields: int, sound: bool) -> None:
    assert bool(PLAIN.sound_record(fields)(line.encode())) is sound


@pytest.mark.parametrize("dialect", [dialect for dialect in DIALECTS if RecordGrammar(dialect).is_copyable])
@given(st.data())
@settings(deadline=None, max_examples=30)
def test_the_quick_check_agrees_with_the_grammar(dialect: Dialect, data: st.DataObject) -> None:
    grammar = RecordGrammar(dialect)
    line = data.draw(st.text(alphabet=[dialect.delimiter, dialect.quote, "a", "é"], max_size=12)).encode()
    found = grammar.parse([line], 0)
    for fields in (1, 2, 3):
        expected = isinstance(found, Parsed) and len(found.values) == fields
        assert bool(grammar.sound_record(fields)(line)) is expected


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.data())
@settings(deadline=None, max_examples=30)
def test_values_written_for_copy_are_read_back_equal(dialect: Dialect, data: st.DataObject) -> None:
    grammar = RecordGrammar(dialect)
    alphabet = [dialect.delimiter, dialect.quote, ",", '"', "\n", "\r", "a", "\u00a7", "\u00ab", "\u00c2"]
    values = data.draw(st.lists(st.text(alphabet=alphabet, max_size=6), min_size=1, max_size=4))
    quoted = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    written = grammar.write([value.encode() for value in values], quoted)
    delimiter, quote = grammar.copy_delimiter.decode(), grammar.copy_quote.decode()
    text = io.StringIO("7" + delimiter + written.decode(), newline="")
    assert list(csv.reader(text, delimiter=delimiter, quotechar=quote, strict=True)) == [["7", *values]]
    # COPY reads a quoted empty value as text and an unquoted one as NULL: the difference must be kept.
    if len(values) == 1 and values[0] == "":
        assert written == (quote * 2).encode() * quoted[0]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.data())
@settings(deadline=None, max_examples=30)
def test_the_grammar_reads_what_pythons_csv_writes(dialect: Dialect, data: st.DataObject) -> None:
    alphabet = [dialect.delimiter, dialect.quote, "\n", "a", "\u00a7", "\u00ab", "\u00c2"]
    values = data.draw(st.lists(st.text(alphabet=alphabet, max_size=6), min_size=1, max_size=4))
    target = io.StringIO()
    csv.writer(target, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\n").writerow(values)
    lines = target.getvalue().encode().split(b"\n")[:-1]
    found = RecordGrammar(dialect).parse(lines, 0)
    assert isinstance(found, Parsed)
    assert [value.decode() for value in found.values] == values
    assert found.end == len(lines)


@given(st.lists(st.text(alphabet=',"a', max_size=8), min_size=1, max_size=5))
@settings(deadline=None)
def test_any_lines_end_in_one_of_three_findings(lines: list[str]) -> None:
    found = parse(*lines)
    if isinstance(found, Parsed):
        assert 1 <= found.end <= len(lines)
        assert len(found.values) == len(found.quoted)
        # Python's own reader in strict mode agrees
        consumed = "\n".join(lines[: found.end])
        if consumed:
            (row,) = csv.reader(io.StringIO(consumed, newline=""), strict=True)
            assert [value.decode() for value in found.values] == row
    else:
        assert any('"' in line for line in lines)
