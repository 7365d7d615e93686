{# Of a topic the id is made of cluster, topic, partition and offset: it does not depend on where segments were cut.
   dbt shows no sources to unit tests. #}
{% macro sales_line_id(file_id='_file_id', row_number='_row_number', item_number=none) -%}
    {%- set topics = feeds() | selectattr('is_topic') | selectattr('name', 'equalto', staged_feed()) | list if execute and graph.sources else [] -%}
    {%- if topics -%}
    '{{ topics[0].source.external.location[8:].split('/')[0] }}/' || _topic || '/' || cast(_partition as {{ text_type() }})
    || ':' || cast(_offset as {{ text_type() }})
    {%- else -%}
    {{ row_place(file_id, row_number) }}
    {%- endif %}
    {%- if item_number %} || ':' || cast({{ item_number }} as {{ text_type() }}){% endif %}
{%- endmacro %}

{# Where a row is: its file, row and item. #}
{% macro row_place(file_id='_file_id', row_number='_row_number', item_number=none) -%}
    cast({{ file_id }} as {{ text_type() }}) || ':' || cast({{ row_number }} as {{ text_type() }})
    {%- if item_number %} || ':' || cast({{ item_number }} as {{ text_type() }}){% endif %}
{%- endmacro %}
