"""Plan the columns of a staging model from what was seen; ask what is ambiguous or not there."""

import re
from collections import Counter
from decimal import Decimal

from sales_warehouse.draft.date_forms import find_clock_form
from sales_warehouse.draft.evidence import AMOUNT_SCALE, Call, Column, Entry, Evidence, list_some
from sales_warehouse.draft.plan_casts import cast_date, cast_number
from sales_warehouse.draft.see_amounts import Relation, read_number, see_amounts
from sales_warehouse.draft.see_orders import see_identity
from sales_warehouse.draft.write_text import jinja_text

CANONICAL = (
    *("sales_line_id", "source_system", "store_id", "order_id", "line_type", "ordered_at", "order_date", "customer_id"),
    *(
        "customer_segment",
        "product_id",
        "product_name",
        "product_category",
        "product_subcategory",
        "channel",
        "country",
    ),
    *("region", "promotion_code", "return_reason", "quantity", "unit_price", "gross_amount", "discount_amount"),
    *("net_amount", "tax_amount", "shipping_amount", "cost_amount", "currency", "is_merchandise"),
    *("row_status", "row_issues", "delivered_values"),
)
UNKNOWN_CURRENCY = "XXX"  # of ISO 4217: no currency; no rates exist for it
_TEXTS = (
    *("store_id", "customer_id", "customer_segment", "product_category", "product_subcategory", "channel", "country"),
    *("region", "promotion_code", "return_reason"),
)
_CODES = re.compile(r"(?<![A-Z])(EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|CAD|AUD|JPY|BRL|MXN|TRY|INR|CNY)(?![A-Z])")
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "zł": "PLN"}
_TIME = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}.*")  # of day, behind a date
_MOST_STATES = 20
_BY_DATE = ("order_date", "ordered_at")  # behind the columns that they are made of
_PRODUCT = Call("multiply('quantity', 'unit_price')")
_ALL = Decimal("0.999")  # of the records that must agree with a formula


class _Plan:
    """The columns planned so far, and the raw columns that are used."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.entries: list[Entry] = []
        self.used: set[str] = set()
        self.by_role: dict[str, str] = {}

    def pick(self, role: str) -> Column | None:
        """Return the column of a role, and ask if several may be it; None if none does."""
        names = [name for name in self.evidence.roles.get(role, []) if name not in self.used]
        if role in names:  # a column of the very name is no matter of doubt
            names = [role]
        if not names:
            return None
        column = self.evidence.column(names[0])
        if len(names) > 1:
            self.evidence.ask(role, f"{names[0]} is used; by their names {list_some(names[1:])} may be it too")
        self.used.add(column.name)
        self.by_role[role] = column.name
        return column

    def add(self, name: str, column: Column | None = None, keys: Entry | None = None) -> None:
        """Add a column of the staging model, from a column of the raw table or made by the keys."""
        entry: Entry = {"name": name}
        if column is not None and (column.name != name or "is" in (keys or {})):
            entry["from"] = column.name
        self.entries.append(entry | (keys or {}))


def plan_staging(evidence: Evidence) -> list[Entry]:
    """Return the columns of the staging model."""
    plan = _Plan(evidence)
    relations = _see_relations(evidence)
    _plan_order(plan)
    _plan_products(plan)
    for role in _TEXTS:
        if (column := plan.pick(role)) is not None:
            is_float = role == "customer_id" and _is_float_id(evidence, column)
            plan.add(role, column, {"is": _without_fraction(role)} if is_float else None)
    _plan_currency(plan)
    _plan_amounts(plan, relations)
    _plan_date(plan)
    _ask_of_status(plan)
    _plan_rest(plan)
    return _in_order(plan.entries)


def _see_relations(evidence: Evidence) -> list[Relation]:
    roles = ("quantity", "unit_price", "net_amount", "discount")
    columns = {role: [evidence.column(name) for name in evidence.roles.get(role, [])] for role in roles}
    values = {column.name: evidence.values(column.name) for some in columns.values() for column in some}
    found = see_amounts(columns, values)
    best: dict[int, Relation] = {}
    for relation in found:  # of formulas that agree equally often the simplest
        best.setdefault(relation.agreeing, relation)
    for relation in list(best.values())[:3]:
        evidence.see(
            "amounts",
            f"{relation.formula} = {relation.total}",
            f"in {relation.agreeing:,} of {relation.rows:,} records",
        )
    return found


def _is_float_id(evidence: Evidence, column: Column) -> bool:
    """Say whether ids were written as decimals, such as 17850.0."""
    return column.is_number and all(text.endswith(".0") for text in evidence.counts(column.name))


def _without_fraction(name: str) -> str:
    text = f"{name}_text"
    return f"case when right({text}, 2) = '.0' then left({text}, length({text}) - 2) else {text} end"


def _plan_order(plan: _Plan) -> None:
    evidence = plan.evidence
    column = plan.pick("order_id")
    if column is None:
        _plan_key_of_orders(plan)
        return
    plan.add("order_id", column, {"required": True})
    dates, customers, stores = (evidence.roles.get(role, []) for role in ("order_date", "customer_id", "store_id"))
    days = [_TIME.sub("", text) if text else None for text in evidence.values(dates[0])] if dates else []
    others = [evidence.values(names[0]) if names else () for names in (customers, stores)]
    seen = see_identity(evidence.values(column.name), days, *others)
    told = f"{seen.orders:,} orders; {seen.on_several_days:,} have several days"
    told += f", {seen.of_several_customers:,} several customers" if customers else ""
    told += f", {seen.of_several_stores:,} several stores" if stores else ""
    evidence.see("order", column.name, told)
    splits = ((stores, seen.of_several_stores), (dates, seen.on_several_days))
    parts = [some[0] for some, split in splits if some and split * 20 > seen.orders]
    if parts:
        evidence.ask(
            "order_id", f"{column.name} alone does not name an order: {told}. Together with {' and '.join(parts)}?"
        )


def _plan_key_of_orders(plan: _Plan) -> None:
    """Propose what names a purchase together where no column does; nothing where only a day or less is there."""
    evidence = plan.evidence
    parts = [names[0] for role in ("store_id", "customer_id", "order_date") if (names := evidence.roles.get(role, []))]
    if len(parts) < 2:
        plan.add("order_id", keys={"is": Call("'cast(null as ' ~ text_type() ~ ')'"), "required": True})
        why = "so every row is quarantined. Which columns make one? key_of([…]) takes them"
        evidence.ask("order_id", f"no column names the order, {why}")
        return
    orders = len(set(zip(*map(evidence.values, parts), strict=True)))
    plan.add("order_id", keys={"is": Call(f"key_of([{', '.join(map(repr, parts))}])"), "required": True})
    told = f"{evidence.records.count:,} records would be {orders:,} orders"
    evidence.ask("order_id", f"no column names the order. By {' and '.join(parts)} {told}; is that an order?")


def _plan_products(plan: _Plan) -> None:
    code, name = plan.pick("product_id"), plan.pick("product_name")
    if code is None and name is None:
        plan.add("product_id", keys={"constant": "unknown"})
        plan.evidence.ask("product_id", "no column names the product: all lines are of one product, `unknown`")
        return
    if code is None:
        plan.evidence.see("product", name.name if name else "", "no code of the product, so its name is its id")
    plan.add("product_id", code or name, {"required": True})
    if name is not None or code is not None:
        plan.add("product_name", name or code)


def _plan_currency(plan: _Plan) -> None:
    evidence = plan.evidence
    if (column := plan.pick("currency")) is not None:
        plan.add("currency", column, {"required": True})
        evidence.see(
            "currency",
            column.name,
            list_some([f"{code} {rows:,}" for code, rows in evidence.counts(column.name).most_common(6)], 6),
        )
        return
    money = [evidence.column(name) for role in ("net_amount", "unit_price") for name in evidence.roles.get(role, [])]
    signs = {sign for column in money for sign in column.currency_signs}
    codes = {found[1] for column in money if (found := _CODES.search(column.header.upper()))} | signs & {
        *_SIGNS.values()
    }
    shown = {sign for sign in _SIGNS if sign in signs or any(sign in column.header for column in money)}
    codes |= {_SIGNS[sign] for sign in shown}
    if len(codes) == 1 and not signs - {*_SIGNS, *codes}:
        plan.add("currency", keys={"constant": (code := codes.pop())})
        evidence.see("currency", code, "the header or the sign of the amounts")
        return
    hints = [
        *signs,
        *codes,
        *(column.header for column in money if re.search("dollar|euro|pound|pfund", column.header, re.IGNORECASE)),
    ]
    plan.add("currency", keys={"constant": UNKNOWN_CURRENCY})
    evidence.ask(
        "currency",
        f"no column says it{' (' + list_some(hints) + ')' if hints else ''}: write its code in place of "
        f"{UNKNOWN_CURRENCY}",
    )


def _plan_amounts(plan: _Plan, relations: list[Relation]) -> None:
    evidence = plan.evidence
    quantity, price = plan.pick("quantity"), plan.pick("unit_price")
    exact = [it for it in relations if it.agreeing >= _ALL * it.rows]
    totals = evidence.roles.get("net_amount", [])
    if exact and len(totals) > 1:  # the formula decides between several totals
        evidence.roles["net_amount"] = list(dict.fromkeys(it.total for it in exact))
    total = plan.pick("net_amount") or (plan.pick("gross_amount") if price is None else None)
    if quantity is None:
        plan.add("quantity", keys={"is": "1"})
        evidence.ask("quantity", "no column is the quantity, so each line has 1")
    else:
        plan.add("quantity", quantity, {"required": True} | cast_number(evidence, quantity, is_count=True))
    if price is not None:
        plan.add("unit_price", price, {"required": True} | cast_number(evidence, price))
        below = sum(rows for text, rows in evidence.counts(price.name).items() if (read_number(text, price) or 0) < 0)
        if below:
            evidence.ask(
                "unit_price",
                f"{below:,} rows are below 0, which are quarantined: without=['unit_price:negative'] accepts them",
            )
    if total is not None:
        plan.add("net_amount", total, {"required": True} | cast_number(evidence, total))
        _plan_discount(plan, total, exact)
        _ask_of_formula(plan, total, relations)
        if total.name in evidence.roles.get("gross_amount", []):
            evidence.ask("net_amount", f"{total.name} is read, which may hold tax or what was paid before a discount")
    elif price is not None:
        plan.add("net_amount", keys={"is": _PRODUCT, "cast": "decimal"})
        evidence.see(
            "net amount", f"{quantity.name if quantity else 1} × {price.name}", "no column has the total of a line"
        )
        scale = price.scale + (quantity.scale if quantity else 0)
        if scale > AMOUNT_SCALE:
            evidence.ask(
                "net_amount",
                f"quantity × price has up to {scale} decimals, and rows with more than {AMOUNT_SCALE} are quarantined: "
                "'round': 2 rounds to cents and flags the rows",
            )
        _plan_discount(plan, None, exact)
    else:
        plan.add("net_amount", keys={"is": Call("'cast(null as ' ~ var('amount_type') ~ ')'")})
        numbers = [column.name for column in evidence.columns if column.is_number and column.name not in plan.used]
        evidence.ask("net_amount", f"no column is an amount by its name; numbers are {list_some(numbers, 8)}")
    for role in ("tax_amount", "shipping_amount"):
        if (column := plan.pick(role)) is not None and column.is_number:
            plan.add(role, column, cast_number(evidence, column))
    _plan_cost(plan)


def _ask_of_formula(plan: _Plan, total: Column, relations: list[Relation]) -> None:
    """Ask what the total holds if it is not quantity times price, with or without a discount."""
    quantity, price = plan.by_role.get("quantity"), plan.by_role.get("unit_price")
    if quantity is None or price is None:
        return
    best = next((it for it in relations if it.total == total.name), None)
    rows, agreeing = (best.rows, best.agreeing) if best else (total.filled, 0)
    if agreeing < _ALL * rows:
        told = f"{total.name} is read; {quantity} × {price} gives it in {agreeing:,} of {rows:,} records"
        plan.evidence.ask("net_amount", f"{told}: does it hold tax, shipping or a discount?")


def _plan_discount(plan: _Plan, total: Column | None, exact: list[Relation]) -> None:
    """Add the amount before discount where a formula says it; else ask what the discount means."""
    evidence = plan.evidence
    column = plan.pick("discount")
    if column is None:
        return
    formulas = [it for it in exact if total is not None and it.total == total.name]
    reduced = next((it for it in formulas if it.discount == column.name), None)
    if reduced is not None and not any(not it.discount for it in formulas):
        plan.add("gross_amount", keys={"is": _PRODUCT, "cast": "decimal"})
        plan.add("discount_amount", keys={"is": "gross_amount - net_amount", "cast": "decimal"})
    elif column.distinct > 1:
        shown = f"{column.name} ({list_some(column.examples, 3)}, …)"
        named = total.name if total else "the price"
        evidence.ask(
            "discount_amount", f"{shown} is not used: is it taken off {named} already, and is it a rate or an amount?"
        )
    plan.used.discard(column.name)


def _plan_cost(plan: _Plan) -> None:
    evidence = plan.evidence
    cost, profit = plan.pick("cost_amount"), plan.pick("profit")
    if cost is not None and cost.is_number:
        plan.add("cost_amount", cost, cast_number(evidence, cost))
        plan.evidence.see("cost", cost.name, "by its name")
    elif profit is not None and profit.is_number and _is_money(evidence, profit):
        plan.add("profit", profit, cast_number(evidence, profit, is_money=False))
        rounded: Entry = {"round": AMOUNT_SCALE} if profit.scale > AMOUNT_SCALE else {}
        plan.add("cost_amount", keys={"is": "net_amount - profit", "cast": "decimal", **rounded})
        evidence.see("cost", f"net amount − {profit.name}", "by its name")
        return
    if profit is not None:
        plan.used.discard(profit.name)


def _is_money(evidence: Evidence, column: Column) -> bool:
    numbers = [number for text in evidence.counts(column.name) if (number := read_number(text, column)) is not None]
    return any(abs(number) > 1 for number in numbers)


def _plan_date(plan: _Plan) -> None:
    evidence = plan.evidence
    column = plan.pick("order_date")
    if column is None:
        dates = [it for it in evidence.columns if it.is_date and it.name not in plan.used]
        if not dates:
            plan.add("order_date", keys={"is": "cast(null as date)"})
            evidence.ask("order_date", "no column has the day of the sale")
            return
        column = dates[0]
        plan.used.add(column.name)
        evidence.ask(
            "order_date",
            f"{column.name} is read; no column is the day of the sale by its name, and dates are "
            f"{list_some([it.name for it in dates])}",
        )
    keys, is_moment = cast_date(evidence, column)
    if is_moment:
        plan.add("ordered_at", column, {"required": True} | keys)
        plan.add("order_date", keys={"is": "cast(ordered_at as date)"})
    else:
        plan.add("order_date", column, {"required": True} | keys)
        _plan_time(plan, keys)


def _plan_time(plan: _Plan, keys: Entry) -> None:
    """Add the moment of an order whose time of day is in a column of its own, beside that of the date."""
    column = plan.pick("order_time")
    if column is None:
        return
    clock = find_clock_form(plan.evidence.counts(column.name))
    if clock is None or keys.get("cast") != "date":
        plan.used.discard(column.name)
        if column.filled:
            why = "no one format fits its values" if clock is None else "the date is no text to which it could be added"
            plan.evidence.ask("ordered_at", f"{column.name} is not used: {why}, such as {column.examples[:1]}")
        return
    formats = keys.get("format", "YYYY-MM-DD")
    moments = [f"{form} {clock}" for form in (formats if isinstance(formats, list) else [str(formats)])]
    text, form = "\"order_date_text || ' ' || order_time\"", jinja_text(moments[0] if len(moments) == 1 else moments)
    is_wrong = "order_date is not null and order_time is not null and ordered_at is null"
    plan.add("order_time", column)
    keys = {
        "is": Call(f"try_timestamp({text}, {form})"),
        "checks": Call(f"[('ordered_at:not_a_timestamp', '{is_wrong}')]"),
    }
    plan.add("ordered_at", keys=keys)
    plan.evidence.see(
        "time of day", column.name, f"{clock} fits all {column.filled:,}; beside the date it is ordered_at"
    )


def _ask_of_status(plan: _Plan) -> None:
    """Ask which states are no sale, with rows and amount of each."""
    evidence = plan.evidence
    for name in evidence.roles.get("line_status", []):
        column = evidence.column(name)
        if not 1 < column.distinct <= _MOST_STATES:
            continue
        sums, total = Counter[str](), evidence.roles.get("net_amount", [])
        if total:
            amount = evidence.column(total[0])
            for state, text in zip(evidence.values(name), evidence.values(total[0]), strict=True):
                if state and (number := read_number(text, amount)) is not None:
                    sums[state.strip()] += number  # type: ignore[assignment]
        shown = [
            f"{state} {rows:,}" + (f" (amount {sums[state]:,})" if state in sums else "")
            for state, rows in evidence.counts(name).most_common()
        ]
        evidence.ask(
            name,
            f"which are no sale? {', '.join(shown)}. Such rows are skipped by: "
            f"checks=[('order:cancelled', \"{name} = '…'\")]",
        )


def _plan_rest(plan: _Plan) -> None:
    """Add the columns that have no canonical place: trimmed, and cast where their values are certain."""
    taken = {entry["name"] for entry in plan.entries}
    for column in plan.evidence.columns:
        if column.name in plan.used:
            continue
        name = column.name
        if name in taken or name in CANONICAL or name.startswith("_"):
            name = f"delivered_{name.lstrip('_')}"
        keys: Entry = {}
        plain = column.is_number and not column.is_code and not column.personal and len(column.numbers[:1]) == 1
        if plain and column.numbers[0].name == "decimal point":
            keys = {"cast": "decimal" if column.scale <= AMOUNT_SCALE else f"decimal(28, {column.scale})"}
        elif column.dates and column.dates[0].rows == column.filled and column.dates[0].name == "YYYY-MM-DD":
            keys = {"cast": "date"}
        plan.add(name, column, keys)
        taken.add(name)


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Return ids and texts first, then numbers, then dates, as the models have them; formulas stay "
    "behind their parts.
    """

    def rank(entry: Entry) -> int:
        cast = str(entry.get("cast", ""))
        name = str(entry["name"])
        if cast.startswith(("date", "timestamp", "excel", "wall")) or (name in _BY_DATE and "is" in entry):
            return 2
        return 1 if cast or entry["name"] in ("quantity", "unit_price", "net_amount") else 0

    return sorted(entries, key=rank)
