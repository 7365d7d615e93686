{# One build at a time writes the relations of prod, however it was started. dbt opens a session for each node, so the lease is
   a row of the ledger and not a lock of a session: see src/sales_warehouse/publish/sql/lease.sql. #}
{% macro needs_lease() -%}
    {{ return(execute and target.name == 'prod' and is_build()) }}
{%- endmacro %}

{# On-run-start. Wait while another build has the lease, or fail with wait_for_build: false. The lease of a build of which no
   transaction is seen for build_lease_seconds is taken over: dbt gives nothing back when it is killed. #}
{% macro take_build_lease() -%}
    {%- if not needs_lease() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set watched = {} -%}
    {# Jinja has no `while`; with half a second each these are 14 hours #}
    {%- for _ in range(100000) -%}
        {%- do run_query(begin_transaction(holds_lease=false)) -%}
        {%- set lease = run_query(
            "select * from ledger.try_build_lease('" ~ invocation_id ~ "', 'dbt " ~ flags.WHICH ~ "', '"
            ~ watched.get('abandoned', '') ~ "')"
        ).rows[0] -%}
        {%- do run_query('commit') -%}
        {%- if lease.invocation_id == invocation_id -%}
            {%- if watched.abandoned -%}
                {%- do log(
                    'No transaction of it was seen for ' ~ var('build_lease_seconds') ~ ' s. This build takes its lease over.',
                    info=true
                ) -%}
            {%- endif -%}
            {{ return(refresh_cache()) }}
        {%- endif -%}
        {%- if lease.held_by and not var('wait_for_build') -%}
            {{ exceptions.raise_compiler_error(describe_lease(lease) ~ '. Nothing was built.') }}
        {%- endif -%}
        {%- if lease.held_by or lease.invocation_id != watched.owner -%}
            {%- do log(
                describe_lease(lease) ~ '. Waiting for it to end, or until no transaction of it is seen for '
                ~ var('build_lease_seconds') ~ ' s.', info=true
            ) if lease.invocation_id != watched.owner -%}
            {%- do watched.update({'owner': lease.invocation_id, 'seen_at': lease.seen_at, 'abandoned': ''}) -%}
        {%- elif (lease.seen_at - watched.seen_at).total_seconds() > var('build_lease_seconds') -%}
            {%- do watched.update({'abandoned': lease.invocation_id}) -%}
        {%- endif -%}
        {%- do run_query(begin_transaction(holds_lease=false) ~ ' select pg_sleep(0.5); commit') -%}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error('The other build did not end. Nothing was built.') }}
{%- endmacro %}

{% macro describe_lease(lease) -%}
    {{ return(
        'Another build of prod is at work: ' ~ lease.command ~ ' of ' ~ lease.login ~ ' since '
        ~ lease.taken_at.astimezone(modules.pytz.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
        ~ ' (invocation ' ~ lease.invocation_id ~ (', server processes ' ~ lease.held_by if lease.held_by else '') ~ ')'
    ) }}
{%- endmacro %}

{# On-run-end, the last of them. #}
{% macro give_back_build_lease() -%}
    {%- if needs_lease() -%}
        {{ begin_transaction(holds_lease=false) }}
        select ledger.give_back_build_lease('{{ invocation_id }}');
        commit
    {%- endif -%}
{%- endmacro %}

{# dbt listed the relations before its first hook, and the build before this one may have made others. #}
{% macro refresh_cache() -%}
    {%- set there = {} -%}
    {%- for unique_id in selected_resources if unique_id in graph.nodes and graph.nodes[unique_id].relation_name -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- if node.schema not in there -%}
            {%- set schema = api.Relation.create(database=target.database, schema=node.schema).without_identifier() -%}
            {%- do there.update({node.schema: {}}) -%}
            {%- for row in list_relations_without_caching(schema).rows -%}
                {%- do there[node.schema].update({row.name: row.type}) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set listed = adapter.get_relation(target.database, node.schema, node.alias) -%}
        {%- set type = there[node.schema].get(node.alias) -%}
        {%- if (listed.type | string if listed else none) != type -%}
            {%- do adapter.cache_dropped(listed) if listed -%}
            {%- do adapter.cache_added(
                api.Relation.create(database=target.database, schema=node.schema, identifier=node.alias, type=type)
            ) if type -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
