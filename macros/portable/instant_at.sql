{% macro instant_at(date_expression, time_expression, time_zone) -%}
    {{ return(adapter.dispatch('instant_at', 'sales_warehouse')(operand(date_expression), operand(time_expression), time_zone)) }}
{%- endmacro %}

{# A time that the clock skips in spring is read an hour later, one that it shows twice in autumn is the second: what it is by
   standard time. #}
{% macro default__instant_at(date_expression, time_expression, time_zone) -%}
    (({{ date_expression }} + cast({{ time_expression }} as time)) at time zone {{ time_zone }})
{%- endmacro %}
