"""Views of the readers' page as Streamlit's own test draws them, and what they show."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import streamlit as st
from psycopg2 import sql
from streamlit.testing.v1 import AppTest

from checkout import PROJECT, Checkout
from page.read import read_query
from page.ways import NARROWED

PASSWORD = "of-the-page"
Show = Callable[..., AppTest]


def make_login(shop: Checkout, name: str, role: str | None) -> dict[str, str]:
    """Make a login, a member of the role if one is given; return the variables with which a command uses it."""
    login = f"{shop.variables['PGDATABASE']}_{name}"
    with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("set role none")  # `grants --apply` gave the login another one
        cursor.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(login), sql.Literal(PASSWORD)))
        if role:
            group = sql.Identifier(f"{shop.variables['PGDATABASE']}_{role}")
            cursor.execute(sql.SQL("grant {} to {}").format(group, sql.Identifier(login)))
    return {"PGUSER": login, "PGPASSWORD": PASSWORD}


def enter(monkeypatch: pytest.MonkeyPatch, shop: Checkout, **login: str) -> None:
    """Let this process read the warehouse with a login, by default that of the page."""
    own = {
        name: shop.variables[f"PAGE_{name}"] for name in ("PGUSER", "PGPASSWORD") if f"PAGE_{name}" in shop.variables
    }
    for name, value in (shop.environment | own | login).items():
        if name.startswith(("PG", "WAREHOUSE_")):
            monkeypatch.setenv(name, value)
    st.cache_data.clear()


def show_view(view: str, **address: str) -> AppTest:
    test = AppTest.from_file(str(PROJECT / "page" / "app.py"), default_timeout=120)
    for name, value in address.items():
        test.query_params[name] = value
    test.run()
    if view != "overview":
        test.switch_page(f"views/{view}.py").run()
    assert [error.value for error in test.exception] == []
    # else another view would be tested
    assert [title.value for title in test.title] == [view.capitalize()]
    return test


def read_table(test: AppTest, *columns: str) -> list[dict[str, Any]]:
    """Return the rows of the first table with these columns."""
    for one in test.dataframe:
        if set(columns) <= set(one.value.columns):
            rows = one.value.to_dict("records")
            # a missing value is not a number in a data frame; nothing else differs from itself
            return [{name: value if value == value else None for name, value in row.items()} for row in rows]
    raise AssertionError(f"no table has {columns}: {[list(one.value.columns) for one in test.dataframe]}")


def ask(shop: Checkout, query: str) -> list[tuple[Any, ...]]:
    """Run a query as the owner of the server."""
    with closing(shop.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def read_lines(choices: dict[str, Any], **chosen: Any) -> list[dict[str, Any]]:
    """Return what Trace shows for the choices to which a cell leads."""
    wanted = chosen | choices
    parameters = {
        "first": wanted["first"], "last": wanted["last"], "sources": wanted.get("source") or None,
        "countries": wanted.get("country") or None, "currency": None, "order_id": wanted["order"] or None,
    }  # fmt: skip
    return read_query("trace_lines", parameters | {name: wanted[name] or None for name in NARROWED[1:]})
