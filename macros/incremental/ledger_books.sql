{# Two small tables of dbt's own, beside the audit models of the target: which events each build may see, and how far each
   relation has come. And one of the dates whose lines changed, for what is kept by date. #}
{% macro ledger_books(name) -%}
    {{ return(api.Relation.create(
        database=target.database, schema=generate_schema_name('audit', none), identifier=name, type='table'
    )) }}
{%- endmacro %}

{# The same to read from: with --defer what is read of another target stands in the ledger of that target. #}
{% macro readable_books(name, columns) -%}
    {%- set own = ledger_books(name) -%}
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
    {{ return('(' ~ selects | join(' union all ') ~ ') as books') }}
{%- endmacro %}
