{% macro later(expression, number, unit) -%}
    {{ dbt.dateadd(unit, number, expression) }}
{%- endmacro %}
