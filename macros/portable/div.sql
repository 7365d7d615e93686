{% macro div(dividend, divisor, precision, scale) -%}
    {{ return(adapter.dispatch('div', 'sales_warehouse')(operand(dividend), operand(divisor), precision, scale)) }}
{%- endmacro %}

{% macro default__div(dividend, divisor, precision, scale) -%}
    cast(
        round(cast({{ dividend }} as numeric) / nullif(cast({{ divisor }} as numeric), 0), {{ scale }})
        as numeric({{ precision }}, {{ scale }})
    )
{%- endmacro %}
