{% macro local_date(instant_expression, time_zone) -%}
    {{ return(adapter.dispatch('local_date', 'sales_warehouse')(operand(instant_expression), time_zone)) }}
{%- endmacro %}

{# A plain cast would give the day in the time zone of the session. #}
{% macro default__local_date(instant_expression, time_zone) -%}
    cast({{ instant_expression }} at time zone {{ time_zone }} as date)
{%- endmacro %}

{% macro spark__local_date(instant_expression, time_zone) -%}
    cast(from_utc_timestamp({{ instant_expression }}, {{ time_zone }}) as date)
{%- endmacro %}
