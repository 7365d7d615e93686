{# Empty while dbt parses: the graph is complete only when models are compiled. `rows_model` is what other models read of a feed:
   the typed table of its staging view, or the view where it has none. #}
{% macro feeds() -%}
    {%- set found = [] -%}
    {%- set sources = graph.sources.values() if execute else [] -%}
    {%- for source in sources | sort(attribute='unique_id') if source.external -%}
        {%- set model_name = 'stg_' ~ source.source_name ~ '__' ~ source.name -%}
        {%- set model = graph.nodes.get('model.' ~ source.package_name ~ '.' ~ model_name) -%}
        {%- set rows_model = graph.nodes.get('model.' ~ source.package_name ~ '.' ~ model_name ~ '_typed', model) -%}
        {%- do found.append({
            'source': source,
            'name': source.source_name ~ '.' ~ source.name,
            'is_topic': source.external.location.startswith('kafka:'),
            'raw_relation': source.relation_name,
            'staging_model': model.unique_id if model else none,
            'staging_relation': read_relation(model) if model else none,
            'rows_model': rows_model.unique_id if rows_model else none,
            'rows_relation': read_relation(rows_model) if rows_model else none,
            'events': events_of(model_name) if model else none,
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# The models of feeds that a model reads by these macros, without a ref(). #}
{% macro feed_models(node) -%}
    {%- set called = node.depends_on.macros -%}
    {%- if 'macro.sales_warehouse.staged_rows' in called -%}
        {{ return(feeds() | map(attribute='rows_model') | select | list) }}
    {%- elif 'macro.sales_warehouse.raw_row_counts' in called -%}
        {{ return(feeds() | map(attribute='staging_model') | select | list) }}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}
