{% macro fit_decimal(expression, precision, scale) -%}
    {{ return(adapter.dispatch('fit_decimal', 'sales_warehouse')(operand(expression), precision, scale)) }}
{%- endmacro %}

{# Rounded before it is compared: 9.99996 still fits numeric(5, 4) but becomes 10.0000, which does not. #}
{% macro default__fit_decimal(expression, precision, scale) -%}
    case
        when abs(round({{ expression }}, {{ scale }})) < 1{{ '0' * (precision - scale) }}
            then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}
