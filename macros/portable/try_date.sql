{% macro try_date(expression, format='YYYY-MM-DD', months=none) -%}
    {{ return(adapter.dispatch('try_date', 'sales_warehouse')(operand(expression), format, months)) }}
{%- endmacro %}

{% macro default__try_date(expression, format, months) -%}
    {{ read_by_formats(expression, format, 'date', months) }}
{%- endmacro %}
