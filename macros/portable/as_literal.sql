{# A value as a text literal of SQL. #}
{% macro as_literal(value) -%}
    {{ return(adapter.dispatch('as_literal', 'sales_warehouse')(value)) }}
{%- endmacro %}

{% macro default__as_literal(value) -%}
    {{ return('null' if value is none else "'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{# Spark interprets backslashes. #}
{% macro spark__as_literal(value) -%}
    {{ return(default__as_literal(value) | replace('\u005c', '\u005c\u005c')) }}
{%- endmacro %}
