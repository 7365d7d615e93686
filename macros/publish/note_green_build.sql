{# On-run-end. A build that was whole and green goes in the ledger with its marts, so that it can be published, now or
   later; of any other it is said what was missing. Only the target prod is published. #}
{% macro note_green_build(results) -%}
    {%- if not execute or target.name != 'prod' or flags.WHICH not in ('build', 'retry') -%}
        {{ return('') }}
    {%- endif -%}
    {%- set obstacles = publication_obstacles(results) -%}
    {%- if obstacles -%}
        {%- do log('Not published, readers see what they saw before:', info=true) -%}
        {%- for obstacle in obstacles -%}
            {%- do log('  ' ~ obstacle, info=true) -%}
        {%- endfor -%}
        {{ return('') }}
    {%- endif -%}
    {{ begin_transaction() }}
    insert into ledger.green_builds (invocation_id, upper_event_id, watermarks, touched_dates, touched_files, marts, code)
    values (
        '{{ invocation_id }}', {{ upper_event() }}, '{{ build_state("model_watermarks") }}',
        '{{ build_state("touched_dates") }}', '{{ build_state("touched_files") }}',
        '{{ tojson(public_marts()) | replace("'", "''") }}',
        (select jsonb_object_agg(relation_name, code_hash) from {{ build_state("model_watermarks") }})
    );
    commit
{%- endmacro %}

{# What stands between this run and a publication, a line for a person each; empty when nothing does. #}
{% macro publication_obstacles(results) -%}
    {%- set obstacles = [] -%}
    {%- set done = [] -%}
    {%- set skipped = [] -%}
    {%- if is_empty_run() -%}
        {%- do obstacles.append('--empty built relations without rows. Build everything: dbt build --target prod') -%}
    {%- endif -%}
    {%- for result in results -%}
        {%- do done.append(result.node.unique_id) -%}
        {%- if result.status == 'skipped' -%}
            {%- do skipped.append(result.node.name) -%}
        {%- elif result.status not in ('success', 'pass', 'warn', 'no-op') -%}
            {%- set kind = result.node.resource_type -%}
            {%- set rows = ', ' ~ result.failures ~ ' rows' if kind == 'test' and result.failures else '' -%}
            {%- set command = 'dbt ' ~ ('test' if kind in ('test', 'unit_test') else 'build') ~ ' --target prod --select '
                ~ result.node.name ~ (' --store-failures' if kind == 'test' else '') -%}
            {%- do obstacles.append(
                result.status ~ rows ~ ': ' ~ kind ~ ' ' ~ result.node.name ~ ' in ' ~ result.node.original_file_path
                ~ (': ' ~ cause_of(result) if result.status == 'error' else '.')
                ~ (' Look closer: ' ~ command if kind != 'operation' else '')
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if skipped -%}
        {%- do obstacles.append(skipped | length ~ ' skipped because of it: ' ~ skipped[:5] | join(', ')) -%}
    {%- endif -%}
    {%- set left_out = [] -%}
    {%- for node in graph.nodes.values()
        if node.resource_type in ('model', 'seed', 'snapshot', 'test')
        and node.config.materialized != 'ephemeral' and node.unique_id not in done -%}
        {%- do left_out.append(node.name) -%}
    {%- endfor -%}
    {%- if left_out -%}
        {%- do obstacles.append(
            left_out | length ~ ' not in this run: ' ~ left_out[:5] | join(', ')
            ~ (', …' if left_out | length > 5 else '') ~ '. Build everything: dbt build --target prod'
        ) -%}
    {%- endif -%}
    {%- set changed = changed_files() if obstacles else [] -%}
    {%- if changed -%}
        {%- do obstacles.append(
            'Corrected, unloaded or repaired while this build ran: ' ~ changed[:5] | join(', ')
            ~ (', …' if changed | length > 5 else '') ~ '. The reconciliation fails on such a file. Build again: dbt build --target prod'
        ) -%}
    {%- endif -%}
    {{ return(obstacles) }}
{%- endmacro %}

{# The files that this build sees and whose rows are others since its last event. #}
{% macro changed_files() -%}
    {%- set rows = run_query(
        "select uri from ledger.changed_files('" ~ invocation_id ~ "', " ~ upper_event() ~ ") order by file_id"
    ).rows -%}
    {{ return(rows | map(attribute=0) | list) }}
{%- endmacro %}

{# The error itself, without the lines in which dbt says where it comes from. `Problem.cause` of the commands is the same. #}
{% macro cause_of(result) -%}
    {%- set of_server = (result.message or '').split('Database Error', 1) -%}
    {%- set lines = [] -%}
    {%- for line in of_server[-1].split('\n')[1:] if line | trim and not line.strip().startswith(('>', 'compiled code at')) -%}
        {%- do lines.append(line | trim)
            if of_server | length == 1 or loop.first or line.strip().startswith(('DETAIL:', 'HINT:')) -%}
    {%- endfor -%}
    {{ return(lines | join(' ') or (result.message or '').strip()) }}
{%- endmacro %}
