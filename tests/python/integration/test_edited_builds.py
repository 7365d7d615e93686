"""`warehouse build` after an edit: the unit tests of what changed run, and the failing place comes first."""

from pathlib import Path

import pytest

from checkout import WITH_UNIT_TESTS, Checkout

UNIONED = "models/intermediate/sales/int_sales__lines_unioned.sql"
SHAPE = "macros/sales/union_sales_lines.sql"
ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file, and the manifest of its green build."""
    checkout.variables.update(WITH_UNIT_TESTS)
    checkout.warehouse("up")
    path = Path(checkout.variables["WAREHOUSE_INBOX"]) / "online_retail" / "2024-01-01.csv"
    path.parent.mkdir(parents=True)
    path.write_text(ONLINE + "1,A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n")
    assert "unit test" not in checkout.warehouse("build", "--settle", "0")  # there is nothing to compare with
    return checkout


def test_a_missing_cast_in_a_union_names_its_part_before_anything_is_built(shop: Checkout) -> None:
    path = shop.project / SHAPE
    sound = path.read_text()
    text = "{'name': 'customer_id', 'value': 'cast(null as ' ~ text_type() ~ ')'}"
    assert text in sound
    path.write_text(sound.replace(text, "{'name': 'customer_id', 'value': 'cast(null as bigint)'}"))
    done = shop.run("warehouse", "build", "--quiet", "--settle", "0", check=False)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    first = said.partition("more were skipped")[0]
    assert "all_sources_have_one_shape" in first
    assert (
        "UNION types bigint and text cannot be matched (at: select * from int_sales__online_retail_lines_typed)"
        in first
    )
    assert shop.value("select count(*) from marts.fct_sales_lines") == "1"
    turned = "lines.quantity < 0 then 'return'"
    assert turned in sound
    path.write_text(sound.replace(turned, "lines.quantity < 0 then 'sale'"))
    done = shop.run("warehouse", "build", "--quiet", "--settle", "0", check=False)
    assert done.returncode == 1
    # the data of today have no return; two unit tests have one, and the build ends at the first that fails
    kinds = ("the_kind_of_a_line_follows_from_code_pieces_and_money", "all_sources_have_one_shape")
    assert any(name in done.stdout for name in kinds)
    path.write_text(sound)


def test_unit_tests_of_what_did_not_change_do_not_run(shop: Checkout) -> None:
    path = shop.project / UNIONED
    path.write_text(path.read_text() + "\n")
    shop.warehouse("build", "--settle", "0")
    assert "unit test" not in shop.warehouse("build", "--settle", "0")
    path.write_text(path.read_text().replace("-- Grain: one row", "-- Grain: exactly one row"))
    assert " 2 unit tests" in shop.warehouse("build", "--settle", "0")
    assert "unit test" not in shop.warehouse("build", "--settle", "0")
