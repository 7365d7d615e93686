{# On-run-end of prod: name the relations that an earlier build made and no model makes any more. They stay until a person
   drops them. `warehouse status` reads the table. #}
{% macro note_orphans() -%}
    {%- if not execute or target.name != 'prod' or flags.WHICH not in ('build', 'run', 'retry') -%}
        {{ return('') }}
    {%- endif -%}
    {%- set made = graph.nodes.values() | map(attribute='relation_name') | select | map('replace', "'", "''") | list -%}
    {{ note_snapshots() }}
    {%- set orphans -%}
    select cast(pg_class.oid as regclass)::text as name,
        case pg_class.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind,
        state.built_at as last_built_at
    from {{ build_state('model_watermarks') }} as state
    inner join pg_class on pg_class.oid = case
        when starts_with(state.relation_name, '"' || current_database() || '".') then to_regclass(state.relation_name)
    end
    where state.relation_name not in ('{{ made | join("', '") }}')
    {%- endset -%}
    {%- for orphan in run_query(orphans ~ ' order by 1').rows -%}
        {%- do log(
            'No model makes ' ~ orphan.name ~ ' any more; it stays as it was built on ' ~ orphan.last_built_at.date()
            ~ '. To drop it: drop ' ~ orphan.kind ~ ' ' ~ orphan.name, info=true
        ) -%}
    {%- endfor -%}
    {{ in_transaction_of_build(
        'create table if not exists ' ~ build_state('orphans')
        ~ ' (name text primary key, kind text not null, last_built_at timestamp with time zone not null);'
        ~ ' delete from ' ~ build_state('orphans') ~ '; insert into ' ~ build_state('orphans') ~ ' ' ~ orphans
    ) }}
{%- endmacro %}

{# The snapshots of the project; models and seeds are recorded by a hook of theirs. dbt warns of a hook for snapshots in a project
   without them. #}
{% macro note_snapshots() -%}
    {%- set noted = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'snapshot' -%}
        {%- do noted.append("('" ~ node.relation_name ~ "', '', '" ~ invocation_id ~ "', current_timestamp)") -%}
    {%- endfor -%}
    {%- if noted -%}
        {%- do run_query(
            begin_transaction() ~ 'insert into ' ~ build_state('model_watermarks')
            ~ ' (relation_name, code_hash, built_by, built_at) values ' ~ noted | join(', ')
            ~ ' on conflict (relation_name) do update set built_at = excluded.built_at; commit'
        ) -%}
    {%- endif -%}
{%- endmacro %}
