{# The first column is tested first and alone: it decides nearly every row. #}
{% macro is_blank_record(columns) -%}
    {{ trimmed(columns[0]) }} is null and {{ trimmed("concat_ws('', " ~ columns | join(', ') ~ ")") }} is null
{%- endmacro %}
