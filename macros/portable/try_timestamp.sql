{% macro try_timestamp(expression, format='YYYY-MM-DD HH24:MI:SS', months=none) -%}
    {{ return(adapter.dispatch('try_timestamp', 'sales_warehouse')(operand(expression), format, months)) }}
{%- endmacro %}

{% macro default__try_timestamp(expression, format, months) -%}
    {{ read_by_formats(expression, format, 'timestamp', months) }}
{%- endmacro %}
