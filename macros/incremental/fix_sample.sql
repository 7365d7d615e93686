{# On-run-start, after open_build. With dbt's option --sample the days and files that this build reads are fixed once: the days of
   the window in which prod has a line, for a source without one its newest days before; the files with a line or a period on
   these days, for a feed without one its newest file, of a lookup all files. dbt's own filter of ref() has no part in it: it knows no files. #}
{% macro fix_sample() -%}
    {%- if not execute or target.name == 'prod' or not keeps_build_state() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set window = invocation_args_dict.get('sample') -%}
    {{ begin_transaction() }}
    create table if not exists {{ build_state('samples') }} (
        invocation_id {{ text_type() }} primary key,
        days {{ text_type() }} not null,
        files {{ text_type() }} not null
    );
    create table if not exists {{ build_state('sampled_relations') }} (
        relation_name {{ text_type() }} primary key,
        invocation_id {{ text_type() }} not null
    );
    {%- if window %}
    {%- set figures = figures_of_prod() %}
    {%- set periods = sampled_periods(figures, window) %}
    {%- set days = [] %}
    {%- for first, last in periods %}
        {%- do days.append(first ~ ' to ' ~ last) %}
    {%- endfor %}
    {%- set files = run_query(sampled_files(figures, periods)).rows | map(attribute=0) | map('int') | join(', ') %}
    insert into {{ build_state('samples') }} (invocation_id, days, files)
    values ('{{ invocation_id }}', '{{ days | join("; ") }}', '{{ files }}');
    {%- endif %}
    commit
{%- endmacro %}

{# The relation of prod that knows the days of each file. #}
{% macro figures_of_prod() -%}
    {%- for node in graph.nodes.values() if is_deferring() and node.name == 'fact_figures' and node.defer_relation -%}
        {{ return(node.defer_relation.relation_name) }}
    {%- endfor -%}
    {{ exceptions.raise_compiler_error(
        'A sample reads the days of each file from audit.fact_figures of prod, and this run does not read from prod. Nothing was'
        ~ ' built. Use: make dev SAMPLE=30, or --defer --favor-state --state '
        ~ (env_var('WAREHOUSE_HOME', '') or '.warehouse') ~ '/state'
    ) }}
{%- endmacro %}

{# The days of the window, both ends included, and of each source without a line in them as many up to its newest day before. #}
{% macro sampled_periods(figures, window) -%}
    {%- set day = modules.datetime.timedelta(days=1) -%}
    {%- set last = (window.end - modules.datetime.timedelta(microseconds=1)).date() -%}
    {#- rounded up to whole days, the first one included -#}
    {%- set back = day * (((window.end - window.start).total_seconds() / 86400) | round(0, 'ceil') | int - 1) -%}
    {%- set periods = [] -%}
    {%- for row in run_query(
        "select max(order_date) from " ~ figures ~ " where order_date <= cast('" ~ last ~ "' as date) group by source_system"
    ).rows -%}
        {%- set end = last if row[0] >= last - back else row[0] -%}
        {%- do periods.append([end - back, end]) -%}
    {%- endfor -%}
    {{ return(merged_periods([], periods)) }}
{%- endmacro %}

{% macro sampled_files(figures, periods) -%}
    with active as ({{ active_files() }}),
    dated as (
        select _file_id as file_id from {{ figures }} where {{ in_periods('order_date', periods) }}
        union
        select file_id from {{ source('ledger', 'files') }}
        where {{ in_periods('period_start_date', periods, 'period_end_date') }}
    )
    select file_id from active where file_id in (select file_id from dated)
    union
    {%- for feed in feeds() if feed.is_lookup %}
    {#- lines of these days take values of any file #}
    select file_id from {{ source('ledger', 'files') }}
    where feed = '{{ feed.name }}' and file_id in (select file_id from active)
    union
    {%- endfor %}
    select max(file_id) from {{ source('ledger', 'files') }}
    where file_id in (select file_id from active)
    group by feed
    having count(case when file_id in (select file_id from dated) then 1 end) = 0
    order by file_id
{%- endmacro %}

{# What a build with --sample reads: its days as a text and as periods, its files; none without the option. #}
{% macro sample_of_build() -%}
    {%- if not execute or target.name == 'prod' or not is_build() or not invocation_args_dict.get('sample') -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(read_sample(run_query(
        "select days, files from " ~ build_state('samples') ~ " where invocation_id = '" ~ invocation_id ~ "'"
    ).rows[0])) }}
{%- endmacro %}

{% macro read_sample(row) -%}
    {%- set sample = {'days': row.days, 'periods': [], 'files': []} -%}
    {%- for period in row.days.split('; ') if period -%}
        {%- do sample.periods.append(period.split(' to ')) -%}
    {%- endfor -%}
    {%- for file_id in row.files.split(', ') if file_id -%}
        {%- do sample.files.append(file_id | int) -%}
    {%- endfor -%}
    {{ return(sample) }}
{%- endmacro %}
