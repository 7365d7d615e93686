{% macro try_rate(expression, precision, scale, decimal_mark) -%}
    {{ return(adapter.dispatch('try_rate', 'sales_warehouse')(operand(expression), precision, scale, decimal_mark)) }}
{%- endmacro %}

{# Two digits move behind the point, so the percentage may have a scale of two less. #}
{% macro default__try_rate(expression, precision, scale, decimal_mark) -%}
    {%- set pattern = '^[-+]?' ~ number_pattern(scale - 2, decimal_mark, '') ~ ' ?%$' -%}
    {%- set plain = "translate(" ~ expression ~ ", '" ~ decimal_mark ~ "% ', '.')" -%}
    case
        when
            {{ matches(expression, pattern) }}
            and pg_input_is_valid({{ plain }}, 'numeric({{ precision }}, {{ scale - 2 }})')
            then cast(cast({{ plain }} as numeric({{ precision }}, {{ scale - 2 }})) * 0.01 as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}

{% macro spark__try_rate(expression, precision, scale, decimal_mark) -%}
    {%- set pattern = '^[-+]?' ~ number_pattern(scale - 2, decimal_mark, '') ~ ' ?%$' -%}
    {%- set plain = "translate(" ~ expression ~ ", '" ~ decimal_mark ~ "% ', '.')" -%}
    case
        when {{ matches(expression, pattern) }}
            then cast(try_cast({{ plain }} as numeric({{ precision }}, {{ scale - 2 }})) * 0.01 as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}
