{% macro sales_line_id(file_id='_file_id', row_number='_row_number') -%}
    cast({{ file_id }} as {{ text_type() }}) || ':' || cast({{ row_number }} as {{ text_type() }})
{%- endmacro %}
