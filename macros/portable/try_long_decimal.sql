{# As try_decimal, and of a number with more decimals the rounded one: where `digits` are given, any number rounded to so many; else one
   that differs from the rounded by at most 1 in 10^13, which is the noise of a few sums of floating point numbers. #}
{% macro try_long_decimal(expression, precision, scale, digits=none) -%}
    {{ return(adapter.dispatch('try_long_decimal', 'sales_warehouse')(operand(expression), precision, scale, digits)) }}
{%- endmacro %}

{# Nearly all numbers are read by the first cast. #}
{% macro default__try_long_decimal(expression, precision, scale, digits) -%}
    {%- if digits is not none -%}
    {%- set rounded = 'numeric(' ~ (precision - scale + digits) ~ ', ' ~ digits ~ ')' -%}
    case
        when
            translate({{ expression }}, '0123456789', '') in ('', '.', '-', '-.', '+', '+.')
            and pg_input_is_valid({{ expression }}, '{{ rounded }}')
            then cast(cast({{ expression }} as {{ rounded }}) as numeric({{ precision }}, {{ scale }}))
    end
    {%- else -%}
    coalesce(
        {{ try_decimal(expression, precision, scale) }},
        case
            when
                translate({{ expression }}, '0123456789', '') in ('.', '-.', '+.')
                and pg_input_is_valid({{ expression }}, 'numeric({{ precision }}, {{ scale }})')
                and {{ is_noise(expression, 'cast', precision, scale) }}
                then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
        end
    )
    {%- endif -%}
{%- endmacro %}

{% macro spark__try_long_decimal(expression, precision, scale, digits) -%}
    {%- if digits is not none -%}
    {%- set rounded = 'numeric(' ~ (precision - scale + digits) ~ ', ' ~ digits ~ ')' -%}
    case
        when translate({{ expression }}, '0123456789', '') in ('', '.', '-', '-.', '+', '+.')
            then cast(try_cast({{ expression }} as {{ rounded }}) as numeric({{ precision }}, {{ scale }}))
    end
    {%- else -%}
    coalesce(
        {{ try_decimal(expression, precision, scale) }},
        case
            when
                translate({{ expression }}, '0123456789', '') in ('.', '-.', '+.')
                and {{ is_noise(expression, 'try_cast', precision, scale) }}
                then try_cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
        end
    )
    {%- endif -%}
{%- endmacro %}

{# Whether rounding changes a number of at most 18 digits before the point by so little. #}
{% macro is_noise(expression, cast, precision, scale) -%}
    abs({{ cast }}({{ expression }} as numeric(38, 20)) - {{ cast }}({{ expression }} as numeric({{ precision }}, {{ scale }})))
    * 10000000000000 <= abs({{ cast }}({{ expression }} as numeric({{ precision }}, {{ scale }})))
{%- endmacro %}
