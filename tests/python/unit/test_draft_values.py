"""What the values of a column show: forms of numbers and dates, canonical places, personal data."""

from collections import Counter

import pytest

from sales_warehouse.draft.date_forms import SERIAL, find_date_forms, read_days
from sales_warehouse.draft.evidence import Column
from sales_warehouse.draft.name_columns import name_columns, plain
from sales_warehouse.draft.number_forms import find_number_forms, rivals
from sales_warehouse.draft.see_amounts import read_number, see_amounts
from sales_warehouse.draft.see_columns import see_column
from sales_warehouse.draft.see_names import see_names
from sales_warehouse.draft.see_orders import see_identity


def dates(*texts: str) -> list[tuple[str, int]]:
    return [(form.name, form.rows) for form in find_date_forms(Counter(texts))]


def numbers(*texts: str) -> list[str]:
    found = find_number_forms(Counter(texts))
    return [form.name for form in rivals(found.forms, len(texts))]


def column(header: str, *texts: str) -> Column:
    return see_column(header, plain(header).replace(" ", "_"), Counter(texts))


# --- dates ---


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2024-05-13", "YYYY-MM-DD"),
        ("13/05/2024", "DD/MM/YYYY"),
        ("05/13/2024", "MM/DD/YYYY"),
        ("5/13/2024", "M/D/YYYY"),
        ("13.5.2024", "D.M.YYYY"),
        ("20240513", "YYYYMMDD"),
        ("13-May-2024", "DD-Mon-YYYY"),
        ("May 13, 2024", "Mon DD, YYYY"),
        ("December 5, 2011", "Month D, YYYY"),
        ("04/19/19 08:46", "MM/DD/YY HH24:MI"),
        ("12/31/2011 8:12", "M/D/YYYY H24:MI"),
        ("1/25/2024 1:05:09 PM", "M/D/YYYY H12:MI:SS AM"),
        ("2010-12-01 08:26:00", "YYYY-MM-DD HH24:MI:SS"),
        ("2024-01-05T09:30:00.250Z", "ISO"),
    ],
)
def test_the_one_format_of_a_date_is_named_as_the_macros_take_it(text: str, form: str) -> None:
    assert dates(text)[0] == (form, 1)


def test_every_format_is_counted_with_its_rows() -> None:
    found = dict(dates(*["13/5/2024"] * 3, *["4/5/2024"] * 2))
    assert found["D/M/YYYY"] == 5
    assert found["M/D/YYYY"] == 2


def test_a_real_day_counts_and_a_form_alone_does_not() -> None:
    assert dict(dates("31/04/2024", "13/05/2024", "30/02/2024"))["DD/MM/YYYY"] == 1
    assert dates("abc", "x/y/z") == []


def test_serial_days_are_dates_only_where_the_header_says_date() -> None:
    assert [form.name for form in column("Order Date", "45413", "45414.5").dates] == [SERIAL]
    assert column("Amount", "45413", "45414").dates == ()


def test_two_forms_that_read_the_same_days_are_told_apart_by_their_days() -> None:
    counts = Counter(["5/5/2024", "6/6/2024"])
    assert read_days(counts, "D/M/YYYY") == read_days(counts, "M/D/YYYY")
    assert read_days(Counter(["5/6/2024"]), "D/M/YYYY") != read_days(Counter(["5/6/2024"]), "M/D/YYYY")


# --- numbers ---


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["1", "20"], ["integer"]),
        (["1.5", "20"], ["decimal point"]),
        (["1,5", "20"], ["decimal comma"]),
        (["1.234,50", "20,00"], ["decimal comma, thousands '.'"]),
        (["1,234.50", "20.00"], ["decimal point, thousands ','"]),
        (["-1.50", "(2.00)"], ["decimal point"]),
        (["£1.50", "-£2.00"], ["decimal point"]),
        (["1,50 €", "2,00 €"], ["decimal comma"]),
        (["1 234,50", "2,00"], ["decimal comma, thousands ' '"]),
        # one thousand two hundred and thirty-four, or one and a bit
        (["1,234", "2,500"], ["decimal comma", "decimal point, thousands ','"]),
        (["1.234", "2.500"], ["decimal point", "decimal comma, thousands '.'"]),
        (["1,234", "2,500", "3,5"], ["decimal comma"]),
        (["1,234", "2,500", "3.5"], ["decimal point, thousands ','"]),
    ],
)
def test_marks_that_fit_every_number_are_found_with_their_rivals(texts: list[str], forms: list[str]) -> None:
    assert numbers(*texts) == forms


def test_scale_signs_shares_and_leading_zeros_are_seen() -> None:
    assert find_number_forms(Counter(["1.2300", "4.5"])).scale == 2
    assert find_number_forms(Counter(["$1", "$2"])).signs == ("$",)
    assert find_number_forms(Counter(["12%", "3 %"])).is_share
    assert find_number_forms(Counter(["00042", "7"])).is_code
    assert find_number_forms(Counter(["12.50-", "3"])).trailing_minus == 1


def test_a_column_of_texts_is_no_number() -> None:
    assert not column("Article", "A-17", "12", "B").is_number
    assert column("Pieces", "1", "two").numbers[0].example == "two"


def test_numbers_are_read_by_their_marks() -> None:
    assert str(read_number("-1.234,50 €", column("x", "-1.234,50 €"))) == "-1234.50"
    assert str(read_number("(12.5)", column("x", "(12.5)"))) == "-12.5"
    assert read_number("", column("x", "1")) is None


# --- canonical columns ---


@pytest.mark.parametrize(
    ("header", "role", "values"),
    [
        ("InvoiceNo", "order_id", ["1"]),
        ("Bestell-Nr.", "order_id", ["1"]),
        ("N° commande", "order_id", ["1"]),
        ("Número de pedido", "order_id", ["1"]),
        ("Bestelldatum", "order_date", ["2024-05-13"]),
        ("Date de vente", "order_date", ["2024-05-13"]),
        ("Fecha", "order_date", ["2024-05-13"]),
        ("Artikelnummer", "product_id", ["A1"]),
        ("Référence", "product_id", ["A1"]),
        ("Bezeichnung", "product_name", ["Tee"]),
        ("Désignation", "product_name", ["thé"]),
        ("Menge", "quantity", ["2"]),
        ("Stück", "quantity", ["2"]),
        ("Quantité", "quantity", ["2"]),
        ("Cantidad", "quantity", ["2"]),
        ("Number of CDs", "quantity", ["2"]),
        ("Einzelpreis (EUR)", "unit_price", ["2,50"]),
        ("Prix unitaire", "unit_price", ["2,50"]),
        ("Umsatz", "net_amount", ["2,50"]),
        ("Importe", "net_amount", ["2,50"]),
        ("Kundennummer", "customer_id", ["7"]),
        ("Währung", "currency", ["EUR"]),
    ],
)
def test_columns_are_known_by_their_names_in_several_languages(header: str, role: str, values: list[str]) -> None:
    assert role in name_columns([column(header, *values)])


def test_a_name_whose_values_do_not_fit_is_no_candidate() -> None:
    assert "quantity" not in name_columns([column("Menge", "viel", "wenig")])
    assert "order_date" not in name_columns([column("Datum", "gestern")])


def test_a_whole_name_comes_before_a_part_of_one() -> None:
    found = name_columns([column("Total price of shipping", "1.0"), column("Total", "2.0")])
    assert found["net_amount"] == ["total"]


def test_personal_columns_are_known_by_name_and_by_value() -> None:
    assert "name" in column("Kundenname", "Ada").personal
    assert "e-mail" in column("Kontakt", "ada@example.org", "bob@example.org").personal
    assert "phone" in column("X", "+49 30 1234567", "030 / 765 43 21").personal
    assert "addresses" in column("X", "12 Main St, Dallas", "7 Elm Street").personal
    assert not column("Article", "Tea", "Cup").personal


# --- amounts, orders and names of files ---


def test_the_formula_of_the_total_is_counted() -> None:
    texts = {
        "q": ["2", "3", "1"],
        "p": ["5.00", "1.50", "4.00"],
        "t": ["9.00", "4.05", "3.60"],
        "d": ["0.1", "0.1", "0.1"],
    }
    made = {name: column(name, *values) for name, values in texts.items()}
    roles = {"quantity": [made["q"]], "unit_price": [made["p"]], "net_amount": [made["t"]], "discount": [made["d"]]}
    best = see_amounts(roles, texts)[0]
    assert (best.formula, best.agreeing, best.rows) == ("q × p × (1 − d)", 3, 3)


def test_an_order_number_that_begins_anew_each_day_is_seen() -> None:
    seen = see_identity(["1", "2", "1", "2", None], ["d1", "d1", "d2", "d2", "d2"], ["a", "a", "a", "b", "a"])
    assert (seen.orders, seen.without, seen.on_several_days, seen.of_several_customers) == (2, 1, 2, 1)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["2010-12-01.csv", "2010-12-02.csv"], "business_date=2010-12-01"),
        (["shop_20240501_v2.csv.gz", "shop_20240502.csv.gz"], "business_date=20240501"),
        (["Sales_April_2019.csv", "Sales_May_2019.csv"], "month=April year=2019"),
        (["export-2024-05.csv", "export-2024-06.csv"], "month=05 year=2024"),
        (["paris-2024-05-02.csv", "lyon-2024-05-02.csv"], "business_date=2024-05-02 part=paris"),
        (["2024-05-02_paris.csv", "2024-05-02_lyon.csv"], "business_date=2024-05-02 part=paris"),
    ],
)
def test_the_delivery_key_is_found_in_the_names(names: list[str], key: str) -> None:
    found = see_names(names)[0]
    assert (found.example, found.keys, found.is_shared) == (key, len(names), False)


def test_names_without_a_period_and_names_that_share_one_are_told() -> None:
    assert see_names(["a.csv", "b.csv"]) == []
    assert see_names(["20241345.csv"]) == []
    assert see_names(["2024-05-02 (1).csv", "2024-05-02 (2).csv"])[0].is_shared
    both = see_names(["01-02-2024.csv", "03-04-2024.csv"])
    assert [key.meaning for key in both] == ["a day, day first", "a day, month first"]
