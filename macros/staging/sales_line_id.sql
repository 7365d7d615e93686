{# In the staging model of a feed with items the item number comes third; elsewhere it must be named. #}
{% macro sales_line_id(file_id='_file_id', row_number='_row_number', item_number=none) -%}
    {%- set item = item_number or ('_item_number' if stages_items() else none) -%}
    cast({{ file_id }} as {{ text_type() }}) || ':' || cast({{ row_number }} as {{ text_type() }})
    {%- if item %} || ':' || cast({{ item }} as {{ text_type() }}){% endif %}
{%- endmacro %}

{# Whether the model that is compiled stages a feed with items; in a unit test, the tested model. #}
{% macro stages_items() -%}
    {%- set staged = model.get('tested_node_unique_id') or model.get('unique_id') if model else none -%}
    {%- for feed in feeds() if feed.staging_model and feed.staging_model == staged -%}
        {{ return('items' in (feed.source.external.options or {})) }}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}
