{# A list of numbers: PostgreSQL moves no subquery through views with window functions down to the raw table. It looks a
   longer list up in a hash table. #}
{% macro only_new_files(column='_file_id') -%}
    {%- set window = model.build_window -%}
    {%- if window and (window.sample or not window.is_whole) -%}
        {{ return(in_list(column, window.files | reject('in', window.inactive_files) | list)) }}
    {%- elif not window or not window.unseen -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set conditions = [column ~ ' <= ' ~ window.unseen.last] -%}
    {%- if window.unseen.ids -%}
        {%- do conditions.append(column ~ ' not in (' ~ window.unseen.ids | join(', ') ~ ')') -%}
    {%- endif -%}
    {%- for first, last in window.unseen.ranges -%}
        {%- do conditions.append(column ~ ' not between ' ~ first ~ ' and ' ~ last) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ')) }}
{%- endmacro %}

{% macro in_list(column, values) -%}
    {{ return(column ~ ' in (' ~ values | join(', ') ~ ')' if values else 'false') }}
{%- endmacro %}
