{% macro delivered_values(columns) -%}
    {%- for column in columns -%}
    {{ '\n        || ' if not loop.first }}'{{ ', ' if not loop.first }}{{ column }}=' || coalesce('"' || {{ column }} || '"', 'null')
    {%- endfor %}
{%- endmacro %}
