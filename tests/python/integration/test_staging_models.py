"""`staging_model` with the keys that the feeds of the project do not use, by unit tests of dbt."""

import re
from pathlib import Path

import pytest

from checkout import WITH_UNIT_TESTS, Checkout

SOURCES = r"""
sources:
  - name: till
    description: A till.
    schema: raw
    tables:
      - name: returns
        identifier: till__returns
        description: What was brought back, without numbers of orders and products.
        external: {location: "till/returns/*.csv", file_format: csv}
        columns:
          - {name: store, data_type: text}
          - {name: day, data_type: text}
          - {name: receipt, data_type: text}
          - {name: article, data_type: text}
          - {name: pieces, data_type: text}
          - {name: amount, data_type: text}
      - name: exports
        identifier: till__exports
        description: Everything at once.
        external: {location: "till/exports/*.csv", file_format: csv, options: {sorted_by: date}}
        columns:
          - {name: order, data_type: text}
          - {name: day, data_type: text}
          - {name: sent, data_type: text}
          - {name: price, data_type: text}
          - {name: fee, data_type: text}
          - {name: share, data_type: text}
          - {name: kind, data_type: text}
      - name: weighed
        identifier: till__weighed
        description: Kilos at a price.
        external: {location: "till/weighed/*.csv", file_format: csv}
        columns:
          - {name: order, data_type: text}
          - {name: day, data_type: text}
          - {name: kilos, data_type: text}
          - {name: price, data_type: text}
"""
RETURNS = """\
{% set delivered = ['store', 'day', 'receipt', 'article', 'pieces', 'amount'] %}
{% set columns = [
    {'name': 'order_id', 'is': key_of(['store', 'day', 'receipt']), 'required': true},
    {'name': 'product_name', 'from': 'article'},
    {'name': 'product_id', 'is': 'product_name', 'required': true},
    {'name': 'currency', 'constant': 'EUR'},
    {'name': 'returned_pieces', 'from': 'pieces', 'cast': 'integer', 'required': true, 'hidden': true},
    {'name': 'quantity', 'is': '-returned_pieces'},
    {'name': 'net_amount', 'from': 'amount', 'cast': 'decimal', 'required': true},
    {'name': 'order_date', 'from': 'day', 'cast': 'date', 'required': true},
] %}
{{ staging_model(
    source('till', 'returns'), delivered, columns, without=['order_date:outside_period', 'order_date:after_delivery'],
) }}
"""
EXPORTS = """\
{% set delivered = ['order', 'day', 'sent', 'price', 'fee', 'share', 'kind'] %}
{% set columns = [
    {'name': 'order_id', 'from': 'order', 'required': true},
    {'name': 'order', 'accepted': ['1', '2', '3']},
    {'name': 'order_date', 'from': 'day', 'cast': 'date', 'format': ['D.M.YYYY', 'M.D.YYYY'], 'in_sequence': true},
    {'name': 'sent_on', 'from': 'sent', 'cast': 'timestamp', 'format': 'DD-Mon-YYYY HH24:MI'},
    {'name': 'net_amount', 'from': 'price', 'cast': 'amount', 'decimal_mark': ',', 'thousands_mark': '.',
        'currency_sign': '€'},
    {'name': 'fee', 'cast': 'decimal(5, 2)', 'default': '0',
        'checks': [('fee:free', 'fee = 0 and fee_text is not null')]},
    {'name': 'share', 'cast': 'rate(9, 4)', 'decimal_mark': '.'},
    {'name': 'kind', 'from': 'kind', 'is': "case kind_text when 'b' then 'box' else kind_text end"},
    {'name': 'total', 'is': 'net_amount + fee', 'cast': 'decimal(6, 2)'},
    {'name': 'quantity', 'is': 'cast(1 as bigint)'},
    {'name': 'delivery_key', 'of_file': true},
] %}
{{ staging_model(
    source('till', 'exports'), delivered, columns,
    checks=[('row:delivered_before', ['order', 'day'])],
    without=['row:exact_duplicate', 'order_date:outside_period'],
) }}
"""
WEIGHED = """\
{% set delivered = ['order', 'day', 'kilos', 'price'] %}
{% set columns = [
    {'name': 'order_id', 'from': 'order', 'required': true},
    {'name': 'quantity', 'from': 'kilos', 'cast': 'decimal', 'required': true},
    {'name': 'unit_price', 'from': 'price', 'cast': 'decimal', 'required': true},
    {'name': 'net_amount', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal'},
    {'name': 'total', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal', 'round': 2},
    {'name': 'short_price', 'from': 'price', 'cast': 'decimal', 'round': 4},
    {'name': 'order_date', 'from': 'day', 'cast': 'date', 'required': true},
] %}
{{ staging_model(
    source('till', 'weighed'), delivered, columns, without=['order_date:outside_period', 'order_date:after_delivery'],
) }}
"""
BY_HAND = """\
{% do declare_codes('skipped', ['order:cancelled']) %}
{% set columns = ['store', 'day', 'receipt', 'article', 'pieces', 'amount'] %}
with
typed as (
    select *, {{ is_blank_record(columns) }} as is_blank, {{ try_decimal('amount', 18, 6) }} as net_amount
    from {{ source('till', 'returns') }}
),
checked as (
    select *, {{ issue_codes([('net_amount:not_a_decimal', 'net_amount is null')], 'quarantined') }} as issues
    from typed
)
select
    {{ sales_line_id() }} as sales_line_id, net_amount,
    case
        when is_blank or article = 'void' then 'skipped' when issues <> '' then 'quarantined' else 'accepted'
    end as row_status,
    case
        when is_blank then 'row:blank' when article = 'void' then 'order:cancelled' else substring(issues, 2)
    end as row_issues
from checked
"""
RULE = """\
        {'code': 'fee:free', 'outcome': 'flagged', 'description': 'A fee of 0 was delivered.'},
"""
TESTS = """\
unit_tests:
  - name: lines_without_ids_take_what_the_source_says
    model: stg_till__returns
    given:
      - input: source('till', 'returns')
        format: csv
        rows: |
          store,day,receipt,article,pieces,amount,_file_id,_row_number
          S1,2024-05-02,7,Tea,2,-9,1,1
          S1,2024-05-02,7,Mug,1,-4.50,1,2
          " S1 ",2024-05-02,7,Pot,1,-1,1,3
          S1:2024-05-02,2024-05-02,7,Tea,1,-1,1,4
          S1%3A2024-05-02,2024-05-02,7,Tea,1,-1,1,5
          S1,2024-05-02,,Tea,1,-1,1,6
          S1,2024-05-02,7,,1,-1,1,7
    expect:
      rows:
        - {
            _row_number: 1, order_id: "S1:2024-05-02:7", product_id: "Tea",
            quantity: -2, net_amount: "-9.000000", row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 2, order_id: "S1:2024-05-02:7", product_id: "Mug",
            quantity: -1, net_amount: "-4.500000", row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 3, order_id: "S1:2024-05-02:7", product_id: "Pot",
            quantity: -1, net_amount: "-1.000000", row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 4, order_id: "S1%3A2024-05-02:2024-05-02:7", product_id: "Tea",
            quantity: -1, net_amount: "-1.000000", row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 5, order_id: "S1%253A2024-05-02:2024-05-02:7", product_id: "Tea",
            quantity: -1, net_amount: "-1.000000", row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 6, order_id: null, product_id: "Tea",
            quantity: -1, net_amount: "-1.000000", row_status: "quarantined", row_issues: "order_id:missing"
          }
        - {
            _row_number: 7, order_id: "S1:2024-05-02:7", product_id: null,
            quantity: -1, net_amount: "-1.000000", row_status: "quarantined", row_issues: "product_id:missing"
          }

  - name: every_key_of_a_column_has_its_effect
    model: stg_till__exports
    given:
      - input: source('ledger', 'files')
        format: sql
        rows: |
          select
              cast(number as bigint) as file_id, cast('key ' || number as text) as delivery_key,
              cast('active' as text) as status,
              timestamp with time zone '2024-02-15 06:00:00+00' as started_at
          from (values (1), (2)) as files (number)
      - input: source('till', 'exports')
        format: csv
        rows: |
          order,day,sent,price,fee,share,kind,_file_id,_row_number
          1,13.1.2024,01-Dec-2023 09:30,"1.234,50",,12%,b,1,1
          2,5.5.2024,01-Dez-2023 09:30,€5,0,12,c,1,2
          3,1.5.2024,,"-1,00",1.005,,,1,3
          4,13.1.2024,,x,9999,,,1,4
          1,13.1.2024,,"9.999,00",1,,,2,5
    expect:
      rows:
        - {
            _row_number: 1, order_id: "1", order: "1", order_date: "2024-01-13",
            sent_on: "2023-12-01 09:30:00", net_amount: "1234.500000",
            fee: "0.00", share: "0.1200", kind: "box", total: "1234.50", delivery_key: "key 1",
            row_status: "accepted", row_issues: ""
          }
        - {
            _row_number: 2, order_id: "2", order: "2", order_date: "2024-05-05", sent_on: null, net_amount: "5.000000",
            fee: "0.00", share: null, kind: "c", total: "5.00", delivery_key: "key 1",
            row_status: "accepted",
            row_issues: "order_date:after_delivery;sent_on:not_a_timestamp;fee:free;share:not_a_decimal"
          }
        - {
            _row_number: 3, order_id: "3", order: "3", order_date: null, sent_on: null, net_amount: "-1.000000",
            fee: null, share: null, kind: null, total: null, delivery_key: "key 1",
            row_status: "quarantined", row_issues: "order_date:ambiguous;fee:not_a_decimal"
          }
        - {
            _row_number: 4, order_id: "4", order: "4", order_date: "2024-01-13", sent_on: null, net_amount: null,
            fee: null, share: null, kind: null, total: null, delivery_key: "key 1",
            row_status: "quarantined", row_issues: "net_amount:not_a_decimal;order:unknown;fee:not_a_decimal"
          }
        - {
            _row_number: 5, order_id: "1", order: "1", order_date: "2024-01-13", sent_on: null,
            net_amount: "9999.000000", fee: "1.00", share: null, kind: null, total: null, delivery_key: "key 2",
            row_status: "skipped", row_issues: "row:delivered_before"
          }

  - name: amounts_keep_six_decimals_and_are_rounded_where_declared
    model: stg_till__weighed
    given:
      - input: source('till', 'weighed')
        format: csv
        rows: |
          order,day,kilos,price,_file_id,_row_number
          1,2024-05-02,1,1.23456,1,1
          1,2024-05-02,1,1.234567,1,2
          1,2024-05-02,1,1.2345678,1,3
          1,2024-05-02,0.5,0.00001,1,4
          1,2024-05-02,0.5,0.000001,1,5
          1,2024-05-02,-0.5,1.50001,1,6
          1,2024-05-02,,1.5,1,7
          1,2024-05-02,999999999999,1.0000000000000001,1,8
          1,2024-05-02,1,999999999999.999999,1,9
          1,2024-05-02,-2,999999999999,1,10
          1,2024-05-02,0.333333,3.000003,1,11
          1,2024-05-02,3,0.10000000000000001,1,12
          1,2024-05-02,1,1000000000000,1,13
    expect:
      format: csv
      rows: |
        _row_number,quantity,unit_price,net_amount,total,short_price,row_status,row_issues
        1,1.000000,1.234560,1.234560,1.230000,1.234600,accepted,total:rounded;short_price:rounded
        2,1.000000,1.234567,1.234567,1.230000,1.234600,accepted,total:rounded;short_price:rounded
        3,1.000000,,,,1.234600,quarantined,unit_price:not_a_decimal;short_price:rounded
        4,0.500000,0.000010,0.000005,0.000000,0.000000,accepted,total:rounded;short_price:rounded
        5,0.500000,0.000001,,0.000000,0.000000,quarantined,net_amount:out_of_range;total:rounded;short_price:rounded
        6,-0.500000,1.500010,-0.750005,-0.750000,1.500000,accepted,total:rounded;short_price:rounded
        7,,1.500000,,,1.500000,quarantined,quantity:missing
        8,999999999999.000000,1.000000,999999999999.000000,999999999999.000000,1.000000,accepted,unit_price:rounded;short_price:rounded
        9,1.000000,999999999999.999999,999999999999.999999,,,accepted,total:out_of_range;short_price:not_a_decimal
        10,-2.000000,999999999999.000000,,,999999999999.000000,quarantined,net_amount:out_of_range;total:out_of_range
        11,0.333333,3.000003,,1.000000,3.000000,quarantined,net_amount:out_of_range;total:rounded;short_price:rounded
        12,3.000000,0.100000,0.300000,0.300000,0.100000,accepted,unit_price:rounded;short_price:rounded
        13,1.000000,,,,,quarantined,unit_price:not_a_decimal;short_price:not_a_decimal
"""
BEFORE = "{'code': 'row:delivered_before', 'outcome': 'flagged', 'is_offered': true,"
SKIPPED = f"{BEFORE}\n            'feeds': {{'till.exports': {{'outcome': 'skipped'}}}},"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    checkout.variables |= WITH_UNIT_TESTS
    folder = checkout.project / "models/staging/till"
    folder.mkdir()
    for name, text in (
        ("_till__sources.yml", SOURCES),
        ("stg_till__returns.sql", RETURNS),
        ("stg_till__exports.sql", EXPORTS),
        ("stg_till__weighed.sql", WEIGHED),
        ("stg_till.yml", TESTS),
    ):
        (folder / name).write_text(text)
    table = checkout.project / "macros/quality/quality_rules.sql"
    text = table.read_text()
    assert text.count(BEFORE) == text.count("    {{ return([\n") == 1
    table.write_text(text.replace(BEFORE, SKIPPED).replace("    {{ return([\n", "    {{ return([\n" + RULE))
    checkout.warehouse("up")
    checkout.load(Path(checkout.variables["WAREHOUSE_INBOX"]))
    return checkout


def test_a_table_of_columns_gives_types_codes_and_outcomes(shop: Checkout) -> None:
    built = shop.dbt("build", "--quiet", "--select", "path:models/staging/till", check=False)
    assert built.returncode == 0, built.stdout


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("'round': 4", "'round': true", "short_price has round: True. It is for the cast decimal, and a number"),
        ("'round': 4", "'round': 7", "short_price has round: 7."),
        ("'kilos', 'cast': 'decimal'", "'kilos', 'round': 4", "quantity has round: 4. It is for the cast decimal"),
        ("'price', 'cast': 'decimal', 'required'", "'price', 'cast': 'decimal(28, 8)', 'required'",
         "unit_price has the cast decimal(28, 8), and that of a sales line is numeric(18, 6). Leave the size out"),
        ("'kilos', 'cast': 'decimal'", "'kilos', 'cast': 'integer(13)'", "quantity has the cast integer(13)"),
    ],
)  # fmt: skip
def test_a_cast_that_would_round_silently_is_an_error(shop: Checkout, before: str, after: str, said: str) -> None:
    path = shop.project / "models/staging/till/stg_till__weighed.sql"
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    compiled = shop.dbt("compile", "--quiet", "--select", "stg_till__weighed", check=False)
    path.write_text(text)
    assert compiled.returncode != 0
    assert said in re.sub(r"\s+", " ", compiled.stdout)


def test_the_codes_of_a_model_are_data(shop: Checkout) -> None:
    """Also those that no text of the model has."""
    query = "select '{{ staged_codes(graph.nodes['model.sales_warehouse.stg_till__exports']) | join(' ') }}' as codes"
    shown = shop.dbt("compile", "--quiet", "--inline", query).stdout
    assert set(re.findall(r"[a-z_]+:[a-z_]+", shown)) >= {
        "order_id:missing", "order_date:ambiguous", "order_date:out_of_sequence", "sent_on:not_a_timestamp",
        "share:not_a_decimal", "total:out_of_range", "row:delivered_before", "row:blank", "fee:free",
    }  # fmt: skip


def test_a_feed_that_is_not_in_the_union_is_an_error_that_names_it(shop: Checkout) -> None:
    compiled = shop.dbt("compile", "--quiet", "--select", "int_sales__lines_unioned", check=False)
    assert compiled.returncode != 0
    said = re.sub(r"\s+", " ", compiled.stdout)
    assert re.search(r"lines of till\.\w+ are not in the union. Add stg_till__\w+, or the model that reads it", said)


def test_a_required_column_that_is_missing_is_an_error_that_names_it(shop: Checkout) -> None:
    union = shop.project / "models/intermediate/sales/int_sales__lines_unioned.sql"
    before = union.read_text()
    last = "    'stg_web_shop__order_events_typed',\n"
    added = "".join(f"    'stg_till__{name}',\n" for name in ("returns", "exports", "weighed"))
    union.write_text(before.replace(last, last + added))
    compiled = shop.dbt("compile", "--quiet", "--select", "int_sales__lines_unioned", check=False)
    union.write_text(before)
    assert compiled.returncode != 0
    said = re.sub(r"\s+", " ", compiled.stdout)
    assert "stg_till__exports has no column product_id, which every sales line needs" in said


def test_a_model_by_hand_has_the_codes_that_its_macros_make(shop: Checkout) -> None:
    path = shop.project / "models/staging/till/stg_till__returns.sql"
    before = path.read_text()
    path.write_text(BY_HAND)
    query = "select '{{ staged_codes(graph.nodes['model.sales_warehouse.stg_till__returns']) | join(' ') }}' as codes"
    shown = shop.dbt("compile", "--quiet", "--inline", query).stdout
    path.write_text(before)
    assert set(re.findall(r"[a-z_]+:[a-z_]+", shown)) == {"net_amount:not_a_decimal", "row:blank", "order:cancelled"}
