{% macro capitalised(expression) -%}
    {{ return(adapter.dispatch('capitalised', 'sales_warehouse')(operand(expression))) }}
{%- endmacro %}

{% macro default__capitalised(expression) -%}
    initcap({{ expression }})
{%- endmacro %}

{# Spark's initcap begins a word behind a blank only. #}
{% macro spark__capitalised(expression) -%}
    array_join(transform(split({{ expression }}, '(?<=[^a-zA-Z0-9])'), word -> initcap(word)), '')
{%- endmacro %}
