{# A list of numbers, not a subquery: only so does the filter reach the raw table through views with windows. #}
{% macro only_new_files(column='_file_id') -%}
    {%- if not execute or model.resource_type != 'model' or not follows_ledger(model) -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set window = build_window(model) -%}
    {%- if is_incremental() -%}
        {{ return('/*new*/ ' ~ in_list(column, window.files | reject('in', window.late_files) | list) ~ ' /*new*/') }}
    {%- elif window.late_files -%}
        {{ return('/*new*/ not ' ~ in_list(column, window.late_files) ~ ' /*new*/') }}
    {%- endif -%}
    {{ return('/*new*/ true /*new*/') }}
{%- endmacro %}

{% macro in_list(column, values) -%}
    {{ return(column ~ ' in (' ~ values | join(', ') ~ ')' if values else 'false') }}
{%- endmacro %}
