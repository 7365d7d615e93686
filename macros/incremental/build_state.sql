{# The tables in which dbt keeps what it has built, beside the audit models of the target: `builds`, `model_watermarks`,
   `touched_dates`, `touched_members`, `touched_files`. #}
{% macro build_state(name) -%}
    {{ return(api.Relation.create(
        database=target.database or none, schema=generate_schema_name('audit', none), identifier=name, type='table'
    )) }}
{%- endmacro %}

{# The same to read from: with --defer the relations of the other target are in the build state of that target. #}
{% macro readable_build_state(name, columns) -%}
    {%- set own = build_state(name) -%}
    {%- set selects = ['select ' ~ columns | join(', ') ~ ' from ' ~ own] -%}
    {%- set nodes = graph.nodes.values() if is_deferring() else [] -%}
    {%- for node in nodes if node.defer_relation and node.config.schema == 'audit' -%}
        {%- if loop.first and node.defer_relation.schema != own.schema -%}
            {%- set other = adapter.get_relation(target.database, node.defer_relation.schema, name) -%}
            {%- if other -%}
                {%- do selects.append('select ' ~ columns | join(', ') ~ ' from ' ~ other) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return('(' ~ selects | join(' union all ') ~ ') as build_state') }}
{%- endmacro %}
