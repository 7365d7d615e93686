{% macro utc_date(expression) -%}
    {{ return(adapter.dispatch('utc_date', 'sales_warehouse')(expression)) }}
{%- endmacro %}

{# A plain cast would give the day in the time zone of whoever builds. #}
{% macro default__utc_date(expression) -%}
    cast({{ expression }} at time zone 'UTC' as date)
{%- endmacro %}
