{# A list of numbers, not a subquery: only so does the filter reach the raw table through views with windows. #}
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
