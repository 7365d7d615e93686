{# Run by `dbt run-operation test_macros`. Each table of cases is one query over a column of texts, so that no cast is
   computed while it is planned; what it gives is compared as text. #}
{% macro test_macros() -%}
    {%- set wrong = [] -%}
    {%- set tables = number_cases() + date_cases() + text_cases() -%}
    {%- for table in tables -%}
        {%- set cases = table.cases -%}
        {%- if table.get('refuses_all_else') -%}
            {%- set cases = cases + refused_texts() | rejectattr(0, 'in', cases | map(attribute=0) | list) | list -%}
        {%- endif -%}
        {%- do log('test_macros: ' ~ table.call ~ ', ' ~ cases | length ~ ' cases', info=true) -%}
        {%- for row in run_query(wrong_results(table.sql, cases)).rows -%}
            {%- do wrong.append(table.call ~ ' of ' ~ row[0] ~ ': expected ' ~ row[1] ~ ', got ' ~ row[2]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if wrong -%}
        {{ exceptions.raise_compiler_error(wrong | length ~ ' wrong results\n' ~ wrong | join('\n')) }}
    {%- endif -%}
{%- endmacro %}

{% macro wrong_results(sql, cases) -%}
    with

    cases (given, expected) as (

        values
        {% for given, expected in cases -%}
        (cast({{ as_literal(given) }} as {{ text_type() }}), cast({{ as_literal(expected) }} as {{ text_type() }}))
        {{- ',' if not loop.last }}
        {% endfor %}
    ),

    computed as (

        select
            given,
            expected,
            cast({{ sql }} as {{ text_type() }}) as got
        from cases

    )

    select
        coalesce('''' || given || '''', 'NULL') as given,
        coalesce('''' || expected || '''', 'NULL') as expected,
        coalesce('''' || got || '''', 'NULL') as got
    from computed
    where got is distinct from expected
{%- endmacro %}

{# Texts that an engine reads as a number or a date, or fails on, and that no file means as one. #}
{% macro refused_texts() -%}
    {%- set refused = [] -%}
    {%- for text in [
        none, '', ' ', 'NaN', 'Infinity', '-inf', '1e3', '0x1F', '1_000', '١٢', '１２', '²', '½', '−5', '--5', '5-', '5 5', '.', '-', '+', ',',
        '()', '%', '1.2.3', '1,2,3', 'null', 'true', 'today', 'now', 'epoch', 'yesterday', 'allballs', 'J2451187', '2024-1-5',
        '2024-01-05 BC', '2024-01-05T00:00:00Z', '24-01-05', '2024-W01-1', "'", "''; --", '{}', '[1]', '\u005cN',
        '\u005c', '😀', '\u00a05', '5\u200b', '\n', '5\n', '9' * 400, '-' ~ '9' * 400, '0.' ~ '1' * 400,
        '____-__-__', '__/__/____', '-1.123456789012345', '%%%%-%%-%%',
    ] -%}
        {%- do refused.append((text, none)) -%}
    {%- endfor -%}
    {{ return(refused) }}
{%- endmacro %}
