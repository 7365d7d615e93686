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
    insert into ledger.green_builds (invocation_id, upper_event_id, watermarks, touched_dates, marts)
    values (
        '{{ invocation_id }}', {{ upper_event() }}, '{{ build_state("model_watermarks") }}',
        '{{ build_state("touched_dates") }}', '{{ tojson(public_marts()) | replace("'", "''") }}'
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
            {%- set rows = ', ' ~ result.failures ~ ' rows' if result.failures else '' -%}
            {%- set is_test = result.node.resource_type == 'test' -%}
            {%- do obstacles.append(
                result.status ~ rows ~ ': ' ~ result.node.resource_type ~ ' ' ~ result.node.name
                ~ ' in ' ~ result.node.original_file_path ~ '. Look closer: dbt '
                ~ ('test' if is_test else 'build') ~ ' --target prod --select ' ~ result.node.name
                ~ (' --store-failures' if is_test else '')
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
    {{ return(obstacles) }}
{%- endmacro %}
