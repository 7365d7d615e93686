{% macro multiply(first, second) -%}
    {{ return(adapter.dispatch('multiply', 'sales_warehouse')(operand(first), operand(second))) }}
{%- endmacro %}

{# The cast is for two whole numbers, whose product may be larger than bigint. #}
{% macro default__multiply(first, second) -%}
    cast({{ first }} as numeric) * {{ second }}
{%- endmacro %}

{# Beyond 38 digits Spark cuts the decimals of a product. Two amounts have 37; an operand that is no amount is NULL. #}
{% macro spark__multiply(first, second) -%}
    {{ fit_decimal(first) }} * {{ fit_decimal(second) }}
{%- endmacro %}
