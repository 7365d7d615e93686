{# One row per source that has a feed; the description is that of its declaration. #}
{% macro declared_sources() -%}
    {%- set described = {} -%}
    {%- set feed_counts = {} -%}
    {%- for source in feeds() | map(attribute='source') -%}
        {%- do described.update({source.source_name: source.source_description}) -%}
        {%- do feed_counts.update({source.source_name: feed_counts.get(source.source_name, 0) + 1}) -%}
    {%- endfor -%}
    {%- for name, description in described.items() %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ name }}' as {{ text_type() }}) as source_system,
        cast('{{ description | trim | replace("'", "''") }}' as {{ text_type() }}) as source_description,
        {{ feed_counts[name] }} as feed_count
    {%- endfor %}
{%- endmacro %}
