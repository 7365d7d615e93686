"""The macros of a staging model, rendered by dbt and run: names of columns, headers, and the order of dates."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from checkout import Checkout
from sales_warehouse.feeds.names import normalise_header

FEED = "online_retail.invoice_lines"
FEED_WITH_ITEMS = "web.orders"
SOURCE_WITH_ITEMS = """\
sources:
  - name: web
    schema: raw
    tables:
      - name: orders
        identifier: web__orders
        external: {location: "web/*.json", file_format: json, options: {items: lines, sorted_by: date}}
        columns: [{name: day, data_type: text}]
"""
LIMIT = 7  # days of order_date:out_of_sequence
HEADERS = ["order", "user", "amount_eur", "2nd_price"]
# how a word of a header may be set off from the next
SEPARATORS = ["", " ", "_", "-", " (", ") ", " #", ".", "/", " / ", "%", ": ", "\u00a0", " € ", "'", " & ", "?", "*"]
CASTS = {
    "trimmed('{}')": "text", "try_integer('{}')": "text", "try_decimal('{}', 18, 4)": "text",
    "try_amount('{}', 18, 4, '.', ',', '$')": "text", "try_rate('{}', 9, 4, '.')": "text", "try_date('{}')": "text",
    "try_timestamp('{}')": "text", "try_excel_date('{}')": "text", "try_excel_timestamp('{}')": "text",
    "matches('{}', '^a')": "text", "full_year('{}')": "text", "member_key('{}', '{}')": "text",
    "is_unknown_currency('{}') | replace('{{limit}}', \"'EUR'\")": "text", "fit_decimal('{}', 5, 2)": "numeric",
    "fit_decimal('{}')": "numeric", "multiply('{}', '{}')": "numeric",
    "div('{}', '{}', 9, 4)": "numeric", "amounts_disagree('{}', '{}', '{}') | replace('{{limit}}', '1')": "numeric",
    "is_outside_calendar('{}')": "date", "date_part_number('year', '{}')": "date", "days_between('{}', '{}')": "date",
}  # fmt: skip
LISTS = (
    "column_list",
    "is_blank_record",
    "is_repeated_header",
    "delivered_values",
    "has_control_character",
    "record_digest",
)

_few = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

Render = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def session(checkout: Checkout) -> Iterator[Connection]:
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="module")
def render(checkout: Checkout, session: Connection) -> Render:
    """Return a function that renders calls of macros."""
    declaration = checkout.project / "models/staging/online_retail/_online_retail__sources.yml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(
        text.replace("max_rejects:", "sorted_by: date\n            max_rejects:", 1), encoding="utf-8"
    )

    (declaration.parent.parent / "web").mkdir()
    (declaration.parent.parent / "web" / "_web__sources.yml").write_text(SOURCE_WITH_ITEMS)

    def call(calls: list[str]) -> list[str]:
        inline = " ---- ".join(f"{{{{ {one} }}}}" for one in calls)
        made = checkout.dbt("compile", "--quiet", "--inline", inline).stdout.split("----")
        assert len(made) == len(calls)
        return made

    return call


def test_every_keyword_of_the_engine_can_name_a_column(session: Connection, render: Render) -> None:
    with session.cursor() as cursor:
        cursor.execute("select word from pg_get_keywords() order by word")
        words = [word for (word,) in cursor]
    [listed, *tests] = render([f"column_list({words})", *(f"trimmed('{word}')" for word in words)])
    values = {"null", "true", "false", "default"}  # these, and the values of a session, are expressions
    with session.cursor() as cursor:
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(word)) for word in words)
        cursor.execute(sql.SQL("create temporary table keywords ({})").format(columns))
        cursor.execute(f"insert into keywords ({listed}) values ({', '.join(['%s'] * len(words))})", words)
        for word, test in zip(words, tests, strict=True):
            if word not in values and not re.match("current_|local|session_|system_", word):
                cursor.execute(f"select {test} from keywords")
                assert cursor.fetchall() == [(word,)], word


@pytest.mark.parametrize("name", ["order", "user"])
def test_a_reserved_word_is_a_column_in_every_macro(session: Connection, render: Render, name: str) -> None:
    columns = ["order_id", name]
    calls = [call.replace("{{", "{").replace("}}", "}").replace("{}", name) for call in CASTS]
    made = render([*calls, *(f"{macro}({columns})" for macro in LISTS)])
    types = [*CASTS.values(), *["text"] * len(LISTS)]
    with session.cursor() as cursor:
        for expression, kind in zip(made, types, strict=True):
            table = sql.SQL("(select null::text as order_id, null::{} as {}) as it").format(
                sql.SQL(kind), sql.Identifier(name)
            )
            cursor.execute(sql.SQL("select {} from {}").format(sql.SQL(expression), table))
            # the bare word user is the login, which would show here
            assert session.info.user not in str(cursor.fetchall()), expression


@pytest.fixture(scope="module")
def header_test(session: Connection, render: Render) -> str:
    """Return is_repeated_header of HEADERS, whose first name is in quotes already."""
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in HEADERS)
    with session.cursor() as cursor:
        cursor.execute(sql.SQL("create temporary table headers ({})").format(columns))
    names = [f'"{HEADERS[0]}"', *HEADERS[1:]]
    [made] = render([f"is_repeated_header({names})"])
    return made


def is_header(session: Connection, test: str, row: list[str | None]) -> bool:
    with session.cursor() as cursor:
        cursor.execute("truncate headers")
        cursor.execute("insert into headers values (%s, %s, %s, %s)", row)
        cursor.execute(f"select {test} from headers")
        [(found,)] = cursor.fetchall()
        return bool(found)


def means_the_columns(row: list[str | None]) -> bool:
    """Say whether the texts are the names of the columns, wherever their words begin."""
    names = [normalise_header(text or "").replace("_", "") for text in row]
    return names == [name.replace("_", "") for name in HEADERS]


_around = st.sampled_from([*SEPARATORS, "# ", '"', "[", "]", "\t", " \n"])
_case = st.sampled_from([str.lower, str.upper, str.title])


@st.composite
def _header(draw: st.DrawFn) -> list[str]:
    """Generate header texts that mean HEADERS, in any letter case and with any punctuation."""
    texts = []
    for name in HEADERS:
        words = [draw(_case)(word) for word in name.split("_")]
        between = draw(st.sampled_from([text for text in SEPARATORS if text]))
        texts.append(draw(_around) + between.join(words) + draw(_around))
    return texts


@given(_header())
@example(["Order #", "User", "Amount (EUR)", "2nd Price"])
@example(["order", "user", "amount_eur", "2nd_price"])
@_few
def test_a_header_fits_with_any_punctuation(session: Connection, header_test: str, header: list[str]) -> None:
    assert means_the_columns(header)
    assert is_header(session, header_test, list(header))


_value = st.one_of(st.none(), st.sampled_from([*HEADERS, "Order #", "17", "", "Ann", "12.50", "order user", "o"]))


@given(st.lists(_value, min_size=4, max_size=4))
@example(["order", "useramount", "eur", "2nd_price"])
@example(["order", "user", "amount_eur", None])
@_few
def test_a_row_of_values_is_no_header(session: Connection, header_test: str, row: list[str | None]) -> None:
    assert is_header(session, header_test, row) == means_the_columns(row)


# --- dates out of sequence ----------------------------------------------------------------------------------------


def find_out_of_sequence(dates: list[date | None]) -> list[bool]:
    """Say of each row whether its date is out of sequence, as the macro's comment describes."""
    runs = [day for day, _ in groupby(day for day in dates if day is not None)]

    def near(one: int, other: int) -> bool:
        return other in range(len(runs)) and abs((runs[one] - runs[other]).days) <= LIMIT

    with_neighbour = [near(place, place - 1) or near(place, place + 1) for place in range(len(runs))]
    wrong = []
    for place, day in enumerate(runs):
        before = next((runs[i] for i in range(place - 1, -1, -1) if with_neighbour[i]), None)
        after = next((runs[i] for i in range(place + 1, len(runs)) if with_neighbour[i]), None)
        too_late = (day - max(before or date.min, after or runs[-1])).days > LIMIT
        too_early = (min(before or runs[0], after or date.max) - day).days > LIMIT
        wrong.append(not with_neighbour[place] and bool(before or after) and (too_late or too_early))
    found, place, last = [], -1, None
    for day in dates:
        if day is not None and day != last:
            place, last = place + 1, day
        found.append(day is not None and wrong[place])
    return found


@pytest.fixture(scope="module")
def sequence_queries(session: Connection, render: Render) -> list[str]:
    """Return the query for a feed without items, and the one for a feed with them."""
    with session.cursor() as cursor:
        cursor.execute(
            "create temporary table dated (_file_id bigint, _row_number bigint, _item_number integer, order_date date)"
        )
    made = render([f"flag_out_of_sequence('dated', 'order_date', feed='{feed}')" for feed in (FEED, FEED_WITH_ITEMS)])
    order = "_file_id, _row_number, _item_number"
    return [f"select _file_id, is_out_of_sequence from ({query}) as flagged order by {order}" for query in made]


@pytest.fixture(scope="module")
def sequence_query(sequence_queries: list[str]) -> str:
    return sequence_queries[0]


def flag(session: Connection, query: str, files: list[list[date | None]], items: int = 1) -> list[list[bool]]:
    """Return what the macro says of the rows of each file, whose records have this number of items."""
    rows = [
        (number, place // items, place % items, day)
        for number, days in enumerate(files)
        for place, day in enumerate(days)
    ]
    with session.cursor() as cursor:
        cursor.execute("truncate dated")
        execute_values(cursor, "insert into dated values %s", rows[::-1], page_size=10_000)
        cursor.execute(query)
        found: list[list[bool]] = [[] for _ in files]
        for number, is_wrong in cursor:
            found[number].append(is_wrong)
        return found


FIRST = date(2024, 1, 1)
_step = st.one_of(
    st.sampled_from([0, 0, 1, 1, 2, LIMIT, LIMIT + 1, -1, -LIMIT, -LIMIT - 1, 30, -30]), st.integers(-60, 60)
)


@st.composite
def _dates(draw: st.DrawFn) -> list[date | None]:
    """Generate the dates of a file: mostly small steps, some jumps, some rows without a date."""
    day, days = FIRST, []
    for step in draw(st.lists(_step, max_size=25)):
        day += timedelta(days=step)
        days.append(None if draw(st.integers(0, 9)) == 0 else day)
    return days


@given(st.lists(_dates(), min_size=1, max_size=3))
@_few
def test_dates_out_of_sequence_are_those_of_a_plain_model(
    session: Connection, sequence_query: str, files: list[list[date | None]]
) -> None:
    assert flag(session, sequence_query, files) == [find_out_of_sequence(days) for days in files]


@given(st.lists(_dates(), min_size=1, max_size=3), st.integers(2, 5))
@settings(_few, max_examples=50)
def test_items_of_one_record_are_compared_in_their_order(
    session: Connection, sequence_queries: list[str], files: list[list[date | None]], items: int
) -> None:
    expected = [find_out_of_sequence(days) for days in files]
    assert flag(session, sequence_queries[1], files, items) == expected


def misread(day: date) -> date:
    """Read mm/dd/yyyy as dd/mm/yyyy."""
    return day.replace(month=day.day, day=day.month)


def write_year(rows_a_day: int) -> list[date]:
    """Return the true dates of a file sorted by date, over a year."""
    return [date(2018, 7, 1) + timedelta(days=number) for number in range(365) for _ in range(rows_a_day + number % 7)]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2019, 1, 2), date(2019, 1, 12)),
        (date(2019, 6, 1), date(2019, 6, 12)),
        (date(2018, 7, 2), date(2018, 7, 12)),
        (date(2018, 12, 1), date(2018, 12, 12)),
    ],
)
def test_a_block_of_exchanged_days_and_months_is_flagged(
    session: Connection, sequence_query: str, first: date, last: date
) -> None:
    true = write_year(78)
    read = [misread(day) if first <= day <= last else day for day in true]
    wrong = [day != read_day for day, read_day in zip(true, read, strict=True)]
    assert 800 < sum(wrong) < 1_000 and 29_000 < len(true) < 30_000
    # the first day of a month but one reads the same in both orders; in June that is the 6th
    assert flag(session, sequence_query, [list(read)]) == [wrong]


def test_rows_exchanged_here_and_there_are_flagged_and_no_others(session: Connection, sequence_query: str) -> None:
    true = [date(2019, 1, 1) + timedelta(days=number) for number in range(40) for _ in range(3)]
    # the second of three rows of a day, from 2 to 12 January
    read = [misread(day) if place % 3 == 1 and day <= date(2019, 1, 12) else day for place, day in enumerate(true)]
    wrong = [day != read_day for day, read_day in zip(true, read, strict=True)]
    assert sum(wrong) == 11
    assert flag(session, sequence_query, [list(read)]) == [wrong]


def test_a_shop_that_was_closed_has_no_date_out_of_sequence(session: Connection, sequence_query: str) -> None:
    open_days = [*range(20), *range(40, 60), 80, *range(100, 110), 200]
    days: list[date | None] = [FIRST + timedelta(days=number) for number in open_days]
    assert flag(session, sequence_query, [days]) == [[False] * len(days)]


def test_records_of_an_earlier_active_file_are_found(checkout: Checkout, session: Connection, render: Render) -> None:
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    (inbox / "online_retail").mkdir()
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    # an export of two days each: 2 is in three files; of 4 the value beside it moved to the next column
    for day, lines in enumerate(("1 2", "2 3", "2 4 4"), 1):
        rows = [f"{line},A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n" for line in lines.split()]
        text = "".join(rows).replace("4,A,Tea", "4,AT,ea", 1)
        (inbox / "online_retail" / f"2024-01-{day:02}.csv").write_text(header + text)
    checkout.load(inbox)
    columns = ["invoice_no", "stock_code", "description", "customer_id", "country"]
    relation = "raw.online_retail__invoice_lines"
    first, digest = render([f"first_deliveries('{relation}', {columns})", f"record_digest({columns})"])
    query = f"""
        select string_agg(_file_id || ':' || invoice_no, ' ' order by _file_id, _row_number)
        from {relation} left join ({first}) as first_deliveries on first_deliveries.record_digest = {digest}
        where first_file_id < _file_id
    """
    touched = f"select ledger.touch_later_files(array['{FEED}'])"
    with session.cursor() as cursor:
        found = []
        for statement in (query, touched):
            cursor.execute(statement)
            found += cursor.fetchall()
        checkout.warehouse("unload", "1")
        for statement in (query, touched, touched):
            cursor.execute(statement)
            found += cursor.fetchall()
    # both later files may have another outcome now; the events are written once
    assert found == [("2:2 3:2",), (0,), ("3:2",), (2,), (0,)]


def test_the_rule_needs_a_feed_that_is_declared_sorted(checkout: Checkout, render: Render) -> None:
    inline = "{{ flag_out_of_sequence('dated', 'order_date', feed='store_orders.order_lines') }}"
    refused = checkout.dbt("compile", "--quiet", "--inline", inline, check=False)
    assert refused.returncode != 0
    assert "Add the option sorted_by: date to the declaration" in re.sub(r"\s+", " ", refused.stdout)
