{# A value as a text literal of SQL. #}
{% macro as_literal(value) -%}
    {{ return('null' if value is none else "'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}
