{% macro has_control_character(columns) -%}
    {{ return(adapter.dispatch('has_control_character', 'sales_warehouse')(column_list(columns))) }}
{%- endmacro %}

{# U+0001 to U+001F without tab, line feed and carriage return, and U+007F to U+009F. The engine puts the pattern
   together once, when it plans the query. #}
{% macro default__has_control_character(values) -%}
    concat_ws('', {{ values }}) ~ (
        '[' || chr(1) || '-' || chr(8) || chr(11) || chr(12) || chr(14) || '-' || chr(31) || chr(127) || '-' || chr(159) || ']'
    )
{%- endmacro %}

{% macro spark__has_control_character(values) -%}
    concat_ws('', {{ values }}) rlike (
        '[' || chr(1) || '-' || chr(8) || chr(11) || chr(12) || chr(14) || '-' || chr(31) || chr(127) || '-' || chr(159) || ']'
    )
{%- endmacro %}
