{% macro try_decimal(expression, precision, scale) -%}
    {{ return(adapter.dispatch('try_decimal', 'sales_warehouse')(operand(expression), precision, scale)) }}
{%- endmacro %}

{# Digits with at most one point and a sign (no NaN, 1e3, 1_000, 0x1F), few enough before the point for the type, and
   nothing but zeros beyond its scale: what passes fits as it stands, so the cast neither raises nor rounds.
   One pattern with counted digits says the same and takes three times as long on PostgreSQL. #}
{% macro default__try_decimal(expression, precision, scale) -%}
    case
        when
            translate({{ expression }}, '0123456789', '') in ('', '.', '-', '-.', '+', '+.')
            and pg_input_is_valid({{ expression }}, 'numeric({{ precision }}, {{ scale }})')
            and length(trim(trailing '0' from split_part({{ expression }}, '.', 2))) <= {{ scale }}
            then cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}

{% macro spark__try_decimal(expression, precision, scale) -%}
    case
        when
            translate({{ expression }}, '0123456789', '') in ('', '.', '-', '-.', '+', '+.')
            and length(trim(trailing '0' from split_part({{ expression }}, '.', 2))) <= {{ scale }}
            then try_cast({{ expression }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}
