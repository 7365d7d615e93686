{# Every model in the schema of the marts, unless its meta says `public: false`, and what of it may have changed. #}
{% macro public_marts() -%}
    {%- set marts = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model'
        and node.schema == generate_schema_name('marts', none) and node.config.materialized != 'ephemeral'
        and node.config.meta.get('public', true) -%}
        {%- set follows = follows_ledger(node) -%}
        {%- do marts.append({
            'name': node.alias,
            'schema': node.schema,
            'relation_name': node.relation_name,
            'strategy': node.config.incremental_strategy if follows else none,
            'date_column': node.config.meta.get('date_column'),
            'period': node.config.meta.get('period', 'day'),
            'follows': ancestors(node).followed | map(attribute='relation_name') | list if follows else [],
        }) -%}
    {%- endfor -%}
    {{ return(marts) }}
{%- endmacro %}
