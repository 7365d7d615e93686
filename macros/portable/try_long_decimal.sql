{# As try_decimal, and of a number with more decimals than the type the rounded one: where `is_rounded` always, else where it
   differs by at most 1 in 10^13, which is the noise of a few sums of floating point numbers. #}
{% macro try_long_decimal(expression, precision, scale, is_rounded=false) -%}
    {{ return(adapter.dispatch('try_long_decimal', 'sales_warehouse')(operand(expression), precision, scale, is_rounded)) }}
{%- endmacro %}

{# Nearly all numbers are read by the first cast. #}
{% macro default__try_long_decimal(expression, precision, scale, is_rounded) -%}
    coalesce(
        {{ try_decimal(expression, precision, scale) }},
        case
            when
                translate({{ expression }}, '0123456789', '') in ('.', '-.', '+.')
                and pg_input_is_valid({{ expression }}, 'numeric({{ precision }}, {{ scale }})')
                {%- if not is_rounded %}
                and {{ is_noise(expression, 'cast', precision, scale) }}
                {%- endif %}
                then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
        end
    )
{%- endmacro %}

{% macro spark__try_long_decimal(expression, precision, scale, is_rounded) -%}
    coalesce(
        {{ try_decimal(expression, precision, scale) }},
        case
            when
                translate({{ expression }}, '0123456789', '') in ('.', '-.', '+.')
                {%- if not is_rounded %}
                and {{ is_noise(expression, 'try_cast', precision, scale) }}
                {%- endif %}
                then try_cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
        end
    )
{%- endmacro %}

{# Whether rounding changes a number of at most 18 digits before the point by so little. #}
{% macro is_noise(expression, cast, precision, scale) -%}
    abs({{ cast }}({{ expression }} as numeric(38, 20)) - {{ cast }}({{ expression }} as numeric({{ precision }}, {{ scale }})))
    * 10000000000000 <= abs({{ cast }}({{ expression }} as numeric({{ precision }}, {{ scale }})))
{%- endmacro %}
