"""What a draft sees in sample files: encoding, dialect, header, sheets, records; and what it asks."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard

from sales_warehouse.draft.evidence import AMOUNT_SCALE, Evidence
from sales_warehouse.draft.look import Samples, look_at_samples
from sales_warehouse.draft.write_declaration import write_declaration
from sales_warehouse.draft.write_models import write_staging, write_yaml
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.validate import validate_feed
from workbook import make_xlsx

PROJECT = Path(__file__).resolve().parents[3]
HEADER = "Order No;Sold On;Article;Pieces;Price Each\n"
LINES = "1001;2024-05-13;A-17;2;3.50\n1002;2024-05-14;B-02;1;1.80\n"


def look(folder: Path, *contents: str | bytes, name: str = "day-{}.csv", columns: tuple[str, ...] = ()) -> Evidence:
    """Return the evidence of files with these contents."""
    paths = []
    for number, content in enumerate(contents, 1):
        path = folder / name.format(number)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return look_at_samples("shop", "lines", Samples(paths, folder / "inbox", columns))


def fact(evidence: Evidence, name: str) -> str:
    return next(fact.value for fact in evidence.facts if fact.name == name)


def asked(evidence: Evidence) -> set[str]:
    return {question.about for question in evidence.questions}


def question(evidence: Evidence, about: str) -> str:
    return next(it.text for it in evidence.questions if it.about == about)


def planned(evidence: Evidence) -> dict[str, Any]:
    return {str(entry["name"]): entry for entry in evidence.plan}


# --- encoding ---


def test_ascii_and_utf_8_are_certain(tmp_path: Path) -> None:
    assert fact(look(tmp_path, HEADER + LINES), "encoding") == "utf-8"
    seen = look(tmp_path, HEADER + LINES.replace("A-17", "Crème"))
    assert (fact(seen, "encoding"), "encoding" in asked(seen)) == ("utf-8", False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    seen = look(tmp_path, (HEADER + LINES).encode(encoding))
    assert fact(seen, "encoding") == encoding.removesuffix("-sig")
    assert seen.records.count == 2


def test_utf_16_without_a_mark_is_seen_by_its_zeros(tmp_path: Path) -> None:
    assert fact(look(tmp_path, (HEADER + LINES).encode("utf-16-le")), "encoding") == "utf-16-le"


def test_letters_of_one_byte_are_asked_as_each_encoding_reads_them(tmp_path: Path) -> None:
    seen = look(tmp_path, (HEADER + LINES.replace("A-17", "Crème brûlée")).encode("cp1252"))
    assert fact(seen, "encoding") == "cp1252"
    assert "cp1250: Crčme" in question(seen, "encoding")


def test_bytes_that_are_no_letters_in_latin_1_are_counted(tmp_path: Path) -> None:
    seen = look(tmp_path, (HEADER + LINES.replace("A-17", "Tea – 5€ “best”")).encode("cp1252"))
    evidence = next(fact.evidence for fact in seen.facts if fact.name == "encoding")
    assert "80 to 9F" in evidence


def test_samples_of_two_encodings_are_asked(tmp_path: Path) -> None:
    text = HEADER + LINES.replace("A-17", "Crème")
    seen = look(tmp_path, text.encode("cp1252"), text.encode())
    assert any("some samples are UTF-8" in it.text for it in seen.questions)


# --- dialect ---


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "||", "^"])
def test_the_delimiter_that_gives_every_line_the_same_width_is_found(tmp_path: Path, delimiter: str) -> None:
    seen = look(tmp_path, (HEADER + LINES * 3).replace(";", delimiter))
    assert seen.feed.dialect.delimiter == delimiter
    assert seen.records.count == 6


def test_a_decimal_comma_does_not_make_the_comma_a_delimiter(tmp_path: Path) -> None:
    seen = look(tmp_path, (HEADER + LINES * 3).replace(".", ","))
    assert seen.feed.dialect.delimiter == ";"
    assert planned(seen)["unit_price"] == {
        "name": "unit_price", "from": "price_each", "required": True, "cast": "amount", "decimal_mark": ",",
    }  # fmt: skip


def test_a_preamble_blank_lines_and_comments_are_counted(tmp_path: Path) -> None:
    seen = look(tmp_path, "Sales of May\nShop: Paris\n\n" + HEADER + LINES * 3)
    assert seen.feed.dialect.preamble_lines == 3
    assert seen.records.count == 6
    seen = look(tmp_path, "# made by a till\n# shop 7\n" + HEADER + LINES * 3)
    assert (seen.feed.dialect.comment, seen.records.count) == ("^#", 6)


def test_title_rows_padded_with_delimiters_are_a_preamble(tmp_path: Path) -> None:
    text = f"Umsatzbericht;;;;\nFiliale: Köln (€);;;;\n;;;;\n{HEADER}{LINES * 3}"
    seen = look(tmp_path, text.encode("cp1252"))
    assert (seen.feed.dialect.preamble_lines, seen.records.count) == (3, 6)
    assert seen.feed.dialect.encoding == "cp1252"


def test_total_lines_are_asked(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + LINES * 3 + "Total;;;9;15.90\n")
    assert "trailer" in asked(seen)
    assert seen.records.count == 6


def test_quotes_escapes_and_null_texts_are_found(tmp_path: Path) -> None:
    quoted = look(tmp_path, HEADER + '1;2024-05-13;"Tea; loose";2;3.50\n' * 3)
    assert quoted.records.values[2][0] == "Tea; loose"
    escaped = look(tmp_path, HEADER + '1;2024-05-13;"a \\" b";\\N;3.50\n' * 3)
    assert (escaped.feed.dialect.escape, escaped.feed.dialect.null_text) == ("\\", ("\\N",))
    blanks = look(tmp_path, HEADER + '1; 2024-05-13; "Tea; loose"; 2; 3.50\n' * 3)
    assert blanks.feed.dialect.blanks == "delimiter"


def test_a_delimiter_at_the_end_of_every_line_is_no_column(tmp_path: Path) -> None:
    seen = look(tmp_path, (HEADER + LINES * 3).replace("\n", ";\n"))
    assert seen.feed.dialect.trailing_delimiter == "ignore"
    assert len(seen.columns) == 5


def test_records_with_fewer_fields_are_asked_and_not_filled_up(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + LINES * 3 + "1003;2024-05-15\n1004;2024-05-15\n")
    assert "short_records" in asked(seen)
    assert seen.feed.dialect.short_records == "reject"


def test_runs_of_blanks_and_files_without_a_header_are_seen(tmp_path: Path) -> None:
    text = " 00004 0001 19970101  2   29.33\n 00021 0002 19970118  3   63.34\n" * 3
    seen = look(tmp_path, text, name="sample.txt")
    assert (seen.feed.file_format, seen.feed.dialect.header_lines) == ("aligned", 0)
    assert "header" in asked(seen)
    named = look(tmp_path, text, name="sample.txt", columns=("customer_id", "no", "date", "quantity", "amount"))
    assert "header" not in asked(named)
    assert planned(named)["order_date"]["format"] == "YYYYMMDD"
    with pytest.raises(ConfigurationError, match="5 columns, and --columns names 2"):
        look(tmp_path, text, name="sample.txt", columns=("a", "b"))


def test_line_ends_of_old_macs_are_seen(tmp_path: Path) -> None:
    assert look(tmp_path, (HEADER + LINES).replace("\n", "\r")).feed.dialect.line_end == "cr"


# --- other formats ---


def test_compressed_files_and_archives_are_looked_into(tmp_path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress((HEADER + LINES).encode())
    seen = look(tmp_path, packed, name="day.csv.zst")
    assert (fact(seen, "compression"), seen.feed.location, seen.records.count) == (".zst", "shop/*.csv", 2)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("2024-05-13.csv", HEADER + LINES)
        archive.writestr("2024-05-14.csv", HEADER + LINES)
    seen = look(tmp_path, out.getvalue(), name="may.zip")
    assert (seen.feed.location, seen.records.count, len(seen.records.files)) == ("shop/*.csv", 4, 2)


def test_the_sheet_with_the_columns_of_sales_and_its_header_are_found(tmp_path: Path) -> None:
    rows = [["Report of May"], [], ["Order No", "Date", "Product", "Quantity", "Amount"]]
    rows += [[n, "2024-05-13", "Tea", 2, 7.5] for n in range(1, 6)]
    content = make_xlsx({"Notes": [["Key", "Text"], ["a", "b"], ["c", "d"], ["e", "f"]], "Data": rows})
    seen = look(tmp_path, content, name="may.xlsx")
    assert (seen.feed.workbook.sheet, seen.feed.workbook.header_row) == ("Data", 3)
    assert (seen.records.count, "sheet" in asked(seen)) == (5, False)


def test_total_rows_of_a_sheet_are_left_out_and_asked(tmp_path: Path) -> None:
    rows: list[Any] = [["Order No", "Date", "Quantity", "Amount"], *([n, "2024-05-13", 2, 7.5] for n in range(1, 5))]
    seen = look(tmp_path, make_xlsx({"May": [*rows, ["Summe", None, None, 30]]}), name="may.xlsx")
    assert (seen.records.count, seen.records.totals) == (4, 1)
    assert "total_rows" in asked(seen)
    assert re.search(str(seen.feed.workbook.total_rows), "Summe")


def test_two_sheets_with_the_same_columns_are_asked(tmp_path: Path) -> None:
    rows = [["Order No", "Date", "Quantity"], *([n, "2024-05-13", 2] for n in range(1, 5))]
    assert "sheet" in asked(look(tmp_path, make_xlsx({"May": rows, "June": rows}), name="both.xlsx"))


def test_parquet_and_json_have_their_columns(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"Order ID": ["1", "2"], "Quantity": [1, 2], "Amount": [1.5, 2.5]}), out)
    seen = look(tmp_path, out.getvalue(), name="a.parquet")
    assert (seen.feed.file_format, seen.feed.columns) == ("parquet", ("order_id", "quantity", "amount"))
    line = {"id": 1, "customer": {"id": "c1"}, "lines": [{"sku": "tea", "qty": 2}, {"sku": "cup", "qty": 1}]}
    seen = look(tmp_path, json.dumps(line) + "\n" + json.dumps(line) + "\n", name="a.jsonl")
    assert (seen.feed.file_format, seen.feed.nesting.items) == ("jsonl", ("lines",))
    assert (seen.records.count, "customer_id" in seen.feed.columns) == (4, True)
    assert seen.values("sku") == ("tea", "cup", "tea", "cup")
    seen = look(tmp_path, json.dumps({"data": {"orders": [line]}}), name="a.json")
    assert (seen.feed.file_format, seen.feed.nesting.records) == ("json", ("data", "orders"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{not json", "begins like JSON"),
        (b"PK\x03\x04" + b"x" * 99, "cannot be read|is a zip"),
        (b"", "is empty"),
        (b"%PDF-1.4 ...", "is a PDF"),
        (b"\x1f\x8b\x08\0" + b"x" * 50, "a gzip file"),
    ],
)
def test_a_file_that_no_feed_can_have_is_refused_with_its_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        look(tmp_path, content)


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a folder: name its files"):
        look_at_samples("shop", "lines", Samples([tmp_path], tmp_path))
    with pytest.raises(ConfigurationError, match="not there"):
        look_at_samples("shop", "lines", Samples([tmp_path / "none.csv"], tmp_path))


# --- records and questions ---


def test_blank_rows_repeated_headers_and_repeated_records_are_counted(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + LINES + ";;;;\n" + HEADER + LINES)
    assert (seen.records.count, seen.records.blank, seen.records.repeated_headers) == (4, 1, 1)
    assert fact(seen, "records that come again") == "2 in their file"


def test_records_that_an_earlier_sample_has_are_asked(tmp_path: Path) -> None:
    assert "overlap" in asked(look(tmp_path, HEADER + LINES, HEADER + LINES))


def test_a_column_that_a_sample_lacks_is_optional_and_asked(tmp_path: Path) -> None:
    other = "Order No;Sold On;Article;Pieces;Price Each;Note\n1003;2024-05-15;A-17;1;3.50;x\n"
    seen = look(tmp_path, HEADER + LINES, other)
    assert seen.feed.contract.optional == ("note",)
    assert "optional" in asked(seen)


def test_samples_without_a_common_column_are_no_feed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no column in common"):
        look(tmp_path, HEADER + LINES, "Region;Manager\nWest;Ada\n")


def test_day_and_month_in_doubt_stay_in_doubt(tmp_path: Path) -> None:
    lines = "1001;05/06/2024;A-17;2;3.50\n1002;07/08/2024;B-02;1;1.80\n"
    seen = look(tmp_path, HEADER + lines)
    assert planned(seen)["order_date"]["format"] == ["DD/MM/YYYY", "MM/DD/YYYY"]
    assert "DD/MM/YYYY fits all 2; MM/DD/YYYY fits all 2" in question(seen, "sold_on")
    decided = look(tmp_path, HEADER + lines + "1003;13/08/2024;B-02;1;1.80\n")
    assert planned(decided)["order_date"]["format"] == "DD/MM/YYYY"
    assert "sold_on" not in asked(decided)


def test_the_period_in_the_names_is_evidence_for_day_and_month(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + "1001;05/06/2024;A-17;2;3.50\n", name="2024-05-06_{}.csv")
    assert "0 by DD/MM/YYYY, 1 by MM/DD/YYYY" in question(seen, "sold_on")


def test_numbers_with_two_meanings_are_asked(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + "1001;2024-05-13;A-17;2;1,234\n1002;2024-05-14;B-02;1;2,500\n")
    assert "two meanings" in question(seen, "price_each")
    assert planned(seen)["unit_price"]["cast"] == "decimal"


def test_more_decimals_than_money_has_are_asked_and_not_rounded(tmp_path: Path) -> None:
    seen = look(tmp_path, HEADER + LINES.replace("1.80", "1.8000005"))
    assert "1 of 2 rows have more than 6 decimals" in question(seen, "price_each")
    assert "'cast': 'decimal', 'round': 6 rounds them" in question(seen, "price_each")
    assert planned(seen)["unit_price"]["cast"] == "decimal"
    in_dollars = look(tmp_path, HEADER + LINES.replace("1.80", "$1.8000005"))
    assert "'cast': 'amount(28, 7)', 'decimal_mark': '.', 'hidden': true" in question(in_dollars, "price_each")
    assert "price_each" not in asked(look(tmp_path, HEADER + LINES.replace("1.80", "1.800001")))


def test_a_product_with_more_decimals_than_amounts_is_asked(tmp_path: Path) -> None:
    weighed = LINES.replace(";2;", ";0.4375;").replace("3.50", "3.5001")
    assert "quantity × price has up to 8 decimals" in question(look(tmp_path, HEADER + weighed), "net_amount")
    assert "net_amount" not in asked(look(tmp_path, HEADER + LINES))


def test_a_cost_is_rounded_where_the_profit_has_more_decimals(tmp_path: Path) -> None:
    header = "Order No;Date;Article;Quantity;Amount;Profit\n"
    seen = look(tmp_path, header + "1;2024-05-13;Tea;2;3.50;1.1234567\n2;2024-05-14;Tea;1;1.50;1\n")
    assert planned(seen)["profit"]["cast"] == "decimal(28, 7)"
    assert "{'name': 'cost_amount', 'is': 'net_amount - profit', 'cast': 'decimal', 'round': 6}," in write_staging(seen)


def test_the_scale_of_amounts_is_that_of_the_project() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"]["amount_type"] == f"numeric(18, {AMOUNT_SCALE})"


def test_what_the_files_do_not_say_is_asked(tmp_path: Path) -> None:
    seen = look(tmp_path, "Article;Amount\nTea;1.50\nCup;2.50\n")
    assert {"order_id", "currency", "quantity", "order_date"} <= asked(seen)
    assert planned(seen)["currency"]["constant"] == "XXX"
    assert str(planned(seen)["order_id"]["is"]).startswith("'cast(null")
    till = look(
        tmp_path, "Filiale;Datum;Artikel;Betrag\n7;2024-05-13;Tee;1,50\n7;2024-05-13;Cup;2,50\n8;2024-05-13;x;1,00\n"
    )
    assert planned(till)["order_id"]["is"] == "key_of(['filiale', 'datum'])"
    assert "3 records would be 2 orders" in question(till, "order_id")
    euro = look(tmp_path, HEADER.replace("Price Each", "Price (EUR)") + LINES)
    assert planned(euro)["currency"]["constant"] == "EUR"
    assert planned(look(tmp_path, HEADER.replace("Price Each", "Price (£)") + LINES))["currency"]["constant"] == "GBP"
    assert "currency" not in asked(euro)


def test_a_total_that_is_not_quantity_times_price_is_asked(tmp_path: Path) -> None:
    text = "Invoice ID,Date,SKU,Quantity,Unit Price,Total\n1,2024-05-13,a,2,5.00,10.50\n2,2024-05-13,a,1,7.00,7.35\n"
    assert "in 0 of 2 records: does it hold tax" in question(look(tmp_path, text), "net_amount")
    assert "net_amount" not in asked(look(tmp_path, text.replace("10.50", "10.00").replace("7.35", "7.00")))


def test_states_of_orders_are_asked_with_their_amounts(tmp_path: Path) -> None:
    text = "Order No,Date,SKU,Quantity,Amount,Status\n1,2024-05-13,a,1,5.00,done\n2,2024-05-13,a,1,7.00,cancelled\n"
    assert "cancelled 1 (amount 7.00)" in question(look(tmp_path, text), "status")


# --- what is written ---


def test_every_question_is_a_todo_line_in_the_draft(tmp_path: Path) -> None:
    lines = "1001;05/06/2024;Crème;2;1,234\n1002;07/08/2024;B-02;1;2,500\n"
    seen = look(tmp_path, (HEADER + lines).encode("cp1252"))
    written = write_declaration(seen, tmp_path / "none.yml") + write_staging(seen)
    assert len(seen.questions) >= 4
    assert written.count(" TODO ") == len(seen.questions)
    assert all(f"TODO {it.about}:" in written for it in seen.questions)
    assert max(map(len, written.splitlines())) <= 120


def test_a_draft_has_a_unit_test_also_where_no_column_names_the_order(tmp_path: Path) -> None:
    seen = look(tmp_path, "Date;Article;Quantity;Amount\n2024-05-13;Tea;2;3.50\n2024-05-14;Tea;-2;-3.50\n")
    written = write_yaml(seen)
    assert '{_row_number: 1, product_id: Tea, quantity: 2, net_amount: "3.500000", order_date: "2024-05-13"}' in written
    assert (
        '{_row_number: 2, product_id: Tea, quantity: -2, net_amount: "-3.500000", order_date: "2024-05-14"}' in written
    )


def test_personal_values_are_masked_and_in_no_description(tmp_path: Path) -> None:
    text = "Order No,Date,SKU,Quantity,Amount,Customer Name,E-Mail,Customer ID\n"
    seen = look(tmp_path, text + "1,2024-05-13,a,1,5.00,Ada Lovelace,ada@example.org,K-77\n")
    written = write_declaration(seen, tmp_path / "none.yml") + write_staging(seen) + write_yaml(seen)
    assert "Xxx Xxxxxxxx" in written
    assert "xxx@xxxxxxx.xxx" in written
    assert "X-99" in written
    assert not any(secret in written for secret in ("Ada", "Lovelace", "example.org"))
    assert written.count("{meta: {personal: true}}") == 4


def test_a_feed_is_added_behind_the_other_tables_of_its_source(tmp_path: Path) -> None:
    path = tmp_path / "_shop__sources.yml"
    seen = look(tmp_path, HEADER + LINES)
    path.write_text(write_declaration(seen, path))
    with pytest.raises(ConfigurationError, match=r"declares shop\.lines already"):
        write_declaration(seen, path)
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "a.csv").write_text(HEADER + LINES)
    other = look_at_samples("shop", "more", Samples([folder / "a.csv"], folder))
    assert write_declaration(other, path).count("- name: more\n") == 1
    path.write_text(path.read_text() + "  - name: another\n    schema: raw\n    tables: []\n")
    with pytest.raises(ConfigurationError, match="does not end with the tables of shop"):
        write_declaration(other, path)


# --- columns at fixed places, and a time in a column of its own ---


def test_the_places_of_fixed_columns_are_drafted_and_asked(tmp_path: Path) -> None:
    text = "000120240502KB0012tea  \n000220240503XY0001cup  \n"
    seen = look(tmp_path, text, name="till-{}.txt")
    assert (seen.feed.file_format, seen.feed.dialect.header_lines) == ("fixed", 0)
    assert seen.feed.positions == ((1, 4), (5, 12), (13, 14), (15, 18), (19, 23))
    assert {"positions", "header"} <= asked(seen)
    names = ("order_no", "sold_on", "article", "pieces", "text")
    named = look(tmp_path, text, name="till-{}.txt", columns=names)
    assert "header" not in asked(named)
    assert planned(named)["order_date"]["format"] == "YYYYMMDD"
    written = write_declaration(named, tmp_path / "none.yml")
    [table] = yaml.safe_load(written)["sources"][0]["tables"]
    assert table["external"]["options"]["positions"] == {
        "order_no": "1-4", "sold_on": "5-12", "article": "13-14", "pieces": "15-18", "text": "19-23",
    }  # fmt: skip
    assert "TODO positions: " in written


def test_a_header_names_fixed_columns(tmp_path: Path) -> None:
    text = "ORDER SOLD     PCS NAME\n00001 20240502 012 tea   \n00002 20240503 001 a cup \n"
    seen = look(tmp_path, text, name="till-{}.txt")
    assert (seen.feed.file_format, seen.feed.dialect.header_lines) == ("fixed", 1)
    assert dict(zip(seen.feed.columns, seen.feed.positions, strict=True)) == {
        "order": (1, 5), "sold": (7, 14), "pcs": (16, 18), "name": (20, 25),
    }  # fmt: skip
    assert seen.values("name") == ("tea", "a cup")


def test_blanks_belong_to_the_text_in_front_and_to_the_number_behind(tmp_path: Path) -> None:
    lines = [("tea", 12, 3.5), ("cup, blue", 112, 0.99), ("teapots", 1, 10), ("a jar", 7, 8.5)]
    text = "".join(f"000{n}{name:<11}{pieces:>3}{price:>6.2f}\n" for n, (name, pieces, price) in enumerate(lines, 1))
    seen = look(tmp_path, f"{text}0005jar", name="till-{}.txt")
    assert seen.feed.positions == ((1, 4), (5, 15), (16, 18), (19, 24))
    assert "max_rejects" in asked(seen)  # the last line is cut


def test_places_are_counted_in_bytes_where_only_these_fit(tmp_path: Path) -> None:
    names = [text.encode().ljust(10) for text in ("cup", "茶", "赤い茶")]
    lines = [b"100%d%b0000%d00\n" % (number, name, number) for number, name in enumerate(names)] * 10
    seen = look(tmp_path, b"".join(lines), name="till-{}.txt")
    assert seen.feed.positions == ((1, 4), (5, 14), (15, 21))
    assert seen.feed.dialect.bytes_of == "utf-8"
    assert seen.values("column_2")[:2] == ("cup", "茶")
    assert "positions_in: bytes" in write_declaration(seen, tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("day", "clock", "form"),
    [
        ("02.05.2024", "08:12", "DD.MM.YYYY HH24:MI"),
        ("2024-05-13", "8:12:01", "YYYY-MM-DD H24:MI:SS"),
        ("13/05/2024", "1:05 PM", "DD/MM/YYYY H12:MI AM"),
    ],
)
def test_a_time_in_a_column_of_its_own_is_part_of_the_moment(tmp_path: Path, day: str, clock: str, form: str) -> None:
    lines = f"1001;{day};{clock};A-17;2;3.50\n1002;{day};;B-02;1;1.80\n"
    seen = look(tmp_path, "Beleg;Datum;Uhrzeit;Artikel;Menge;Preis\n" + lines)
    entry = planned(seen)["ordered_at"]
    assert f"'{form}'" in entry["is"]
    assert "order_date_text || ' ' || order_time" in entry["is"]
    names = [entry["name"] for entry in seen.plan]
    assert names.index("order_time") < names.index("ordered_at") > names.index("order_date")
    assert "ordered_at" not in asked(seen)


def test_a_time_that_no_format_fits_is_asked(tmp_path: Path) -> None:
    seen = look(
        tmp_path, "Beleg;Datum;Uhrzeit;Artikel;Menge;Preis\n1;2024-05-13;morning;A-17;2;3.50\n2;2024-05-14;8:12;A;1;2\n"
    )
    assert "no one format fits" in question(seen, "ordered_at")
    assert "ordered_at" not in planned(seen)


# --- samples that are read in several ways ---

COMMAS = "Order No,Sold On,Article,Pieces,Amount EUR\n{0},2024-0{1}-13,A-17,2,7.00\n"
PIPES = "Order No|Sold On|Article|Pieces|Amount EUR\n{0}|2024-0{1}-13|A-17|2|7.50\n"


def look_named(folder: Path, contents: dict[str, str | bytes]) -> Evidence:
    """Return the evidence of files with these names."""
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return look_at_samples("shop", "lines", Samples([folder / name for name in contents], folder / "inbox"))


def drafted(seen: Evidence, folder: Path) -> tuple[dict[str, Any], Any]:
    """Return `external` of the draft, and the feed that the loader makes of it."""
    [source] = yaml.safe_load(write_declaration(seen, folder / "none.yml"))["sources"]
    [table] = source["tables"]
    return table["external"], validate_feed(source, table)


def test_a_sender_who_changed_the_delimiter_is_drafted_as_a_variant_from_that_day(tmp_path: Path) -> None:
    seen = look_named(
        tmp_path,
        {f"2024-0{n}-13.csv": (COMMAS if n < 3 else PIPES).format(n, n) for n in (3, 1, 2, 4)},
    )
    external, feed = drafted(seen, tmp_path)
    assert external["variants"] == [{"from": "2024-03-13", "options": {"delimiter": "|"}}]
    assert external["options"]["delimiter"] == ","
    assert sorted(text or "" for text in seen.values("order_no")) == ["1", "2", "3", "4"]
    assert feed.for_file("shop/2024-04-01.csv").dialect.delimiter == "|"
    assert "rejects" not in {it.name for it in seen.facts}


def test_a_workbook_beside_text_is_drafted_as_a_variant_by_its_suffix(tmp_path: Path) -> None:
    rows = [["Order No", "Sold On", "Article", "Pieces", "Amount EUR"], ["2", "2024-01-14", "A-17", 1, 3.5]]
    book = make_xlsx({"Sheet": [["Title"], [], *rows]})
    seen = look_named(tmp_path, {"2024-01-13.csv": COMMAS.format(1, 1), "2024-01-14.xlsx": book})
    external, feed = drafted(seen, tmp_path)
    assert external["location"] == "shop/*.csv"
    assert external["variants"] == [{"location": "shop/*.xlsx", "file_format": "xlsx", "options": {"header_row": 3}}]
    assert seen.values("amount_eur") == ("7.00", "3.5")
    assert feed.for_file("shop/2024-01-14.xlsx").workbook.header_row == 3


def test_samples_that_nothing_tells_apart_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither its suffix nor the day in its name"):
        look_named(tmp_path, {"a.csv": COMMAS.format(1, 1), "b.csv": PIPES.format(2, 2)})
    with pytest.raises(ConfigurationError, match="is JSON, and other samples are not"):
        look_named(tmp_path, {"a.csv": COMMAS.format(1, 1), "b.json": '{"a": 1}\n{"a": 2}\n'})
