{% macro matches(expression, pattern) -%}
    {{ return(adapter.dispatch('matches', 'sales_warehouse')(operand(expression), pattern)) }}
{%- endmacro %}

{% macro default__matches(expression, pattern) -%}
    {{ expression }} ~ '{{ pattern }}'
{%- endmacro %}
