"""Every rule of the portability lint: a text that it reports, and a similar one that it accepts."""

import re
import subprocess
import sys

import pytest
import yaml

import lint_portability as lint
from checkout import PROJECT


def constructs(text: str) -> list[str]:
    return [finding.construct for finding in lint.lint_text(text)]


@pytest.mark.parametrize(
    ("construct", "hit", "near_miss"),
    [
        ("division", "a / b", "{{ div('a', 'b', 18, 4) }}"),
        ("division", "{{ a }}/2", "'a/b' || {{ try_date('x', 'DD/MM/YYYY') }}"),
        ("division", "{{ fit_decimal('a / b', 18, 4) }}", "{{ fit_decimal('a * b', 18, 4) }} /* a / b */"),
        ("avg", "avg (x)", "avg_price(x) + avg"),
        ("double quotes", 'select "k"', "select '\"k\"'"),
        ("concat", "concat(a, b)", "concat_ws(',', a, b)"),
        ("regexp_replace", "regexp_replace(a, 'x', '')", "replace(a, 'x', '')"),
        ("backslash", r"a = '\d'", "a = '[0-9]'"),
        ("backslash", r"{{ matches('a', '^\d$') }}", "{{ matches('a', '^[0-9]$') }}"),
        ("order without nulls", "rank() over (order by a, b nulls last)", "rank() over (order by a nulls first)"),
        ("order without nulls", "order by f(a, b) desc limit 1", "order by f(a, b) desc nulls last limit 1"),
        ("order without nulls", "order by a rows 6 preceding", "order by a nulls last rows 6 preceding"),
        ("day of week", "extract(dow from d)", "extract(year from d)"),
        ("day of week", "extract( isodow from d)", "extract(month from dow)"),
        ("day of week", "date_part('year', d)", "{{ date_part_number('year', 'd') }}"),
        ("date minus date", "order_date - first_order_date", "order_date - 1"),
        ("date minus date", "cast(a as date) - cast(b as date)", "cast(a as integer) - cast(b as integer)"),
        ("interval", "order_date + interval '1 month'", "cast(order_date + interval '1 month' as date)"),
        ("date_trunc", "date_trunc('month', d)", "cast(date_trunc('month', d) as date)"),
        ("float", "{{ dbt.type_float() }}", "{{ dbt.type_string() }}"),
        ("float", "cast(a as real)", "cast(a as numeric(9, 4)) as realised"),
        ("case of letters", "upper(a)", "a || upper_limit"),
        ("initcap", "initcap(a)", "{{ capitalised('a') }}"),
        ("collate", "a collate c", "collated"),
        ("distinct on", "select distinct on (a) a", "select distinct on_time"),
        ("qualify", "qualify x = 1", "qualified = 1"),
        ("ordered aggregate", "string_agg(a, ',')", "sum(a)"),
        ("ordered aggregate", "{{ dbt.listagg('a') }}", "{{ dbt.hash('a') }}"),
        ("array", "a[1]", "'a[1]'"),
        ("array", "unnest(a)", "nest(a)"),
        ("array", "a = any(b)", "any_value(b)"),
        ("json", "a ->> 'b'", "a > b - c"),
        ("json", "cast(a as json)", "a as json_text"),
        ("generate_series", "generate_series(1, 2)", "{{ calendar_days('2024-01-01', '2024-12-31') }}"),
        ("regular expression", "a ~ 'b'", "{{ matches('a', 'b') }}"),
        ("regular expression", "a !~* 'b'", "a <> b"),
        ("format", "to_char(a, 'YYYY')", "char_length(a)"),
        ("type name", "cast(a as text)", "a as text, cast(a as {{ text_type() }})"),
        ("type name", "a::jsonb_text, a::text", "a::integer"),
        ("numeric", "cast(a as numeric)", "cast(a as numeric(9, 4))"),
        ("size of amounts", "cast(a as numeric(18, 4))", "cast(a as {{ var('amount_type') }})"),
        ("size of amounts", "a::decimal (28,6)", "{{ div('a', 'b', 28, 6) }}, cast(a as numeric(9, 4))"),
        ("at time zone", "a at time zone 'utc'", "a at_time_zone"),
        ("escape string", "E'a'", "'e'"),
        ("row_number without order", "row_number() over ()", "sum(a) over ()"),
        ("row_number without order", "row_number() over (partition by a)",
         "row_number() over (partition by f(a) order by b nulls last)"),
        ("count of several columns", "count(distinct a, b)", "count(distinct coalesce(a, b)), b"),
        ("target.type", "{% if target.type == 'spark' %}", "{{ target.name }} target.type_of"),
        ("postgres function", "pg_input_is_valid(a, 'date')", "pg.a"),
    ],
)  # fmt: skip
def test_a_rule_names_its_construct_and_passes_a_near_miss(construct: str, hit: str, near_miss: str) -> None:
    assert construct in constructs(f"select {hit}\n")
    assert construct not in constructs(f"select {near_miss}\n")


def test_the_place_is_line_and_column_from_1() -> None:
    [finding] = lint.lint_text("select\n    a / b\nfrom x\n")
    assert (finding.line, finding.column) == (2, 7)
    [finding] = lint.lint_text("select\n    {{ issue_codes([\n        ('code', 'a / b'),\n    ]) }}\n")
    assert (finding.line, finding.column) == (3, 21)


@pytest.mark.parametrize(
    "text",
    [
        '-- a / b, "c", it\'s\nselect 1',
        "/* a / b\n it's */ select 1",
        "{# a / b, it's #} select 1",
        "select 'it''s a / b -- \"' as c",
        "select '{{ var(\"a/b\") }}/b' as c",
        "{% set x = 'a / b' %}{% if y[0] %}select 1{% endif %}",
        "select * from {{ ref('a/b') }}",
    ],
)
def test_comments_literals_and_jinja_are_no_code(text: str) -> None:
    assert constructs(text) == []


@pytest.mark.parametrize(
    "text",
    ["select '--', a / b", "select '/*', a / b", "select 'it''s', a / b",
     "select '{{ var(\"it's\") }}', a / b", "select {{ \"}}\" }}, a / b", "/* x */ select a / b",
     "-- it's\nselect a / b"],
)  # fmt: skip
def test_comment_marks_inside_literals_hide_nothing(text: str) -> None:
    assert constructs(text) == ["division"]


def test_a_line_is_exempt_only_with_a_reason() -> None:
    assert constructs("select upper(a) -- portable: codes are ASCII\n") == []
    assert constructs("select upper(a) {#- portable: codes are ASCII #}\n") == []
    assert constructs("select upper(a) -- portable:\n") == ["case of letters", "exemption"]
    assert constructs("select a -- portable: no finding\n") == ["exemption"]
    assert constructs("-- portable: the line before\nselect upper(a)\n") == ["exemption", "case of letters"]


def test_the_project_is_clean_and_the_engines_own_folders_are_left_out() -> None:
    done = subprocess.run([sys.executable, lint.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    names = {path.relative_to(PROJECT).as_posix() for path in lint.find_files()}
    assert "models/marts/core/fct_sales_lines.sql" in names
    assert "macros/staging/trimmed.sql" not in names
    assert not any(name.startswith(("macros/portable/", "macros/incremental/")) for name in names)


def test_types_of_amounts_are_defined_once_and_their_products_fit_38_digits() -> None:
    types = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    amount, rate = (int(re.findall("[0-9]+", types[name])[0]) for name in ("amount_type", "rate_type"))
    # the product of two decimals has their digits and one more
    assert max(amount + amount, amount + rate) + 1 <= 38
    spread = [
        path.relative_to(PROJECT).as_posix()
        for folder in ("models", "seeds")
        for path in (PROJECT / folder).rglob("*.yml")
        if re.search(r"(numeric|decimal)\((18|28)", path.read_text(encoding="utf-8"))
    ]
    assert spread == []


def test_expressions_and_conditions_in_lists_are_sql() -> None:
    """Names, formats and constants beside them are not."""
    text = """\
{% set columns = [
    {'name': 'day', 'cast': 'date', 'format': 'DD/MM/YYYY'},
    {'name': 'share', 'is': 'a / b'},
    {'name': 'total', 'checks': [('total:zero', 'total::text = 0')]},
] %}
"""
    assert [(found.line, found.construct) for found in lint.lint_text(text)] == [(3, "division"), (4, "type name")]
