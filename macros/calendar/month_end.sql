{# A macro of its own because the linter does not know dbt's macros in models. #}
{% macro month_end(date_expression) -%}
    {{ dbt.last_day(date_expression, 'month') }}
{%- endmacro %}
