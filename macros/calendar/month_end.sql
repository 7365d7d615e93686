{# In models dbt's own names are unknown to the linter. #}
{% macro month_end(date_expression) -%}
    {{ dbt.last_day(date_expression, 'month') }}
{%- endmacro %}
