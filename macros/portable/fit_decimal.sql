{% macro fit_decimal(expression, precision=none, scale=none) -%}
    {%- set size = decimal_size('amount_type') if precision is none else [precision, scale] -%}
    {{ return(adapter.dispatch('fit_decimal', 'sales_warehouse')(operand(expression), *size)) }}
{%- endmacro %}

{# What passes fits as it is, so the cast neither raises nor rounds. #}
{% macro default__fit_decimal(expression, precision, scale) -%}
    case
        when
            abs({{ expression }}) < 1{{ '0' * (precision - scale) }}
            and {{ expression }} = round({{ expression }}, {{ scale }})
            then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}
