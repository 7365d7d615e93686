{# What of the model is due in this build, from the ledger. Looked up once, by the materialization, which keeps it in
   `model.build_window`: dbt makes the dictionary `model` anew for each model, so nothing outlives the materialization.
   `is_whole`: the relation is built from nothing, as it is new, was asked to, or its SQL, its contract or what it reads
   was changed. Otherwise `files` are those whose rows changed since the watermark, `after_event_id`, and `dates` the dates on
   which a row came or went in the relations it reads. `event_id` is the last event that this build sees: loader and streams may
   run meanwhile. `inactive_files` are those of
   `files` that are not active at it; of a relation that is built from nothing, `unseen` says which are not.
   A relation never gets ahead of the relations it reads. `sample`, in a build with --sample: what the relation has of it; such a
   relation is built from nothing whenever something is new. #}
{% macro look_up_window() -%}
    {%- do begin_replacing() -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set parents = ancestors(model) -%}
    {%- set names = [model.relation_name] -%}
    {%- for parent in parents.code + parents.followed if parent.relation_name -%}
        {%- do names.append(parent.relation_name) -%}
    {%- endfor -%}
    {%- set rows = run_query(
        "select upper_event_id, build_state.* from " ~ build_state('builds') ~ " as builds left join "
        ~ readable_build_state('model_watermarks', ['relation_name', 'code_hash', 'inputs_hash', 'rebuilt_by', 'written_by', 'event_id'])
        ~ " on relation_name in ('" ~ names | join("', '") ~ "') where invocation_id = '" ~ invocation_id ~ "'"
    ).rows -%}
    {%- set state = {} -%}
    {%- for row in rows if row.relation_name -%}
        {%- do state.update({row.relation_name: row}) -%}
    {%- endfor -%}
    {%- set inputs = [model.checksum.checksum, model.contract.checksum or ''] -%}
    {%- for parent in parents.code | sort(attribute='unique_id') if parent.relation_name in state -%}
        {%- do inputs.append(parent.unique_id ~ '=' ~ state[parent.relation_name].code_hash) -%}
    {%- endfor -%}
    {%- set reached = [rows[0].upper_event_id | int] -%}
    {%- set followed_names = [] -%}
    {%- for parent in parents.followed | sort(attribute='unique_id') if parent.relation_name in state -%}
        {#- a table with meta.rows_decide is made anew in each build, and whole again is what reads it when its rows change -#}
        {%- set decides = graph.nodes[parent.unique_id].config.meta.get('rows_decide') -%}
        {%- set changed_by = state[parent.relation_name]['written_by' if decides else 'rebuilt_by'] -%}
        {%- do inputs.append(parent.unique_id ~ '=' ~ (changed_by or '')) -%}
        {%- do reached.append(
            event_reached(parent.unique_id, (state[parent.relation_name].event_id or 0) | int, reached[0])
        ) -%}
        {%- do followed_names.append(parent.relation_name) -%}
    {%- endfor -%}
    {%- set sample = sample_of_model(parents) -%}
    {%- if sample -%}
        {%- do inputs.append('sample=' ~ sample ~ ' up to ' ~ reached | min) -%}
    {%- endif -%}
    {%- set own = state.get(model.relation_name) -%}
    {%- set window = {
        'event_id': reached | min, 'after_event_id': own.event_id if own else none, 'inputs_hash': local_md5(inputs | join('\n')),
        'files': [], 'dates': [], 'inactive_files': [], 'unseen': none, 'sample': sample
    } -%}
    {%- do window.update({
        'is_whole': should_full_refresh() or is_empty_run() or not existing or not own
        or not (existing.is_view if model.config.materialized == 'view_of_marts' else existing.is_table)
        or own.event_id is none or own.inputs_hash != window.inputs_hash or own.code_hash != code_hash()
    }) -%}
    {%- if not sample and not window.is_whole and own.event_id != window.event_id -%}
        {%- do window.update({'is_whole': has_events(feeds_read_whole(parents), own.event_id | int, window.event_id)}) -%}
    {%- endif -%}
    {%- if sample -%}
        {%- do window.update({'files': sample.files if window.is_whole else []}) -%}
    {%- elif not window.is_whole -%}
        {%- do window.update({'files': touched_files(own.event_id, window.event_id)}) -%}
        {%- if model.config.incremental_strategy in ('by_touched_date', 'by_touched_key', 'by_touched_member') -%}
            {%- do window.update({'dates': touched_dates(followed_names, own.event_id, window.event_id)}) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(window) }}
{%- endmacro %}

{# How far a relation that is read has come. A table that is made of certain feeds, such as a typed table, has come as far as the
   build if these have had no event since: the fact can be built without it. #}
{% macro event_reached(unique_id, event_id, upper_event_id) -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- set strategy = node.config.incremental_strategy -%}
    {%- if event_id >= upper_event_id or not (is_typed(node) or strategy in ('by_event_key', 'by_lookup_key')) -%}
        {{ return(event_id) }}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for feed in feeds() -%}
        {%- if feed.events and strategy == 'by_event_key' or is_typed(node) and feed.rows_model == unique_id
            or feed.lookup and strategy == 'by_lookup_key' and feed.rows_model in node.depends_on.nodes -%}
            {%- do names.append(feed.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(event_id if has_events(names, event_id, upper_event_id) else upper_event_id) }}
{%- endmacro %}

{# Whether feeds have an event after one event and up to another. #}
{% macro has_events(feed_names, after_event, up_to_event) -%}
    {%- if not feed_names or after_event == up_to_event -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query(
        "select 1 as found from " ~ source('ledger', 'file_events') ~ " where feed in ('" ~ feed_names | join("', '")
        ~ "') and event_id > " ~ after_event ~ " and event_id <= " ~ up_to_event ~ " limit 1"
    ).rows | length > 0) }}
{%- endmacro %}

{# Other commands fix no upper event and may run before the ledger exists: they see the SQL of a full build. #}
{% macro is_build() -%}
    {{ return(flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot', 'retry')) }}
{%- endmacro %}

{% macro is_empty_run() -%}
    {{ return(invocation_args_dict.get('empty', false) or false) }}
{%- endmacro %}

{% macro upper_event() -%}
    {%- if not execute or not is_build() -%}
        {{ return(0) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select upper_event_id from " ~ build_state('builds') ~ " where invocation_id = '" ~ invocation_id ~ "'"
    ).rows -%}
    {{ return(rows[0][0] | int if rows else 0) }}
{%- endmacro %}

{# Files whose rows changed, or got another outcome by an event in another file, after one event and up to another. #}
{% macro touched_files(after_event, up_to_event) -%}
    {%- if after_event == up_to_event -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select file_id from " ~ source('ledger', 'file_events')
        ~ " where kind in ('activated', 'deactivated', 'replayed') and event_id > " ~ after_event
        ~ " and event_id <= " ~ up_to_event ~ " union select file_id from "
        ~ readable_build_state('touched_files', ['event_id', 'file_id']) ~ " where event_id > " ~ after_event
        ~ " and event_id <= " ~ up_to_event ~ " order by file_id"
    ).rows -%}
    {{ return(rows | map(attribute=0) | map('int') | list) }}
{%- endmacro %}

{# Those of the files that are not active at an event: their rows went, or are held. By the events up to that one alone: a file
   that is restored meanwhile has rows again at any moment. #}
{% macro inactive_files(files, event_id) -%}
    {%- if not files -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(active_files(event_id, files)).rows -%}
    {{ return(files | reject('in', rows | map(attribute=0) | map('int') | list) | list) }}
{%- endmacro %}

{# The files that are not active at an event, for relations that are built from nothing: `last` is the last active one, and
   `ids` and `ranges` are those before it. Rows of any other file may come between this statement and the one that reads
   the raw table: of files that are loaded, accepted or restored meanwhile, and of segments of topics, which have rows
   before they have an event. So files are not left out because of what the ledger says of them now. #}
{% macro unseen_files(event_id) -%}
    {%- set rows = run_query(
        "with active as (" ~ active_files(event_id) ~ "),"
        ~ " steps as (select file_id, lag(file_id, 1, cast(0 as bigint)) over (order by file_id) as file_id_before from active)"
        ~ " select file_id_before + 1 as first_id, file_id - 1 as last_id from steps where file_id > file_id_before + 1"
        ~ " union all select null, max(file_id) from active order by first_id"
    ).rows -%}
    {%- set unseen = {'last': 0, 'ids': [], 'ranges': []} -%}
    {%- for row in rows -%}
        {%- if row.first_id is none -%}
            {%- do unseen.update({'last': (row.last_id or 0) | int}) -%}
        {%- elif row.last_id - row.first_id >= 32 -%}
            {%- do unseen.ranges.append((row.first_id | int, row.last_id | int)) -%}
        {%- else -%}
            {%- do unseen.ids.extend(range(row.first_id | int, row.last_id | int + 1)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(unseen) }}
{%- endmacro %}

{# Dates on which a line came or went in one of the relations, after one event and up to another. #}
{% macro touched_dates(relation_names, after_event, up_to_event) -%}
    {%- if not relation_names or after_event == up_to_event -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select distinct touched_date from "
        ~ readable_build_state('touched_dates', ['relation_name', 'event_id', 'touched_date'])
        ~ " where relation_name in ('" ~ relation_names | join("', '") ~ "') and event_id > " ~ after_event
        ~ " and event_id <= " ~ up_to_event ~ " order by touched_date"
    ).rows -%}
    {{ return(rows | map(attribute=0) | map('string') | list) }}
{%- endmacro %}
