{% macro is_outside_calendar(date_expression) -%}
    {{ operand(date_expression) }} not between cast('{{ var("calendar_start") }}' as date) and cast('{{ var("calendar_end") }}' as date)
{%- endmacro %}
