"""A warehouse made by the previous version works after `warehouse up` and one build.

warehouse_before.sql.xz is a dump of such a warehouse, made by the code of commit a5b4ee3 in a database `yesterday` with
the edits of `edit_project`: `warehouse up`, `write_inbox` without its correction, `warehouse build --settle 0`, the
correction, the same build again, `pg_dump --no-owner --no-privileges yesterday | xz -9e`.
"""

import json
import lzma
import re
import subprocess
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout
from databases import Databases, read_connection
from sales_warehouse import server
from sales_warehouse.demo import write_sample

DUMP = Path(__file__).with_name("warehouse_before.sql.xz")
# the relation names in the dump begin with the name of the database
DATABASE = "yesterday"
RAW = ("online_retail__invoice_lines", "store_orders__order_lines", "superstore__order_lines")
FILES = "select file_id, uri, version, status, records_read, rows_loaded, rows_rejected from ledger.files order by 1"
PUBLICATIONS = "select publication, upper_event_id, files, published_at::text from ledger.publications order by 1"
FIGURES = """
select
    (select publication from {schema}.as_of),
    (select count(*) || ' ' || sum(net_amount) || ' ' || sum(net_amount_reporting) from {schema}.fct_sales_lines),
    (select count(*) || ' ' || sum(net_sales_amount) from {schema}.agg_sales_daily),
    -- without the columns that the dump does not have: they are NULL in earlier publications
    (
        select md5(string_agg(o.text, ',' order by o.text))
        from (
            select cast(
                to_jsonb(o) - 'sold_product_count' - 'is_counted' - 'store_key' - 'store_id' - 'tip_amount'
                - 'deposit_amount' - 'voucher_sale_amount' as text
            ) as text
            from {schema}.fct_orders as o
        ) as o
    ),
    (select md5(string_agg(p::text, ',' order by p::text)) from {schema}.dim_product as p),
    -- tables in the dump, views since
    (
        select md5(string_agg(c.text, ',' order by c.text))
        from (
            select cast(to_jsonb(c) - 'region' - 'customer_segment' as text) as text from {schema}.dim_customer as c
        ) as c
    ),
    (select md5(string_agg(c::text, ',' order by c::text)) from {schema}.customer_lifetime_value as c),
    (select md5(string_agg(c::text, ',' order by c::text)) from {schema}.customer_rfm as c)
"""
# Lines and days of the publication that the session reads, against those of the current one: amounts had four decimals.
# What was delivered is equal; what was computed or converted was rounded at the fourth decimal, and is at the sixth.
DIFFERENCES = """
select coalesce(o.sales_line_id, n.sales_line_id)
from published_as_of.fct_sales_lines as o full join published.fct_sales_lines as n using (sales_line_id)
where
    (o.quantity, o.net_amount, o.cost_amount, o.currency, o.fx_rate)
    is distinct from (n.quantity, n.net_amount, n.cost_amount, n.currency, n.fx_rate)
    or abs(o.gross_amount - n.gross_amount) > 0.00005 or abs(o.unit_price - n.unit_price) > 0.00005
    or abs(o.net_amount_reporting - n.net_amount_reporting) > 0.00005
union all
select concat_ws(' ', order_date, source_system, country, currency)
from published_as_of.agg_sales_daily as o
full join published.agg_sales_daily as n using (order_date, source_system, country, currency)
where
    (o.quantity, o.net_sales_amount, o.net_amount, o.line_count)
    is distinct from (n.quantity, n.net_sales_amount, n.net_amount, n.line_count)
    or abs(o.net_amount_reporting - n.net_amount_reporting) > 0.00005 * n.line_count
union all
select customer_key
from published_as_of.customer_lifetime_value as o full join published.customer_lifetime_value as n using (customer_key)
where o.order_count is distinct from n.order_count
    or abs(o.net_sales_amount_reporting - n.net_sales_amount_reporting) > 0.01
"""
TYPES = """
select attname, format_type(atttypid, atttypmod) as type
from pg_attribute inner join pg_class on pg_class.oid = attrelid
where relnamespace in ('marts'::regnamespace, 'audit'::regnamespace) and relkind in ('r', 'v')
    and attnum > 0 and not attisdropped and atttypid = 'numeric'::regtype
    and relname <> 'row_fates' -- of the dump, and no model since
"""


def edit_project(project: Path) -> None:
    """Use a short calendar and few rates, so that the dump is small."""
    declaration = project / "dbt_project.yml"
    text = re.sub(r"(?m)^(  calendar_start: ).*$", r'\1"2024-01-01"', declaration.read_text())
    declaration.write_text(re.sub(r"(?m)^(  calendar_end: ).*$", r'\1"2024-12-31"', text))
    rates = project / "seeds" / "reference" / "exchange_rates.csv"
    header, *lines = rates.read_text().splitlines(keepends=True)
    rates.write_text(header + "".join(line for line in lines if line.startswith(("2023-12", "2024-01", "2024-02"))))


def write_inbox(inbox: Path) -> None:
    """Write the files of the warehouse in the dump; one of them in its corrected version, without its last record."""
    write_sample(inbox, days=14, records=3_100)
    corrected = inbox / "online_retail" / "2024-01-05.csv"
    corrected.write_bytes(b"".join(corrected.read_bytes().splitlines(keepends=True)[:-1]))


def ask(shop: Checkout, query: str, publication: int | None = None) -> list[tuple[Any, ...]]:
    """Run a query with a plain connection, in a session that reads a publication."""
    with closing(shop.connect()) as connection, connection.cursor() as cursor:
        if publication is not None:
            cursor.execute("select set_config('warehouse.publication', %s, false)", (str(publication),))
        cursor.execute(query)
        return cursor.fetchall()


def read_state(shop: Checkout) -> dict[str, Any]:
    """Return what an upgrade must not change: files, rows, publications and the figures of each."""
    return {
        "files": ask(shop, FILES),
        "raw": [ask(shop, f"select _file_id, count(*) from raw.{table} group by 1 order by 1") for table in RAW],
        "rejects": ask(shop, "select file_id, count(*) from ledger.rejects group by 1 order by 1"),
        "publications": ask(shop, PUBLICATIONS)[:2],
        "figures": [ask(shop, FIGURES.format(schema="published_as_of"), number) for number in (1, 2)],
    }


@pytest.fixture(scope="module")
def restored(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The dumped warehouse, and the current project with an inbox of the same files."""
    folder = tmp_path_factory.mktemp("upgrade")
    settings = databases.make(folder, DATABASE)
    variables = read_connection(settings)
    subprocess.run(
        [server.binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"],
        input=lzma.decompress(DUMP.read_bytes()), env=variables, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    places = {"WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox)}
    shop = Checkout.copy_to(folder / "project", **places, **variables)
    edit_project(shop.project)
    write_inbox(settings.inbox)
    return shop


@pytest.fixture(scope="module")
def before(restored: Checkout) -> dict[str, Any]:
    """The content of the warehouse before the upgrade."""
    found = read_state(restored)
    assert [row[3] for row in found["files"]].count("superseded") == 2
    assert [row[0] for row in found["publications"]] == [1, 2]
    first, second = (figures[0][1:] for figures in found["figures"])
    assert first != second
    return found


@pytest.fixture(scope="module")
def shop(restored: Checkout, before: dict[str, Any]) -> Checkout:
    """The warehouse after `up` and one build; `before` was read first."""
    assert before
    restored.warehouse("up")
    restored.warehouse("grants", "--apply")  # as `up` does on the embedded server
    restored.warehouse("build", "--settle", "0", "--quiet")
    return restored


def test_nothing_is_loaded_again_and_no_row_is_lost(shop: Checkout, before: dict[str, Any]) -> None:
    after = read_state(shop)
    assert after["files"] == before["files"]
    assert after["raw"] == before["raw"]
    assert after["rejects"] == before["rejects"]
    report = json.loads(shop.warehouse("load", "--settle", "0", "--json"))
    assert (report["files"], report["unchanged"]) == ([], 18)
    shop.warehouse("verify")


def test_the_publications_of_before_keep_their_figures(shop: Checkout, before: dict[str, Any]) -> None:
    after = read_state(shop)
    assert after["publications"] == before["publications"]
    assert after["figures"] == before["figures"]
    listed = json.loads(shop.warehouse("publications", "--json"))
    assert [(one["publication"], one["state"]) for one in listed] == [(1, "kept"), (2, "kept"), (3, "current")]


def test_the_build_of_today_publishes_the_figures_of_the_last_one(shop: Checkout, before: dict[str, Any]) -> None:
    [(number, lines, _, _, products, customers, *_)] = ask(shop, FIGURES.format(schema="published"))
    [(_, lines_before, _, _, *members_before)] = before["figures"][1]
    assert (number, products, customers) == (3, *members_before[:2])
    assert lines.split()[0] == lines_before.split()[0]
    assert Decimal(lines.split()[1]) == Decimal(lines_before.split()[1])
    assert ask(shop, DIFFERENCES, 2) == []
    assert ask(shop, "select count(*) filter (where not is_balanced) from audit.reconciliation") == [(0,)]
    # against the publication before the correction there is a difference
    assert ask(shop, DIFFERENCES, 1) != []


def test_amounts_have_six_decimals_in_every_relation(shop: Checkout) -> None:
    types = ask(shop, TYPES)
    assert len(types) > 150
    amounts = {"numeric(18,6)", "numeric(28,6)"}
    shares = {"numeric(9,2)", "numeric(9,4)", "numeric(9,6)"}
    assert {kind for _, kind in types} == {*amounts, *shares, "numeric(18,10)", "numeric(28,4)"}
    assert {kind for name, kind in types if "amount" in name and not name.endswith(("_rate", "_change"))} == amounts


def test_readers_can_go_back_to_a_publication_of_before(shop: Checkout, before: dict[str, Any]) -> None:
    # the code of its models is not known, so only a person can say that the cause is gone
    said = shop.warehouse("rollback", "1")
    assert "online_retail/2024-01-05.csv), the code of the models." in said
    assert ask(shop, FIGURES.format(schema="published")) == before["figures"][0]
    shop.warehouse("rollback", "3")
    changed_files = json.loads(shop.warehouse("changes", "1", "3", "--json"))
    assert {row["uri"] for row in changed_files} == {"online_retail/2024-01-05.csv"}


def test_a_delivery_after_the_upgrade_supersedes_one_of_before(shop: Checkout) -> None:
    columns = ask(
        shop,
        "select column_name from information_schema.columns where table_schema = 'ledger' and table_name = 'files'",
    )
    assert ("delivery_key",) in columns and ("business_key",) not in columns
    corrected = Path(shop.variables["WAREHOUSE_INBOX"]) / "online_retail" / "2024-01-06.csv"
    fine = b"900001,85123A,LANTERN,1,2024-01-06 10:00:00,1.234567,,United Kingdom\n"
    corrected.write_bytes(b"".join([*corrected.read_bytes().splitlines(keepends=True)[:-1], fine]))
    shop.warehouse("build", "--settle", "0", "--quiet")
    [(status, version)] = ask(
        shop,
        "select status, version from ledger.files where uri like '%2024-01-06.csv' order by file_id desc limit 1",
    )
    assert (status, version) == ("active", 2)
    assert ask(shop, "select publication from published.as_of") == [(4,)]
    # the views had numeric(18, 4) once
    for schema in ("published", "published_as_of"):
        price = ask(shop, f"select net_amount from {schema}.fct_sales_lines where order_id = '900001'")
        assert price == [(Decimal("1.234567"),)]
