{% macro is_blank_record(columns) -%}
    coalesce(
        {%- for column in columns %}
        {{ trimmed(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) is null
{%- endmacro %}
