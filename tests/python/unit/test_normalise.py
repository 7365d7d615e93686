"""Header texts become column names: one name for all spellings, and no reserved name of the loader."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sales_warehouse.feeds.names import normalise_header


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("InvoiceNo", "invoice_no"),
        ("Invoice No", "invoice_no"),
        ("invoice_no", "invoice_no"),
        ("INVOICE_NO", "invoice_no"),
        ("  Invoice\tNo\r\n", "invoice_no"),
        ("Price Each", "price_each"),
        ("Sub-Category", "sub_category"),
        ("CustomerID", "customer_id"),
        ("Row ID", "row_id"),
        ("URLPath2", "url_path2"),
        ("HTTPStatusCode", "http_status_code"),
        ("Q1Sales", "q1_sales"),
        ("unit/price (GBP) %", "unit_price_gbp"),
        ("a__b--c", "a_b_c"),
        ("Straße", "straße"),
        ("Größe cm", "größe_cm"),
        ("日付", "日付"),
        ("ＩｎｖｏｉｃｅＮｏ", "invoice_no"),
        ("Cafe\u0301", "caf\u00e9"),
        ("\ufeffOrder ID", "order_id"),
        ("Unit\u00a0Price", "unit_price"),
    ],
)
def test_a_header_becomes_a_name_of_its_words(header: str, column: str) -> None:
    assert normalise_header(header) == column


@pytest.mark.parametrize("header", ["", " ", "___", "#", "-/%", "\ufeff", "\0", "…"])
def test_a_header_without_letter_or_digit_gives_no_name(header: str) -> None:
    assert normalise_header(header) == ""


@pytest.mark.parametrize("header", ["_file_id", "__file_id", " _File ID", "_row_number", "_RowNumber_"])
def test_no_header_takes_the_name_of_a_lineage_column(header: str) -> None:
    assert normalise_header(header) in ("file_id", "row_number")


HEADERS = st.text() | st.text(alphabet="aAbB1_- ßıİſΣς\u0301\u0307")


@given(HEADERS)
@example("\u0130l")  # its lower case is two characters, the second of which is not a letter
@example("ΑΣ Σ")
@example("\u1e9e")
def test_a_normalised_name_stays_the_same(header: str) -> None:
    # Otherwise a column could not be declared under the name that its header gives.
    column = normalise_header(header)
    assert normalise_header(column) == column


@given(HEADERS)
def test_a_name_holds_words_joined_by_single_underscores(header: str) -> None:
    assert re.fullmatch(r"([^\W_]+(_[^\W_]+)*)?", normalise_header(header))
