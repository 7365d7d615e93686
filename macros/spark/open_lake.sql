{# On-run-start on Spark, what open_build is on PostgreSQL: assert the settings that figures depend on, and fix the state of the
   lake that this build reads. Each table of the loader becomes a view of its snapshot, so all models see the same event of the
   ledger, and tests of a later command too. The view `builds` says which. Two builds of one target at a time are not possible. #}
{% macro open_lake() -%}
    {%- do assert_spark_settings() -%}
    {%- if invocation_args_dict.get('sample') -%}
        {{ exceptions.raise_compiler_error('A build on Spark is whole and takes no sample. Nothing was built.') }}
    {%- endif -%}
    {%- if is_deferring() -%}
        {{ exceptions.raise_compiler_error(
            'Spark does not read what another target has built. Nothing was built. Use: --no-defer --no-favor-state'
        ) }}
    {%- endif -%}
    {%- set state = newest_lake_state() -%}
    {%- set made = [] -%}
    {%- for row in state -%}
        {%- set schema, table = row.table_name.split('.') -%}
        {%- set view = as_of_build(api.Relation.create(schema=schema, identifier=table)) -%}
        {%- if view.schema not in made -%}
            {%- do run_query('create schema if not exists ' ~ view.without_identifier()) -%}
            {%- do made.append(view.schema) -%}
        {%- endif -%}
        {%- set columns = [] -%}
        {%- for column in run_query('describe table ' ~ row.table_name).rows -%}
            {#- the name that Iceberg keeps for itself; src/sales_warehouse/lake/columns.py -#}
            {%- do columns.append('_topic_partition as _partition' if column[0] == '_topic_partition' else column_name(column[0])) -%}
        {%- endfor -%}
        {%- do run_query(
            'create or replace view ' ~ view ~ ' as select ' ~ columns | join(', ') ~ ' from ' ~ row.table_name
            ~ ' version as of ' ~ row.snapshot_id
        ) -%}
    {%- endfor -%}
    {%- set exported = state | map(attribute='table_name') | list -%}
    {%- for feed in feeds() if feed.source.schema ~ '.' ~ feed.source.identifier not in exported -%}
        {{ exceptions.raise_compiler_error(
            'The lake has no table of the feed ' ~ feed.name ~ '. Nothing was built. Export it: warehouse lake'
        ) }}
    {%- endfor -%}
    {%- set builds = build_state('builds') -%}
    {%- do run_query('create schema if not exists ' ~ builds.without_identifier()) -%}
    {%- do run_query(
        'create or replace view ' ~ builds ~ " as select '" ~ invocation_id ~ "' as invocation_id, cast("
        ~ state[0].event_id ~ " as bigint) as upper_event_id, cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f')
        ~ "' as timestamp) as started_at"
    ) -%}
    {%- do log('Reads state ' ~ state[0].state ~ ' of the lake, up to event ' ~ state[0].event_id ~ '.', info=true) -%}
{%- endmacro %}

{# The rows of the newest state that `warehouse lake` has listed, one a table. #}
{% macro newest_lake_state() -%}
    {%- if run_query("show schemas like 'ledger'").rows and run_query("show tables in ledger like 'lake_states'").rows -%}
        {%- set rows = run_query(
            'select * from ledger.lake_states where state = (select max(state) from ledger.lake_states) order by table_name'
        ).rows -%}
        {%- if rows -%}
            {{ return(rows) }}
        {%- endif -%}
    {%- endif -%}
    {{ exceptions.raise_compiler_error('The lake is empty. Nothing was built. Export the warehouse first: warehouse lake') }}
{%- endmacro %}

{# Without these a wrong cast is NULL, a session reads rows of before the last commit, and times are those of another zone. dbt asks
   for ANSI to be off in each session, which a Thrift server may follow. #}
{% macro assert_spark_settings() -%}
    {%- set catalog = run_query('select current_catalog()').rows[0][0] -%}
    {%- for name, wanted in [
        ('spark.sql.ansi.enabled', 'true'),
        ('spark.sql.session.timeZone', 'UTC'),
        ('spark.sql.catalog.' ~ catalog ~ '.cache-enabled', 'false'),
    ] -%}
        {%- set found = run_query('set `' ~ name ~ '`').rows[0][1] -%}
        {%- if found != wanted -%}
            {{ exceptions.raise_compiler_error(
                'On this Spark ' ~ name ~ ' is ' ~ found ~ ', and figures are right only with ' ~ wanted
                ~ '. Nothing was built. docs/how-to/run-spark.md names the settings.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
