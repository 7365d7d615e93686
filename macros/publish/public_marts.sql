{# Every model in the schema of the marts, unless its meta says `public: false`: what of it may have changed, and what it
   promises to readers. #}
{% macro public_marts() -%}
    {%- set marts = [] -%}
    {%- for node in public_models() -%}
        {%- set follows = follows_ledger(node) -%}
        {%- do marts.append({
            'name': node.alias,
            'schema': node.schema,
            'relation_name': node.relation_name,
            'strategy': node.config.incremental_strategy if follows else none,
            'date_column': node.config.meta.get('records_dates') or node.config.meta.get('date_column'),
            'period': node.config.meta.get('period', 'day'),
            'follows': [] if not follows else [node.relation_name] if node.config.meta.get('records_dates')
                else ancestors(node).followed | map(attribute='relation_name') | list,
            'deprecation_date': node.deprecation_date | string if node.deprecation_date else none,
            'renamed_from': node.config.meta.get('renamed_from'),
            'promises': promises_of_columns(node),
            'exposures': exposures_of(node),
        }) -%}
    {%- endfor -%}
    {{ return(marts) }}
{%- endmacro %}

{% macro public_models() -%}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model'
        and node.schema == generate_schema_name('marts', none) and node.config.materialized != 'ephemeral'
        and node.config.meta.get('public', true) -%}
        {%- do models.append(node) -%}
    {%- endfor -%}
    {{ return(models) }}
{%- endmacro %}

{# Of the columns whose meta says so: until when readers can rely on it, and what it was called before. #}
{% macro promises_of_columns(node) -%}
    {%- set promises = {} -%}
    {%- for column in node.columns.values()
        if column.config.meta.get('deprecation_date') or column.config.meta.get('renamed_from') -%}
        {%- set date = column.config.meta.get('deprecation_date') -%}
        {%- do promises.update({column.name: {
            'deprecation_date': date | string if date else none,
            'renamed_from': column.config.meta.get('renamed_from'),
        }}) -%}
    {%- endfor -%}
    {{ return(promises) }}
{%- endmacro %}

{# The exposures that depend on a model; `columns`, when the meta of the exposure lists the columns that it reads of it. #}
{% macro exposures_of(node) -%}
    {%- set found = [] -%}
    {%- for exposure in graph.exposures.values() if node.unique_id in exposure.depends_on.nodes -%}
        {%- set columns = exposure.config.meta.get('columns') -%}
        {%- do found.append({
            'name': exposure.name,
            'owner': [exposure.owner.name, exposure.owner.email] | select | join(', '),
            'columns': columns.get(node.name) if columns is mapping else none,
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
