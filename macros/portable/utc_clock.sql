{% macro utc_clock(instant_expression) -%}
    {{ return(adapter.dispatch('utc_clock', 'sales_warehouse')(operand(instant_expression))) }}
{%- endmacro %}

{# A plain cast would give the time in the time zone of the session. #}
{% macro default__utc_clock(instant_expression) -%}
    ({{ instant_expression }} at time zone 'UTC')
{%- endmacro %}

{# The time zone of the session is UTC, as open_build asserts. #}
{% macro spark__utc_clock(instant_expression) -%}
    cast({{ instant_expression }} as timestamp_ntz)
{%- endmacro %}
