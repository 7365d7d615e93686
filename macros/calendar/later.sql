{% macro later(expression, number, unit) -%}
    {{ return(adapter.dispatch('later', 'sales_warehouse')(expression, number, unit)) }}
{%- endmacro %}

{% macro default__later(expression, number, unit) -%}
    {{ dbt.dateadd(unit, number, expression) }}
{%- endmacro %}

{% macro spark__later(expression, number, unit) -%}
    timestampadd({{ unit }}, {{ number }}, {{ expression }})
{%- endmacro %}
