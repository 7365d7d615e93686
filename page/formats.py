"""Numbers and dates as the reader's locale writes them."""

from datetime import date
from decimal import Decimal

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent, get_decimal_symbol, get_group_symbol

DEFAULT = "en"


def find_locale() -> str:
    """Return the locale that the browser names, or English."""
    return read_locale(st.context.locale)


def read_locale(named: str | None) -> str:
    """Return a locale as Babel writes it, or English for none and for an unknown one."""
    named = (named or DEFAULT).replace("-", "_")
    try:
        Locale.parse(named)
    except (ValueError, UnknownLocaleError):
        return DEFAULT
    return named


def write_amount(value: Decimal | None) -> str:
    """Return an amount of money with two decimals."""
    return "–" if value is None else str(format_decimal(value, "#,##0.00", locale=find_locale()))


def write_count(value: Decimal | int | None) -> str:
    """Return a whole number."""
    return "–" if value is None else str(format_decimal(value, "#,##0", locale=find_locale()))


def write_share(value: Decimal | None) -> str:
    """Return a share as a percentage with one decimal."""
    return "–" if value is None else str(format_percent(value, "#,##0.0 %", locale=find_locale()))


def write_day(value: date) -> str:
    """Return a day."""
    return str(format_date(value, "medium", locale=find_locale()))


def write_separators() -> str:
    """Return the decimal and the grouping sign, as Plotly takes them."""
    locale = find_locale()
    return str(get_decimal_symbol(locale)) + str(get_group_symbol(locale))
