{# Of a group, the value of the row with the latest date that has one. A date in ISO is ten characters and sorts as a text, so this needs
   neither a sort nor a join. Rows of one date must have one value. #}
{% macro latest_value(date, value) -%}
    substring(max(cast({{ date }} as {{ text_type() }}) || {{ value }}), 11)
{%- endmacro %}
