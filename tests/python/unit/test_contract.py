"""Contracts: which declarations are valid, and how the columns of a file are matched."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Contract, Control, Dialect, Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.outcomes import Reject, SkippedLine
from sales_warehouse.load.check_control import TrailerLines
from sales_warehouse.load.match_columns import match_columns, name_ignored
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_record import RecordGrammar
from sales_warehouse.load.readers.read_json_lines import JsonLinesReader
from sales_warehouse.load.readers.reader import FieldFilter

TRAILER = r"^T;(?P<records>\d+);(?P<amount>[-0-9.]+)$"
FEED = Feed("shop", "sales", "raw", "shop__sales", "shop/*.csv", ("order_id", "amount", "discount"))

DECLARED = """\
version: 2
sources:
  - name: shop
    schema: raw
    tables:
      - name: sales
        identifier: shop__sales
        external:
          location: shop/*.csv
          file_format: {file_format}
          options:
            {option}  # line 12
        columns: [{{name: order_id}}, {{name: amount}}, {{name: discount}}]
"""


def read(folder: Path, option: str, file_format: str = "csv") -> Feed:
    path = folder / "models/staging/shop/_shop__sources.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(DECLARED.format(option=option, file_format=file_format), encoding="utf-8")
    (feed,) = read_feeds(folder)
    return feed


def with_contract(**contract: Any) -> Feed:
    return replace(FEED, contract=Contract(**contract))


# --- declarations -------


def test_a_contract_is_read_from_the_options(tmp_path: Path) -> None:
    feed = read(
        tmp_path,
        "{optional: [discount], aliases: {order_id: [Order No, Bestell-Nr]}, on_new_column: ignore, "
        "control: {file: '{name}.ctl', pattern: '(?P<records>[0-9]+)', decimal: ','}}",
    )
    assert feed.contract == Contract(
        optional=("discount",),
        aliases=(("order_id", ("Order No", "Bestell-Nr")),),
        on_new_column="ignore",
        control=Control("(?P<records>[0-9]+)", "{name}.ctl", ","),
    )
    assert feed.required_columns == ("order_id", "amount")
    assert [feed.column_of(text) for text in ("ORDER NO", "bestell_nr", "OrderId", "Other")] == [
        "order_id", "order_id", "order_id", "other",
    ]  # fmt: skip


def test_columns_are_required_and_new_ones_are_added_by_default(tmp_path: Path) -> None:
    feed = read(tmp_path, "{}")
    assert feed.contract == Contract()
    assert feed.required_columns == feed.columns


def test_control_trailer_also_declares_the_trailer_lines(tmp_path: Path) -> None:
    feed = read(tmp_path, f"control: {{trailer: '{TRAILER}'}}")
    assert feed.contract.control == Control(TRAILER)
    assert feed.dialect == Dialect(trailer=TRAILER)


def test_every_part_of_a_contract_changes_the_fingerprint() -> None:
    contracts = [
        {}, {"optional": ("discount",)}, {"aliases": (("amount", ("Sum",)),)}, {"aliases": (("discount", ("Sum",)),)},
        {"on_new_column": "ignore"}, {"control": Control("(?P<records>1)", "{name}.ctl")},
        {"control": Control("(?P<records>2)", "{name}.ctl")}, {"control": Control("(?P<records>2)", "{name}.ctl", ",")},
    ]  # fmt: skip
    assert len({with_contract(**contract).fingerprint for contract in contracts}) == len(contracts)


@pytest.mark.parametrize(
    ("option", "key", "told"),
    [
        ("short_records: fill", "short_records", "allowed: reject or null"),
        ("null_text: 1", "null_text", "1 is not a list"),
        ("null_text: ['']", "null_text", "a text such as"),
        ("null_text: 'a,b'", "null_text", "'a,b' has ',', which no field without quotes can have"),
        ("null_text: ' -'", "null_text", "' -' has blanks around it"),
        ("record_types: '^D'", "record_types", "is not a mapping"),
        ("record_types: {header: '^H'}", "record_types.own", "is missing"),
        ("record_types: {own: '^D', header: '^H'}", "record_types", "header and carry belong together"),
        ("record_types: {own: '('}", "record_types.own", "is not a regular expression"),
        (
            "record_types: {own: '^D', header: '^H', carry: {order: 2}}",
            "record_types.carry.order",
            "did you mean order_id?",
        ),
        (
            "record_types: {own: '^D', header: '^H', carry: {order_id: 2-3}}",
            "record_types.carry.order_id",
            "'2-3' is not a field",
        ),
        (
            "record_types: {own: '^D', header: '^H', carry: {order_id: 1, amount: 2, discount: 3}}",
            "record_types.carry",
            "no column is left for its own records",
        ),
        ("positions_in: bytes", "positions_in", "is an option of file_format fixed, not of csv"),
        ("optional: discount", "optional", "'discount' is not a list; allowed: a list of declared columns"),
        ("optional: [rebate]", "optional", "'rebate' is no declared column; allowed: some of order_id"),
        ("optional: [order_id, amount, discount]", "optional", "no column is left that a file must have"),
        ("aliases: [a]", "aliases", "is not a mapping"),
        ("aliases: {order: [Nr]}", "aliases.order", "did you mean order_id?"),
        ("aliases: {order_id: No}", "aliases.order_id", "a list of header texts"),
        (
            "aliases: {order_id: [No]}",
            "aliases.order_id",
            "False is not text; allowed: text in quotes: a list of header",
        ),
        ("aliases: {order_id: [1]}", "aliases.order_id", "1 is not text"),
        ("aliases: {order_id: [' ']}", "aliases.order_id", "' ' is empty"),
        ("aliases: {order_id: ['--']}", "aliases.order_id", "has no letter or digit"),
        ("aliases: {order_id: ['Sum %'], amount: ['sum  %']}", "aliases.amount", "an alias of order_id already"),
        ("aliases: {order_id: [Amount]}", "aliases.order_id", "'Amount' is the declared column amount"),
        ("aliases: {order_id: [Nr], amount: ['NR']}", "aliases.amount", "an alias of order_id already"),
        ("aliases: {order_id: [Order No, order_no]}", "aliases.order_id", "an alias of order_id already"),
        ("on_new_column: drop", "on_new_column", "allowed: add, ignore, refuse"),
        ("on_new_column: [add]", "on_new_column", "allowed: add, ignore, refuse"),
        ("on_new_column: ''", "on_new_column", "allowed: add, ignore, refuse"),
        ("control: '^T'", "control", "is not a mapping"),
        ("control: {}", "control", "trailer alone, or file and pattern"),
        ("control: {file: '{name}.ctl'}", "control", "trailer alone, or file and pattern"),
        (
            "control: {trailer: '(?P<records>1)', file: '{name}.c', pattern: '(?P<records>1)'}",
            "control",
            "trailer alone, or",
        ),
        ("control: {trailer: ''}", "control.trailer", "named groups"),
        ("control: {trailer: '('}", "control.trailer", "is not a regular expression"),
        ("control: {trailer: '(?P<total>1)'}", "control.trailer", "the group 'total' is no declared column"),
        ("control: {file: '{name}.ctl', pattern: '(?P<total>1)'}", "control.pattern", "is no declared column"),
        ("control: {file: 'totals.ctl', pattern: '(?P<records>1)'}", "control.file", "such as '{name}.ctl'"),
        ("control: {file: '{name}', pattern: '(?P<records>1)'}", "control.file", "such as '{name}.ctl'"),
        ("control: {file: '../{name}', pattern: '(?P<records>1)'}", "control.file", "such as '{name}.ctl'"),
        ("control: {file: '{nam}.c', pattern: '(?P<records>1)'}", "control.file", "such as '{name}.ctl'"),
        ("control: {trailer: '(?P<records>1)', decimal: ';'}", "control.decimal", "'.' or ','"),
        ("control: {trailer: '(?P<records>1)', decimal: 1}", "control.decimal", "'.' or ','"),
        ("control: {trial: a}", "control.trial", "did you mean trailer?"),
        ("{trailer: '^X', control: {trailer: '(?P<records>1)'}}", "trailer", "leave it out beside control.trailer"),
        ("{header: false, optional: [discount]}", "optional", "no header to find columns by"),
        ("{header: false, aliases: {amount: [Sum]}}", "aliases", "no header to find columns by"),
        ("{header: false, on_new_column: refuse}", "on_new_column", "no header to find columns by"),
    ],
)
def test_a_mistake_is_reported_with_file_line_key_and_allowed_values(
    tmp_path: Path, option: str, key: str, told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, option)
    assert f"_shop__sources.yml:12: shop.sales: external.options.{key}: " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("file_format", ["jsonl", "parquet", "xlsx", "xls"])
def test_only_text_has_a_trailer_line(tmp_path: Path, file_format: str) -> None:
    with pytest.raises(ConfigurationError, match=f"a file of {file_format} has no trailer line; allowed: file and"):
        read(tmp_path, "control: {trailer: '(?P<records>1)'}", file_format)
    assert read(tmp_path, "control: {file: '{name}.c', pattern: '(?P<records>1)'}", file_format).contract.control


def test_columns_of_fixed_width_are_all_required(tmp_path: Path) -> None:
    places = "positions: {order_id: 1-2, amount: 3-4, discount: 5-6}"
    with pytest.raises(ConfigurationError, match=r"is an option of file_format csv and .*, not of fixed"):
        read(tmp_path, f"{{{places}, optional: [discount]}}", "fixed")
    assert read(tmp_path, f"{{{places}, control: {{trailer: '(?P<records>1)'}}}}", "fixed").contract.control


@pytest.mark.parametrize(
    ("template", "name", "side"),
    [
        ("{name}.ctl", "a.csv", "a.csv.ctl"),
        ("{stem}.ctl", "a.csv", "a.ctl"),
        ("{stem}.ctl", "v1.2.csv.gz", "v1.2.ctl"),
        ("{name}.ctl", "a.csv.gz", "a.csv.gz.ctl"),
        ("control-{stem}-{name}", "a.csv", "control-a-a.csv"),
        ("{name}.ctl", "{stem}\n'; drop--.csv", "{stem}\n'; drop--.csv.ctl"),
        ("{stem}.ctl", "{name}", "{name}.ctl"),
    ],
)
def test_a_control_file_is_named_after_the_delivery(template: str, name: str, side: str) -> None:
    assert Control("(?P<records>1)", template).side_file_of(name) == side


# --- matching of columns -


def refusal(feed: Feed, *header: str) -> str:
    with pytest.raises(FileRefused) as caught:
        match_columns(header, feed)
    return caught.value.message


def test_columns_match_in_any_order_by_name_or_alias() -> None:
    feed = with_contract(aliases=(("order_id", ("Bestell-Nr",)), ("amount", ("Umsatz €",))))
    assert match_columns(["Discount", "UMSATZ", "bestell nr"], feed) == ["discount", "amount", "order_id"]


def test_an_optional_column_may_be_missing_and_others_may_not() -> None:
    feed = with_contract(optional=("discount",))
    assert match_columns(["amount", "order_id"], feed) == ["amount", "order_id"]
    assert refusal(feed, "amount", "discount").startswith("the header lacks order_id. Found in the header: amount, ")


def test_missing_columns_are_named_with_the_nearest_headers() -> None:
    message = refusal(FEED, "OrderNr", "Kunde", "Amount EUR", "Discount")
    assert message.startswith(
        "the header lacks order_id (nearest in the file: OrderNr), amount (nearest in the file: Amount EUR). "
        "Found in the header: OrderNr, Kunde, Amount EUR, Discount. Correct the file, or"
    )


def test_nearest_headers_include_aliases_and_exclude_matched_columns() -> None:
    feed = with_contract(aliases=(("discount", ("Rabatt",)),))
    assert "discount (nearest in the file: Rabat)" in refusal(feed, "order_id", "amount", "Rabat")
    assert "the header lacks discount." in refusal(replace(FEED, columns=("discount", "discount_2")), "Discount 2")


def test_long_lists_of_columns_are_shortened_and_nothing_is_named_twice() -> None:
    many = replace(FEED, columns=tuple(f"column_{number}" for number in range(1, 21)))
    message = refusal(many, ";".join(many.columns), *(f"Field {number}" for number in range(1, 21)))
    assert message.startswith("the header lacks column_1")
    assert "column_5 and 15 more; names over 63 bytes: column_1" in message
    assert ". Found in the header: column_1;column_2" in message
    assert ", Field 9 and 11 more. Correct the file" in message
    assert message.count("nearest in the file: column_1;column_2") <= 1
    new = [f"new {number}" for number in range(1, 21)]
    message = refusal(with_contract(on_new_column="refuse"), "order_id", "amount", "discount", *new)
    assert "new_10 and 10 more. Found" in message


def test_two_headers_that_mean_one_column_refuse_the_file() -> None:
    feed = with_contract(aliases=(("order_id", ("Bestell-Nr",)),))
    message = refusal(feed, "Order Id", "Bestell-Nr", "amount", "discount")
    assert message.startswith("more than one column is called order_id (Order Id, Bestell-Nr). ")


def test_an_alias_is_compared_as_written_before_it_is_normalised() -> None:
    feed = with_contract(aliases=(("discount", ("Amount %",)), ("order_id", ("#", "Nr €", "Nr £"))))
    assert match_columns(["AMOUNT  %", "Amount", "#"], feed) == ["discount", "amount", "order_id"]
    assert match_columns(["Discount", "Amount", "Nr"], feed) == ["discount", "amount", "order_id"]
    message = refusal(FEED, "order_id", "Amount", "Amount %", "discount")
    assert "called amount (Amount, Amount %): declare a column for each, and its text as an alias" in message
    ignoring = with_contract(on_new_column="ignore")
    assert match_columns(["order_id", "Amount %", "Amount", "discount", "#"], ignoring) == [
        "order_id", None, "amount", "discount", None,
    ]  # fmt: skip
    assert "more than one column" in refusal(ignoring, "order_id", "Amount %", "Amount #", "discount")
    assert "more than one column" in refusal(ignoring, "order_id", "OrderId", "Amount", "discount")


def test_an_alias_with_signs_may_resemble_a_declared_column(tmp_path: Path) -> None:
    feed = read(tmp_path, "{aliases: {discount: ['Amount %', Discount], order_id: ['#']}}")
    assert [feed.column_of(text) for text in ("amount %", "Amount", "#", "DISCOUNT", "%")] == [
        "discount", "amount", "order_id", "discount", "",
    ]  # fmt: skip


def test_ignored_columns_may_be_called_anything() -> None:
    feed = with_contract(on_new_column="ignore")
    header = ["order_id", "Note", "", "note", "x" * 70, "amount", "discount", "?"]
    columns = match_columns(header, feed)
    assert columns == ["order_id", None, None, None, None, "amount", "discount", None]
    assert name_ignored(header, columns) == ("note", "column 3", "x" * 70, "column 8")


def test_refused_columns_are_named_with_the_option() -> None:
    message = refusal(with_contract(on_new_column="refuse"), "order_id", "amount", "discount", "Note", "Gift Card")
    assert message.startswith("new columns, refused by on_new_column: refuse: note, gift_card. Found")


def test_a_delimiter_at_the_end_of_the_header_names_its_option() -> None:
    assert "no name for column 4 (trailing_delimiter: ignore" in refusal(FEED, "order_id", "amount", "discount", "")
    assert "no name for column 1." in refusal(FEED, "", "order_id", "amount", "discount")


def test_an_endless_header_gives_a_short_message() -> None:
    assert len(refusal(with_contract(on_new_column="refuse"), *(["order_id" * 100] * 20))) < 6000


# --- selection of fields ---

FIELDS = st.binary(max_size=6).map(lambda b: b.replace(b"\0", b""))


@given(
    records=st.lists(st.lists(st.tuples(FIELDS, st.booleans()), min_size=4, max_size=4), min_size=1, max_size=5),
    is_kept=st.lists(st.booleans(), min_size=4, max_size=4),
    dialect=st.sampled_from([Dialect(), Dialect(";", "'"), Dialect("\t"), Dialect("||"), Dialect("|", "^")]),
)
def test_kept_fields_are_unchanged_byte_for_byte(
    records: list[list[tuple[bytes, bool]]], is_kept: list[bool], dialect: Dialect
) -> None:
    grammar = RecordGrammar(dialect)

    def write(keep: list[bool]) -> bytes:
        lines = []
        for number, record in enumerate(records, 1):
            fields = [field for field, kept in zip(record, keep, strict=True) if kept]
            values = [b"7", b"%d" % number, *(value for value, _ in fields)]
            lines.append(grammar.write(values, [False, False, *(quoted for _, quoted in fields)]) + b"\n")
        return b"".join(lines)

    assert FieldFilter(grammar, is_kept).apply(write([True] * 4), is_plain_text=False) == write(is_kept)


def test_a_quote_in_the_text_format_is_an_ordinary_character() -> None:
    keep = FieldFilter(RecordGrammar(Dialect()), [True, False, True])
    assert keep.apply(b'7,1,a",b\\,",c"\n7,2,,x,\n', is_plain_text=True) == b'7,1,a",c"\n7,2,,\n'


def test_a_file_of_three_thousand_columns_is_filtered() -> None:
    keep = FieldFilter(RecordGrammar(Dialect()), [number % 2 == 0 for number in range(3000)])
    record = b"7,1," + b",".join(b"%d" % number for number in range(3000)) + b"\n"
    assert keep.apply(record * 2, is_plain_text=False).split(b"\n")[1].split(b",")[2:5] == [b"0", b"2", b"4"]


# --- keys of JSON Lines


def json_reader(columns: tuple[str, ...], **contract: Any) -> JsonLinesReader:
    feed = replace(FEED, file_format="jsonl", columns=columns, contract=Contract(**contract))
    return JsonLinesReader(feed, 7)


def read_json(reader: JsonLinesReader, *objects: dict[str, Any]) -> tuple[bytes, list[Reject]]:
    blocks = iter(["".join(json.dumps(it) + "\n" for it in objects).encode()])
    header = reader.read_header(blocks)
    found = list(reader.read(blocks, [True] * len(header.texts)))
    return b"".join(block.copy_data for block in found), [reject for block in found for reject in block.rejects]


def test_an_optional_key_missing_everywhere_does_not_refuse_the_file() -> None:
    reader = json_reader(("a", "b"), optional=("b",))
    assert read_json(reader, {"a": 1}) == (b'7,1,"1",,\n', [])
    assert reader.missing == ("b",)
    with pytest.raises(FileRefused, match="no object has a"):
        read_json(json_reader(("a", "b"), optional=("b",)), {"b": 1})


def test_a_key_may_be_an_alias_and_two_for_one_column_reject_the_line() -> None:
    reader = json_reader(("amount", "b"), aliases=(("amount", ("Sum",)),))
    copied, (reject,) = read_json(reader, {"SUM": 1, "b": 2}, {"amount": 1, "Sum": 2, "b": 3})
    assert copied == b'7,1,"1","2",\n'
    assert (reject.reason, reject.detail) == ("bad_json", "the keys 'amount' and 'Sum' both mean amount")


def test_ignored_keys_are_left_out_and_named_refused_ones_refuse_the_file() -> None:
    assert json_reader(("a",), on_new_column="ignore").read_header(iter([b"{}\n"])).texts == ["a"]
    reader = json_reader(("a",), on_new_column="ignore")
    copied, _ = read_json(reader, {"a": 1, "Gift Card": {"x": 1}}, {"gift_card": 2, "?": 3})
    assert copied == b'7,1,"1"\n7,2,\n'
    assert reader.ignored == ("gift_card", "?")
    with pytest.raises(FileRefused, match="line 2 has new keys, refused by on_new_column: refuse: B, c"):
        read_json(json_reader(("a",), on_new_column="refuse"), {"a": 1}, {"a": 1, "B": 1, "c": 2})


def test_only_the_first_hundred_ignored_keys_are_kept() -> None:
    reader = json_reader(("a",), on_new_column="ignore")
    read_json(reader, {"a": 1, **{f"k{number}": 1 for number in range(500)}})
    assert len(reader.ignored) == 100


# --- control lines


@pytest.mark.parametrize("encoding", ["utf-8", "cp037", "utf-16-le", "utf-16-be"])
def test_a_trailer_line_is_read_in_the_encoding_of_the_file(encoding: str) -> None:
    declared = "utf-16" if encoding.startswith("utf-16") else encoding
    trailers = TrailerLines(Control(TRAILER), declared)
    trailers.add(
        [
            SkippedLine(1, None, "preamble", "T;9;9".encode(encoding)),
            SkippedLine(8, 7, "comment", "T;9;9".encode(encoding)),
            SkippedLine(9, 8, "trailer", "T;7;1.50".encode(encoding)),
        ]
    )
    (line,) = trailers.lines
    assert (line.place, line.figures) == ("line 9", {"records": "7", "amount": "1.50"})


@pytest.mark.parametrize("on_new_column", ["add", "ignore", "refuse"])
@pytest.mark.parametrize("name", ["c{}", "{}", "order_id", "c{}{}"])
def test_a_header_of_half_a_million_columns_is_refused_soon(on_new_column: str, name: str) -> None:
    """Each of some steps compared every column with every other one: no file behind it was ever loaded."""
    header = [name.format(number // 2, "") for number in range(250_000)] * 2
    before = time.process_time()
    with pytest.raises(FileRefused) as refused:
        match_columns(header, with_contract(on_new_column=on_new_column))
    assert time.process_time() - before < 20
    assert len(refused.value.message) < 20_000
