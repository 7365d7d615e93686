{# A list of numbers: PostgreSQL moves no subquery through views with window functions down to the raw table. #}
{% macro only_new_files(column='_file_id') -%}
    {%- set window = model.build_window -%}
    {%- if window and not window.is_whole -%}
        {{ return(in_list(column, window.files | reject('in', window.late_files) | list)) }}
    {%- endif -%}
    {{ return('not ' ~ in_list(column, window.late_files) if window and window.late_files else 'true') }}
{%- endmacro %}

{% macro in_list(column, values) -%}
    {{ return(column ~ ' in (' ~ values | join(', ') ~ ')' if values else 'false') }}
{%- endmacro %}
