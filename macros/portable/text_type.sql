{% macro text_type() -%}
    {{ return(adapter.dispatch('text_type', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__text_type() -%}
    text
{%- endmacro %}

{% macro spark__text_type() -%}
    string
{%- endmacro %}
