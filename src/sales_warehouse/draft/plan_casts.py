"""How a column is cast, as far as its values say it; what they do not say is asked."""

from collections.abc import Sequence
from datetime import date

from sales_warehouse.draft.date_forms import SERIAL, has_time, read_days
from sales_warehouse.draft.evidence import AMOUNT_SCALE, INTEGER, NEARLY_ALL, Column, Entry, Evidence, Form
from sales_warehouse.draft.number_forms import POINT, marks_of, rivals
from sales_warehouse.feeds.names import find_period

_USUAL = ("YYYY-MM-DD", "YYYY-MM-DD HH24:MI:SS")  # formats that need not be written
_SHOWN_FORMS = 4


def cast_number(evidence: Evidence, column: Column, is_count: bool = False, is_money: bool = True) -> Entry:
    """Return the keys that cast a number; `is_count`: whole numbers stay whole, `is_money`: it is an amount."""
    if not column.numbers:
        return {"cast": "decimal"}
    best, filled = column.numbers[0], column.filled
    if best.rows < filled:
        wrong = f"{filled - best.rows:,} of {filled:,} rows are no number ({best.name}), such as {best.example!r}"
        evidence.see(column.name, best.name, wrong)
        if best.rows < NEARLY_ALL * filled:
            evidence.ask(column.name, wrong)
    several = rivals(column.numbers, best.rows)
    if len(several) > 1:
        told = "; ".join(f"{form.name} fits {form.rows:,}" for form in several)
        evidence.ask(
            column.name,
            f"numbers such as {column.examples[0]!r} have two meanings: {told}. Declare cast: amount with its marks",
        )
        return {"cast": "decimal"}
    form = several[0] if several else best
    if column.trailing_minus:
        evidence.ask(
            column.name, f"{column.trailing_minus:,} rows have the minus behind the number, which no cast reads"
        )
    if form.name.endswith(", %"):
        return {"cast": "rate(18, 10)", "decimal_mark": marks_of(form.name.removesuffix(", %")).decimal}
    if is_count and form.name == INTEGER and not column.currency_signs:
        return {"cast": "integer"}
    is_plain = form.name in (INTEGER, POINT) and not column.currency_signs and not _has_brackets(column)
    marks = marks_of(form.name)
    if column.scale > AMOUNT_SCALE and is_money:
        _ask_of_scale(evidence, column, marks.decimal, is_plain)
    size = f"(28, {column.scale})" if column.scale > AMOUNT_SCALE and not is_money else ""
    if is_plain:
        return {"cast": f"decimal{size}"}
    entry: Entry = {"cast": f"amount{size}", "decimal_mark": marks.decimal}
    if marks.thousands:
        entry["thousands_mark"] = marks.thousands
    if column.currency_signs:
        entry["currency_sign"] = column.currency_signs[0]
    if len(column.currency_signs) > 1:
        evidence.ask(column.name, f"several currency signs: {' '.join(column.currency_signs)}")
    return entry


def _ask_of_scale(evidence: Evidence, column: Column, mark: str, is_plain: bool) -> None:
    """Ask whether amounts with more decimals than their type has are to be rounded."""
    counts = evidence.counts(column.name)
    finer = sum(rows for text, rows in counts.items() if len(text.partition(mark)[2].rstrip("0% )€")) > AMOUNT_SCALE)
    rounded = f"'cast': 'decimal', 'round': {AMOUNT_SCALE}"
    way = f"{rounded} rounds them and flags the rows"
    if not is_plain:
        exact = f"exact_{column.name}"
        keys = f"'cast': 'amount(28, {column.scale})', 'decimal_mark': '{mark}', 'hidden': true"
        way = (
            f"To round them and flag the rows: {{'name': '{exact}', 'from': '{column.name}', {keys}}}, and behind it "
            f"the column with 'is': '{exact}', {rounded}"
        )
    evidence.ask(
        column.name,
        f"{finer:,} of {column.filled:,} rows have more than {AMOUNT_SCALE} decimals, which are quarantined. {way}",
    )


def _has_brackets(column: Column) -> bool:
    return any(text.startswith("(") for text in column.examples)


def cast_date(evidence: Evidence, column: Column) -> tuple[Entry, bool]:
    """Return the keys that cast a date or a moment, and whether it has a time of day."""
    forms = column.dates
    if not forms:
        evidence.ask(column.name, f"no known form of dates fits its values, such as {column.examples[:1]}")
        return {"cast": "date"}, False
    if forms[0].name == SERIAL:
        is_moment = any("." in text for text in evidence.counts(column.name))
        return {"cast": "excel_timestamp" if is_moment else "excel_date"}, is_moment
    fitting = [form for form in forms if form.rows == column.filled]
    kept = _leave_out_same(evidence, column, fitting)
    told = describe_forms(forms, column.filled)
    if not kept:
        kept = _choose_of_mixed(evidence, column, told)
    elif len(kept) > 1:
        evidence.ask(column.name, f"{told}.{_describe_periods(evidence, column, kept)} Keep one format")
    is_moment = has_time(kept[0].name)
    entry: Entry = {"cast": "timestamp" if is_moment else "date"}
    names = [form.name for form in kept if has_time(form.name) == is_moment]
    if len(names) > 1:
        entry["format"] = names
    elif names[0] not in _USUAL:
        entry["format"] = names[0]
    return entry, is_moment


def describe_forms(forms: Sequence[Form], filled: int) -> str:
    """Return how many rows each form fits: `D/M/YYYY fits all 51,290; M/D/YYYY fits 32,873`."""
    return "; ".join(
        f"{form.name} fits {'all ' if form.rows == filled else ''}{form.rows:,}" for form in forms[:_SHOWN_FORMS]
    )


def _leave_out_same(evidence: Evidence, column: Column, forms: Sequence[Form]) -> list[Form]:
    """Return the forms that read the values differently."""
    kept: list[Form] = []
    known: list[dict[date, int]] = []
    for form in forms:
        days = read_days(evidence.counts(column.name), form.name)
        if days not in known:
            known.append(days)
            kept.append(form)
    return kept


def _choose_of_mixed(evidence: Evidence, column: Column, told: str) -> list[Form]:
    """Return the form that fits nearly all rows, or several that together fit more, where none fits all."""
    best, *others = column.dates
    rest = column.filled - best.rows
    more = [form for form in others if form.rows > rest and form.rows >= NEARLY_ALL * best.rows]
    if best.rows >= NEARLY_ALL * column.filled and not more:
        evidence.see(column.name, best.name, f"{told}; not {rest:,}, such as {best.example!r}")
        return [best]
    evidence.ask(column.name, f"no format fits all {column.filled:,} rows: {told}; not, for example, {best.example!r}")
    return [best, *[form for form in others if form.rows >= rest / 2][:2]]


def _describe_periods(evidence: Evidence, column: Column, forms: Sequence[Form]) -> str:
    """Return how many rows are in the periods that the files' names say, by each form; nothing without periods."""
    values, start = evidence.values(column.name), 0
    inside = dict.fromkeys((form.name for form in forms), 0)
    has_periods = False
    for uri, count in evidence.records.files:
        period = find_period(evidence.feed.delivery_key_of(uri)) if evidence.feed.delivery_key else None
        part, start = values[start : start + count], start + count
        if period is None:
            continue
        has_periods = True
        counts: dict[str, int] = {}
        for text in part:
            if text:
                counts[text.strip()] = counts.get(text.strip(), 0) + 1
        for form in forms:
            days = read_days(counts, form.name)
            inside[form.name] += sum(rows for day, rows in days.items() if period[0] <= day <= period[1])
    if not has_periods:
        return ""
    return (
        " In the periods of the files' names: "
        + ", ".join(f"{rows:,} by {name}" for name, rows in inside.items())
        + "."
    )
