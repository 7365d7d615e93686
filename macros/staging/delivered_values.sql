{% macro delivered_values(columns) -%}
    {%- for column in columns -%}
    {{ '\n        || ' if not loop.first }}'{{ ', ' if not loop.first }}{{ bare_name(column) }}=' || coalesce('"' || {{ column_name(column) }} || '"', 'null')
    {%- endfor %}
{%- endmacro %}
