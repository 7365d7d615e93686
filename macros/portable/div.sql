{% macro div(dividend, divisor, precision, scale) -%}
    {{ return(adapter.dispatch('div', 'sales_warehouse')(operand(dividend), operand(divisor), precision, scale)) }}
{%- endmacro %}

{% macro default__div(dividend, divisor, precision, scale) -%}
    cast(
        round(cast({{ dividend }} as numeric) / nullif(cast({{ divisor }} as numeric), 0), {{ scale }})
        as numeric({{ precision }}, {{ scale }})
    )
{%- endmacro %}

{# Spark cuts the scale of a quotient to what 38 digits leave, so it is computed exactly, in whole numbers: twice the shifted dividend
   plus the divisor, by twice the divisor, is the quotient rounded half away from zero. Operands have at most 10 digits behind the
   point; before it the dividend has at most 21 less `scale`. #}
{% macro spark__div(dividend, divisor, precision, scale) -%}
    {%- if precision + scale > 37 or scale > 10 -%}
        {{ exceptions.raise_compiler_error(
            'div: Spark has decimals of 38 digits, too few for a quotient of numeric(' ~ precision ~ ', ' ~ scale ~ ')'
        ) }}
    {%- endif -%}
    {%- set top = 'cast(abs(cast(' ~ dividend ~ ' as numeric(28, 10))) * 2' ~ '0' * (10 + scale) ~ ' as numeric(38, 0))' -%}
    {%- set bottom = 'cast(abs(cast(nullif(' ~ divisor ~ ', 0) as numeric(28, 10))) * 20000000000 as numeric(38, 0))' -%}
    {%- set half = 'cast(abs(cast(nullif(' ~ divisor ~ ', 0) as numeric(28, 10))) * 10000000000 as numeric(38, 0))' -%}
    cast(
        cast(
            case when ({{ dividend }} < 0) = ({{ divisor }} < 0) then 1 else -1 end
            * (({{ top }} + {{ half }} - ({{ top }} + {{ half }}) % {{ bottom }}) / {{ bottom }})
            as numeric({{ precision }}, 0)
        )
        * {{ '0.' ~ '0' * (scale - 1) ~ '1' if scale else '1' }}
        as numeric({{ precision }}, {{ scale }})
    )
{%- endmacro %}
