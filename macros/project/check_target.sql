{# On-run-start, before any model: stops a run that would reach another server than the commands `warehouse`, and, on a target of
   one's own, a run that reads relations which are neither there nor in this run; on prod, a sample. #}
{% macro check_target() -%}
    {%- if execute -%}
        {%- do check_server() -%}
        {%- if target.name != 'prod' -%}
            {%- do check_parents() -%}
        {%- elif invocation_args_dict.get('sample') -%}
            {{ exceptions.raise_compiler_error(
                'The target prod takes no sample (--sample, DBT_SAMPLE): readers would take some days for all. Nothing was built. '
                ~ 'In schemas of your own: make dev SAMPLE=30'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# A profile of the embedded server holds plain values, so it does not follow the variables that the commands `warehouse`
   follow. src/sales_warehouse/server/profiles.py writes the name. #}
{% macro check_server() -%}
    {%- if target.application_name == 'dbt_embedded' -%}
        {%- set host, port = env_var('PGHOST', ''), env_var('PGPORT', '') or '5432' -%}
        {%- set home = env_var('WAREHOUSE_HOME', '').rstrip('/') -%}
        {%- set project = invocation_args_dict.project_dir | string -%}
        {%- if host and (host, port) != (target.host, target.port | string) -%}
            {{ exceptions.raise_compiler_error(
                'PGHOST names the server ' ~ host ~ ':' ~ port ~ ', and profiles.yml the embedded server. Nothing was built. '
                ~ 'Run `warehouse up` in this shell: it writes profiles.yml for the server of PGHOST.'
            ) }}
        {%- elif not host and invocation_args_dict.profiles_dir | string == project
            and home not in ('', '.warehouse', './.warehouse', project ~ '/.warehouse') -%}
            {{ exceptions.raise_compiler_error(
                'WAREHOUSE_HOME is ' ~ home ~ ', and the profile is that of the default home. Nothing was built. '
                ~ 'Run `warehouse up` in this shell: it prints the line that sets DBT_PROFILES_DIR.'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# Unit tests are not looked at: dbt does not show macros what their fixtures need. #}
{% macro check_parents() -%}
    {%- set missing = [] -%}
    {%- set nodes = [] -%}
    {%- for unique_id in selected_resources if unique_id in graph.nodes -%}
        {%- do nodes.append(graph.nodes[unique_id]) -%}
    {%- endfor -%}
    {%- for parent in read_relations(nodes) if parent.unique_id not in selected_resources -%}
        {%- set is_deferred_to = is_deferring() and parent.defer_relation -%}
        {%- if not is_deferred_to and adapter.get_relation(parent.database, parent.schema, parent.alias) is none -%}
            {%- do missing.append(parent.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if missing -%}
        {%- set state = (env_var('WAREHOUSE_HOME', '') or '.warehouse') ~ '/state' -%}
        {{ exceptions.raise_compiler_error(
            'The target ' ~ target.name ~ ' does not have these relations, which this run reads: '
            ~ missing[:5] | join(', ') ~ (', … (' ~ missing | length ~ ' in all)' if missing | length > 5 else '')
            ~ '. Nothing was built.'
            ~ '\n  To build what you edited, and read the rest from prod: make dev'
            ~ '\n  To read the rest from prod in every command of this shell: export DBT_DEFER=true DBT_FAVOR_STATE=true'
            ~ ' DBT_STATE=' ~ state
            ~ '\n  For one command: --defer --favor-state --state ' ~ state
        ) }}
    {%- endif -%}
{%- endmacro %}

{# The models and seeds whose relations these nodes read, each once. #}
{% macro read_relations(nodes) -%}
    {%- set found = {} -%}
    {%- set waiting = nodes | list -%}
    {# a for loop over a list that grows would be simpler, and is not safe in Jinja #}
    {%- for _ in range(graph.nodes | length) if waiting -%}
        {%- set node = waiting.pop() -%}
        {%- set parents = node.depends_on.nodes | list -%}
        {%- for unique_id in parents + feed_models(node) if unique_id in graph.nodes and unique_id not in found -%}
            {%- set parent = graph.nodes[unique_id] -%}
            {%- do found.update({unique_id: parent}) -%}
            {%- if parent.config.materialized == 'ephemeral' -%}
                {%- do waiting.append(parent) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found.values() | rejectattr('config.materialized', 'equalto', 'ephemeral') | list) }}
{%- endmacro %}
