{% macro instant_type() -%}
    {{ return(adapter.dispatch('instant_type', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__instant_type() -%}
    timestamp with time zone
{%- endmacro %}

{% macro spark__instant_type() -%}
    timestamp
{%- endmacro %}
