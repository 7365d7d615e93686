{# What stands for a backslash in a literal of SQL. #}
{% macro backslash_in_literal() -%}
    {{ return(adapter.dispatch('backslash_in_literal', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__backslash_in_literal() -%}
    {{ return('\u005c') }}
{%- endmacro %}

{% macro spark__backslash_in_literal() -%}
    {{ return('\u005c\u005c') }}
{%- endmacro %}
