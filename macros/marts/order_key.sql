{# Cannot be the same for two orders: a source system holds no colon, a currency has three letters. #}
{% macro order_key() -%}
    source_system || ':' || order_id || ':' || currency
{%- endmacro %}
