{% macro trimmed(expression) -%}
    {{ return(adapter.dispatch('trimmed', 'sales_warehouse')(operand(expression))) }}
{%- endmacro %}

{# space, tab, line feed, carriage return, non-breaking space (U+00A0) #}
{% macro default__trimmed(expression) -%}
    nullif(trim(both chr(32) || chr(9) || chr(10) || chr(13) || chr(160) from {{ expression }}), '')
{%- endmacro %}
