{% macro sales_line_id(file_id='_file_id', row_number='_row_number', item_number=none) -%}
    cast({{ file_id }} as {{ text_type() }}) || ':' || cast({{ row_number }} as {{ text_type() }})
    {%- if item_number %} || ':' || cast({{ item_number }} as {{ text_type() }}){% endif %}
{%- endmacro %}
