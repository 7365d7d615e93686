{# Unique for each order: a source system has no colon, a currency has three letters. #}
{% macro order_key() -%}
    source_system || ':' || order_id || ':' || currency
{%- endmacro %}
