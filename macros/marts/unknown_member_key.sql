{% macro unknown_member_key() -%}
    'unknown'
{%- endmacro %}
