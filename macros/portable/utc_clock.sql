{% macro utc_clock(instant_expression) -%}
    {{ return(adapter.dispatch('utc_clock', 'sales_warehouse')(operand(instant_expression))) }}
{%- endmacro %}

{# A plain cast would give the time in the time zone of the session. #}
{% macro default__utc_clock(instant_expression) -%}
    ({{ instant_expression }} at time zone 'UTC')
{%- endmacro %}
