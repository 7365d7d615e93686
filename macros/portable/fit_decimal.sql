{% macro fit_decimal(expression, precision=none, scale=none, has_scale=false) -%}
    {%- set size = decimal_size('amount_type') if precision is none else [precision, scale] -%}
    {{ return(adapter.dispatch('fit_decimal', 'sales_warehouse')(operand(expression), size[0], size[1], has_scale)) }}
{%- endmacro %}

{# What passes fits as it is, so the cast neither raises nor rounds. #}
{% macro default__fit_decimal(expression, precision, scale, has_scale) -%}
    case
        when
            abs({{ expression }}) < 1{{ '0' * (precision - scale) }}
            {%- if not has_scale %}
            and min_scale({{ expression }}) <= {{ scale }}
            {%- endif %}
            then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}

{% macro spark__fit_decimal(expression, precision, scale, has_scale) -%}
    case
        when
            abs({{ expression }}) < 1{{ '0' * (precision - scale) }}
            {%- if not has_scale %}
            and {{ expression }} = round({{ expression }}, {{ scale }})
            {%- endif %}
            then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}
