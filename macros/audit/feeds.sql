{# Empty while dbt parses: the graph is complete only when models are compiled. #}
{% macro feeds() -%}
    {%- set found = [] -%}
    {%- set sources = graph.sources.values() if execute else [] -%}
    {%- for source in sources | sort(attribute='unique_id') if source.external -%}
        {%- set model_name = 'stg_' ~ source.source_name ~ '__' ~ source.name -%}
        {%- set model = graph.nodes.get('model.' ~ source.package_name ~ '.' ~ model_name) -%}
        {%- do found.append({
            'source': source,
            'name': source.source_name ~ '.' ~ source.name,
            'is_topic': source.external.location[:6] == 'kafka:',
            'raw_relation': source.relation_name,
            'staging_model': model.unique_id if model else none,
            'staging_relation': (model.defer_relation if is_deferred(model) else model).relation_name if model else none,
            'events': events_of(model_name) if model else none,
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
