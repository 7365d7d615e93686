{# On-run-start: take the lease, create the build state, and fix the last event of the ledger that this build sees. #}
{% macro open_build() -%}
    {%- if not keeps_build_state() -%}
        {{ return(open_lake() if execute and is_build() else '') }}
    {%- endif -%}
    {%- do assert_role() -%}
    {%- do take_build_lease() -%}
    {%- set filtered = feeds() | map(attribute='raw_relation') | list -%}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' and follows_ledger(node) -%}
        {%- do filtered.append(node.relation_name) -%}
    {%- endfor -%}
    {{ seal_segments() }}
    {{ begin_transaction() }}
    create schema if not exists {{ build_state('builds').schema }};
    create table if not exists {{ build_state('builds') }} (
        invocation_id {{ text_type() }} primary key,
        upper_event_id bigint not null,
        started_at timestamp with time zone not null
    );
    create table if not exists {{ build_state('model_watermarks') }} (
        relation_name {{ text_type() }} primary key,
        code_hash {{ text_type() }} not null,
        inputs_hash {{ text_type() }},
        rebuilt_by {{ text_type() }},
        built_by {{ text_type() }} not null,
        built_at timestamp with time zone not null,
        event_id bigint,
        tested_event_id bigint
    );
    {#- `if not exists` would wait for all who read it -#}
    {%- if execute and not run_query(
        "select 1 from pg_attribute where attrelid = to_regclass('" ~ build_state('model_watermarks')
        ~ "') and attname = 'written_by'"
    ).rows %}
    alter table {{ build_state('model_watermarks') }} add column if not exists written_by {{ text_type() }};
    {%- endif %}
    create table if not exists {{ build_state('touched_dates') }} (
        relation_name {{ text_type() }} not null,
        event_id bigint not null,
        touched_date date not null,
        primary key (relation_name, event_id, touched_date)
    );
    create table if not exists {{ build_state('touched_members') }} (
        relation_name {{ text_type() }} not null,
        event_id bigint not null,
        member_key {{ text_type() }} not null,
        primary key (relation_name, event_id, member_key)
    );
    create table if not exists {{ build_state('touched_files') }} (
        relation_name {{ text_type() }} not null,
        event_id bigint not null,
        file_id bigint not null,
        primary key (event_id, file_id, relation_name)
    );
    {{ touch_later_files() }}
    insert into {{ build_state('builds') }} (invocation_id, upper_event_id, started_at)
    select
        '{{ invocation_id }}',
        coalesce(max(event_id), 0),
        current_timestamp
    from {{ source('ledger', 'file_events') }};
    {{ summarise_block_ranges(filtered) ~ ';' if filtered }}
    {{ identify_rows() }};
    commit
{%- endmacro %}

{# The open segments of topics get their events now, so that this build sees them; from then on they never change. Those of a
   feed that left the project too: warn_of_undeclared_feeds names it by them. In a transaction of its own: streams wait for it,
   and what follows may wait for somebody else. #}
{% macro seal_segments() -%}
    {{ begin_transaction() }}
    set local idle_in_transaction_session_timeout = '10s';
    select ledger.seal_segments();
    commit;
{%- endmacro %}

{# A change of a file may change the rows of later files in feeds with the rule row:delivered_before. #}
{% macro touch_later_files() -%}
    {%- set compared = [] -%}
    {%- for feed in (feeds() if target.name == 'prod' and flags.WHICH in ('build', 'run', 'retry') else []) -%}
        {%- if feed.staging_model and 'row:delivered_before' in staged_codes(graph.nodes[feed.staging_model]) -%}
            {%- do compared.append(feed.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return("select ledger.touch_later_files(array['" ~ compared | join("', '") ~ "']);" if compared else '') }}
{%- endmacro %}
