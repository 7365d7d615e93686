"""Write the staging model of a drafted feed, its typed table, their YAML with a unit test, and "
"the line of the union.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from sales_warehouse.draft.date_forms import read_days
from sales_warehouse.draft.evidence import AMOUNT_SCALE, Entry, Evidence
from sales_warehouse.draft.see_amounts import read_number
from sales_warehouse.draft.write_declaration import OPTION_QUESTIONS, without_jinja
from sales_warehouse.draft.write_text import jinja_entry, jinja_text, mask, todo_lines, yaml_text
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed

_DOCS = (
    *(
        "sales_line_id",
        "source_system",
        "order_id",
        "line_type",
        "ordered_at",
        "order_date",
        "customer_id",
        "product_id",
    ),
    *("product_name", "channel", "country", "quantity", "unit_price", "gross_amount", "discount_amount", "net_amount"),
    *("cost_amount", "currency", "row_status", "row_issues", "delivered_values", "_file_id", "_row_number"),
)
_UNION = re.compile(r"(?P<begin>union_sales_lines\(\[\n)(?P<names>(?:\s*'[^']+',\n)+)(?P<end>\s*\]\))")
_TEST_ROWS = 2
_WITHOUT_FILES = ["row:blank", "row:repeated_header", "order_date:outside_period"]  # codes that messages cannot have
_MOST_LOOKED_AT = 5_000


def model_name(evidence: Evidence) -> str:
    """Return the name of the staging model."""
    return f"stg_{evidence.feed.source}__{evidence.feed.name}"


def write_staging(evidence: Evidence) -> str:
    """Return the SQL of the staging model."""
    feed = evidence.feed
    delivered = [column.name for column in evidence.columns]
    todos = [todo_lines(it, "--") for it in evidence.questions if it.about not in OPTION_QUESTIONS]
    entries = "".join(f"{jinja_entry(entry)}\n" for entry in evidence.plan)
    lineage = f",\n    lineage={_lineage(feed)},\n" if feed.topic else f", lineage={_lineage(feed)}"
    without = f",\n    without={_WITHOUT_FILES}" if feed.topic else ""
    arguments = f"{without}{lineage}" if _lineage(feed) else ""
    of = "a message" if feed.topic else "a file"
    return (
        f"-- Grain: one row per record of {of} of {feed.full_name}; none is left out.\n"
        "-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.\n"
        f"{''.join(todos)}"
        f"{{% set delivered = [\n{_wrap(delivered)}] %}}\n\n"
        f"{{% set columns = [\n{entries}] %}}\n\n"
        f"{{{{ staging_model(source('{feed.source}', '{feed.name}'), delivered, columns{arguments}) }}}}\n"
    )


def _lineage(feed: Feed) -> list[str]:
    """Return the columns of a row's place beside those that every feed has."""
    items = ["_item_number"] if feed.nesting.items else []
    return [*items, "_topic", "_partition", "_offset"] if feed.topic else items


def _wrap(names: Sequence[str]) -> str:
    """Return names as lines of a Jinja list."""
    lines, line = [], "   "
    for name in names:
        text = f" {jinja_text(name)},"
        if len(line) + len(text) > 118:
            lines.append(line)
            line = "   "
        line += text
    return "".join(f"{one}\n" for one in [*lines, line])


def write_typed(evidence: Evidence) -> str:
    """Return the SQL of the typed table."""
    name = model_name(evidence)
    return f"-- Grain: that of {name}, of the files that builds have seen.\n{{{{ typed_rows('{name}') }}}}\n"


def write_yaml(evidence: Evidence) -> str:
    """Return the YAML of both models, with a unit test of rows of the samples."""
    name, feed = model_name(evidence), evidence.feed
    entries = [entry for entry in evidence.plan if not entry.get("hidden")]
    personal = {column.name for column in evidence.columns if column.personal}
    columns = "".join(
        _describe(str(entry["name"]), evidence, personal & {str(entry.get("from", entry["name"]))}) for entry in entries
    )
    front = _doc("sales_line_id")
    back = "".join(map(_doc, ("row_status", "row_issues", "delivered_values")))
    lineage = _doc("_file_id") + _doc("_row_number")
    for place in _lineage(feed):
        lineage += (
            _named(place, "Position of the item in its record, from 1.") if place == "_item_number" else _doc(place)
        )
    return (
        f"models:\n  - name: {name}\n"
        f"    description: >\n      Records of {feed.full_name}, typed and validated. Grain: one row per "
        "delivered record; none is left out.\n"
        f"      Primary key: sales_line_id.\n    columns: &columns\n{front}{columns}{back}{lineage}\n"
        f"  - name: {name}_typed\n"
        f"    description: >\n      The rows of {name} of the files that builds have seen, each cast "
        "once. Grain and primary key are\n"
        f"      those of the view. delivered_values is NULL but for quarantined rows.\n    columns: *columns\n\n"
        f"{_write_unit_test(evidence)}"
    )


def _doc(name: str) -> str:
    return f"      - name: {name}\n        description: '{{{{ doc(\"{name}\") }}}}'\n"


def _named(name: str, text: str, meta: str = "") -> str:
    return f"      - name: {yaml_text(name)}\n{meta}        description: {yaml_text(without_jinja(text))}\n"


def _describe(name: str, evidence: Evidence, personal: set[str]) -> str:
    if name in _DOCS:
        return _doc(name)
    entry = next(entry for entry in evidence.plan if entry["name"] == name)
    delivered = str(entry.get("from", name))
    headers = {column.name: column.header for column in evidence.columns}
    text = f"{headers[delivered]}, as delivered, trimmed." if delivered in headers else f"{name.replace('_', ' ')}."
    meta = "        config: {meta: {personal: true}}\n" if personal else ""
    return _named(name, text, meta)


def _write_unit_test(evidence: Evidence) -> str:
    feed, name = evidence.feed, model_name(evidence)
    rows = list(_choose_rows(evidence))
    if not rows:
        return ""
    hidden = {column.name for column in evidence.columns if column.personal} | {*evidence.roles.get("customer_id", [])}
    names = [column.name for column in evidence.columns]
    delivered = [{name: mask(row[name]) if name in hidden else row[name] for name in names} for row in rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    places = _lineage(feed)
    writer.writerow([*names, "_file_id", "_row_number", *places])
    for number, one in enumerate(delivered, 1):
        place = {"_item_number": 1, "_topic": "t", "_partition": 0, "_offset": number}
        writer.writerow([*(one[name] for name in names), 1, number, *(place[name] for name in places)])
    expected = "".join(
        "          - {" + ", ".join(f"{key}: {value}" for key, value in _expect(evidence, one, number).items()) + "}\n"
        for number, one in enumerate(delivered, 1)
    )
    given = "".join(f"          {line}\n" for line in out.getvalue().splitlines())
    return (
        f"unit_tests:\n  - name: {feed.source}_{feed.name}_reads_ordinary_records\n    model: {name}\n"
        "    description: Records of a sample file; what is personal in them is masked.\n    given:\n"
        "      # no file in the ledger, so there is no period to check against\n"
        "      - input: source('ledger', 'files')\n        format: sql\n        rows: |\n"
        "          select\n"
        "              cast(0 as bigint) as file_id, cast(null as date) as period_start_date, cast(null "
        "as date) as period_end_date,\n"
        "              cast(null as timestamp with time zone) as started_at, cast(null as text) as delivery_key,\n"
        "              cast(null as text) as name\n"
        "          where false\n"
        f"      - input: source('{feed.source}', '{feed.name}')\n        format: csv\n        rows: "
        f"|\n{without_jinja(given)}"
        f"    expect:\n      rows:\n{expected}"
    )


def _choose_rows(evidence: Evidence) -> Iterator[dict[str, str | None]]:
    """Yield the first record with all that is required, and the first with a negative amount; each in one line."""
    required = [str(entry.get("from", entry["name"])) for entry in evidence.plan if entry.get("required")]
    needed = [name for name in required if name in evidence.places]  # the others are computed
    amounts = [evidence.column(name) for name in needed if evidence.column(name).is_number]
    names = [column.name for column in evidence.columns]
    found, wants_negative = 0, False
    for number in range(min(evidence.records.count, _MOST_LOOKED_AT)):
        row = {name: evidence.values(name)[number] for name in names}
        if any(not (row.get(name) or "").strip() for name in needed) or any(
            text and not text.replace("\u00a0", " ").isprintable() for text in row.values()
        ):
            continue
        is_negative = any((read_number(row[column.name], column) or 0) < 0 for column in amounts)
        if is_negative == wants_negative and all(_reads(evidence, entry, row) for entry in evidence.plan):
            yield row
            found, wants_negative = found + 1, True
            if found == _TEST_ROWS:
                return


def _reads(evidence: Evidence, entry: Entry, row: dict[str, str | None]) -> bool:
    """Say whether the value of a column is of its form."""
    name = str(entry.get("from", entry["name"]))
    if "cast" not in entry or name not in evidence.places or not row[name]:
        return True
    return "date" not in str(entry["cast"]) or "format" not in entry or _read_date(entry, row[name] or "") is not None


def _read_date(entry: Entry, text: str) -> date | None:
    """Return the day of a text, if all formats of its column that fit agree."""
    usual = "YYYY-MM-DD HH24:MI:SS" if entry.get("cast") == "timestamp" else "YYYY-MM-DD"
    formats = entry.get("format", usual)
    days = {
        day
        for form in (formats if isinstance(formats, list) else [str(formats)])
        for day in read_days({text.strip(): 1}, form)
    }
    return days.pop() if len(days) == 1 else None


def _expect(evidence: Evidence, row: dict[str, str | None], number: int) -> dict[str, str]:
    """Return the values of the staging model that are certain for a record."""
    expected: dict[str, str] = {"_row_number": str(number)}
    known: dict[str, Decimal] = {}
    for entry in evidence.plan:
        name, source = str(entry["name"]), str(entry.get("from", entry["name"]))
        text = (
            (row[source] or "").strip()
            if source in evidence.places and "is" not in entry and "constant" not in entry
            else ""
        )
        cast = str(entry.get("cast", ""))
        if text and name in ("order_id", "product_id") and not cast:
            expected[name] = yaml_text(f"{text}") if not text.isdigit() else f'"{text}"'
        elif (
            text
            and cast.startswith(("integer", "decimal", "amount"))
            and name in ("quantity", "unit_price", "net_amount")
        ):
            column = evidence.column(source)
            is_sure = cast.startswith("amount") or (
                column.is_number and column.numbers[0].name in ("integer", "decimal point")
            )
            value = read_number(text, column) if is_sure else None
            if value is not None and _fits(value):
                known[name] = value
                expected[name] = str(value) if cast == "integer" else f'"{_as_amount(value)}"'
        elif text and cast == "date" and name == "order_date" and (day := _read_date(entry, text)):
            expected[name] = f'"{day}"'
    if "net_amount" not in known and {"quantity", "unit_price"} <= known.keys() and _is_product(evidence):
        amount = known["quantity"] * known["unit_price"]
        if _fits(amount):
            expected["net_amount"] = f'"{_as_amount(amount)}"'
    return expected


def _as_amount(value: Decimal) -> str:
    """Return an amount with all its decimals: dbt compares numbers of a view as texts."""
    return f"{value:.{AMOUNT_SCALE}f}"


def _fits(value: Decimal) -> bool:
    return value == round(value, AMOUNT_SCALE)


def _is_product(evidence: Evidence) -> bool:
    return any(entry["name"] == "net_amount" and "unit_price" in str(entry.get("is", "")) for entry in evidence.plan)


def write_union(text: str, name: str) -> str:
    """Return the union with one more line. Raises `ConfigurationError` when it has another shape."""
    found = _UNION.search(text)
    if found is None:
        raise ConfigurationError(
            "int_sales__lines_unioned.sql has no list of union_sales_lines to which the feed can be added."
        )
    if f"'{name}'" in found["names"]:
        return text
    indent = re.match(r"\s*", found["names"])
    return text[: found.end("names")] + f"{indent[0] if indent else '    '}'{name}',\n" + text[found.end("names") :]
