{# Empty while dbt parses: the graph is complete only when models are compiled. `rows_model` is what other models read of a feed:
   the typed table of its staging view, or the view where it has none. `outcome_model` has the same rows with their last outcomes:
   where a model looks up values for them, that one. #}
{% macro feeds() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {#- a unit test may replace what is declared, a deferred relation may come during the build, and so may the state of a lake -#}
    {%- elif model is defined and model.resource_type == 'unit_test' or is_deferring() or not keeps_build_state() -%}
        {{ return(read_feeds()) }}
    {%- elif 'feeds' not in graph -%}
        {#- a build asks a hundred times, and dbt has one graph for all of it -#}
        {%- do graph.update({'feeds': read_feeds()}) -%}
    {%- endif -%}
    {{ return(graph.feeds) }}
{%- endmacro %}

{% macro read_feeds() -%}
    {%- set found = [] -%}
    {%- set readers = lookup_readers() -%}
    {%- set lookups = declared_lookups() -%}
    {%- for source in graph.sources.values() | sort(attribute='unique_id') if source.external -%}
        {%- set model_name = 'stg_' ~ source.source_name ~ '__' ~ source.name -%}
        {%- set model = graph.nodes.get('model.' ~ source.package_name ~ '.' ~ model_name) -%}
        {%- set rows_model = graph.nodes.get('model.' ~ source.package_name ~ '.' ~ model_name ~ '_typed', model) -%}
        {%- set is_lookup = (source.external.options or {}).get('kind') == 'lookup' -%}
        {%- set lookup = lookups.get(model_name) -%}
        {%- if model and is_lookup != (lookup is not none) -%}
            {{ exceptions.raise_compiler_error(
                model_name ~ ': external.options.kind: lookup of the source table and meta.lookup of the model belong together.'
            ) }}
        {%- endif -%}
        {%- set reading = [] -%}
        {%- for reader in readers if rows_model and reader.lines in (model_name, rows_model.name) -%}
            {%- do reading.append(reader.node) -%}
        {%- endfor -%}
        {%- if reading | length > 1 -%}
            {{ exceptions.raise_compiler_error(
                'The lines of ' ~ model_name ~ ' are looked up in ' ~ reading | map(attribute='name') | join(' and ')
                ~ '. One model gives a row its outcome: let it look up everything, and the other one read it.'
            ) }}
        {%- endif -%}
        {%- set outcome_model = reading[0] if reading else rows_model -%}
        {%- do found.append({
            'source': source,
            'name': source.source_name ~ '.' ~ source.name,
            'is_topic': source.external.location.startswith('kafka:'),
            'raw_relation': source_relation(source),
            'staging_model': model.unique_id if model else none,
            'staging_relation': read_relation(model) if model else none,
            'rows_model': rows_model.unique_id if rows_model else none,
            'outcome_model': outcome_model.unique_id if outcome_model else none,
            'outcome_relation': read_relation(outcome_model) if outcome_model else none,
            'looks_up': reading | length > 0,
            'is_lookup': is_lookup,
            'lookup': lookup,
            'events': events_of(model_name) if model else none,
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# The models of feeds that a model reads by these macros, without a ref(). #}
{% macro feed_models(node) -%}
    {%- set called = node.depends_on.macros -%}
    {%- if 'macro.sales_warehouse.staged_rows' in called -%}
        {{ return(feeds() | map(attribute='outcome_model') | select | list) }}
    {%- elif 'macro.sales_warehouse.raw_row_counts' in called -%}
        {{ return(feeds() | map(attribute='staging_model') | select | list) }}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}
