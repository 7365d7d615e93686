{# A macro of its own because the linter does not know dbt's macros in models. #}
{% macro month_end(date_expression) -%}
    {{ return(adapter.dispatch('month_end', 'sales_warehouse')(date_expression)) }}
{%- endmacro %}

{% macro default__month_end(date_expression) -%}
    {{ dbt.last_day(date_expression, 'month') }}
{%- endmacro %}

{% macro spark__month_end(date_expression) -%}
    last_day({{ date_expression }})
{%- endmacro %}
