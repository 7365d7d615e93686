{# The first column is tested first and alone: it decides nearly every row. #}
{% macro is_blank_record(columns) -%}
    {{ trimmed(column_name(columns[0])) }} is null and {{ trimmed("concat_ws('', " ~ column_list(columns) ~ ")") }} is null
{%- endmacro %}
