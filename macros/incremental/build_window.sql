{# What of a relation is due in this build, from the ledger. `is_whole`: the relation is to be built from nothing, as it is
   new, was asked to, or its SQL, its contract or what it reads was changed. Else `files` are those whose rows changed
   since the watermark, and `dates` what they touched. `late_files` became active after the build's upper event.
   A relation never gets ahead of the relations it reads.
   Looked up once for each relation, in front of its statement: macros ask for it a dozen times, and get one answer. #}
{% macro build_window(node) -%}
    {%- if not execute or not is_build() -%}
        {{ return({'is_whole': true, 'event_id': 0, 'files': [], 'dates': [], 'late_files': []}) }}
    {%- endif -%}
    {%- set windows = remembered('windows') -%}
    {%- if node.unique_id not in windows -%}
        {%- do windows.update({node.unique_id: look_up_window(node)}) -%}
    {%- endif -%}
    {{ return(windows[node.unique_id]) }}
{%- endmacro %}

{# What this run keeps below a name, an empty mapping at first. dbt gives every model the same graph, and nothing else that
   lasts from one to the next. #}
{% macro remembered(name) -%}
    {{ return(graph.setdefault('remembered', {}).setdefault((invocation_id, name), {})) }}
{%- endmacro %}

{% macro look_up_window(node) -%}
    {%- set window = {'is_whole': true, 'watermark': none, 'files': [], 'dates': [], 'code_hash': none} -%}
    {%- set parents = ancestors(node) -%}
    {%- set names = {node.relation_name: none} -%}
    {%- for parent in parents.code + parents.followed if parent.relation_name -%}
        {%- do names.update({parent.relation_name: none}) -%}
    {%- endfor -%}
    {%- set state = {} -%}
    {%- for row in run_query(
        "select * from " ~ readable_books('model_watermarks', [
            'relation_name', 'code_hash', 'inputs_hash', 'rebuilt_by', 'event_id'
        ])
        ~ " where relation_name in ('" ~ names | join("', '") ~ "')"
    ).rows -%}
        {%- do state.update({row[0]: row}) -%}
    {%- endfor -%}
    {%- set inputs = [node.checksum.checksum, node.contract.checksum or ''] -%}
    {%- for parent in parents.code | sort(attribute='unique_id') if parent.relation_name in state -%}
        {%- do inputs.append(parent.unique_id ~ '=' ~ state[parent.relation_name][1]) -%}
    {%- endfor -%}
    {%- set reached = [upper_event()] -%}
    {%- set followed_names = [] -%}
    {%- for parent in parents.followed | sort(attribute='unique_id') if parent.relation_name in state -%}
        {%- do inputs.append(parent.unique_id ~ '=' ~ (state[parent.relation_name][3] or '')) -%}
        {%- do reached.append((state[parent.relation_name][4] or 0) | int) -%}
        {%- do followed_names.append(parent.relation_name) -%}
    {%- endfor -%}
    {%- do window.update({'event_id': reached | min, 'inputs_hash': local_md5(inputs | join('\n'))}) -%}
    {%- set own = state[node.relation_name] if node.relation_name in state else none -%}
    {%- if own -%}
        {%- do window.update({
            'is_whole': own[4] is none or own[2] != window.inputs_hash,
            'watermark': own[4], 'code_hash': own[1],
        }) -%}
    {%- endif -%}
    {%- if not window.is_whole -%}
        {%- do window.update({
            'files': touched_files(window.watermark, window.event_id),
            'dates': touched_dates(followed_names, window.watermark, window.event_id)
            if node.config.incremental_strategy in ('by_touched_date', 'by_touched_key') else [],
        }) -%}
    {%- endif -%}
    {%- do window.update({'late_files': late_files(window.event_id)}) -%}
    {{ return(window) }}
{%- endmacro %}

{# Other commands fix no upper event and may run before the ledger is there: they see the SQL of a full build. #}
{% macro is_build() -%}
    {{ return(flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot', 'retry')) }}
{%- endmacro %}

{% macro upper_event() -%}
    {%- if not execute or not is_build() -%}
        {{ return(0) }}
    {%- endif -%}
    {%- set found = remembered('upper_event') -%}
    {%- if not found -%}
        {%- for row in run_query(
            "select upper_event_id from " ~ ledger_books('builds') ~ " where invocation_id = '" ~ invocation_id ~ "'"
        ).rows -%}
            {%- do found.update({'event_id': row[0] | int}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found.get('event_id', 0)) }}
{%- endmacro %}

{% macro touched_files(after_event, up_to_event) -%}
    {%- if after_event == up_to_event -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select distinct file_id from " ~ source('ledger', 'file_events')
        ~ " where kind in ('activated', 'deactivated', 'replayed') and event_id > " ~ after_event
        ~ " and event_id <= " ~ up_to_event ~ " order by file_id"
    ).rows -%}
    {{ return(rows | map(attribute=0) | map('int') | list) }}
{%- endmacro %}

{# Files whose rows are in raw tables now, but were not after the event: the loader may be at work during a build. #}
{% macro late_files(event_id) -%}
    {%- set rows = run_query(
        "select file_id from " ~ source('ledger', 'file_events')
        ~ " where kind in ('activated', 'deactivated') and file_id in (select file_id from "
        ~ source('ledger', 'file_events') ~ " where kind = 'activated' and event_id > " ~ event_id ~ ")"
        ~ " group by file_id having coalesce(max(case when kind = 'activated' and event_id <= " ~ event_id
        ~ " then event_id end), 0) <= coalesce(max(case when kind = 'deactivated' and event_id <= " ~ event_id
        ~ " then event_id end), 0) order by file_id"
    ).rows -%}
    {{ return(rows | map(attribute=0) | map('int') | list) }}
{%- endmacro %}

{% macro touched_dates(relation_names, after_event, up_to_event) -%}
    {%- if not relation_names or after_event == up_to_event -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select distinct touched_date from "
        ~ readable_books('touched_dates', ['relation_name', 'event_id', 'touched_date'])
        ~ " where relation_name in ('" ~ relation_names | join("', '") ~ "') and event_id > " ~ after_event
        ~ " and event_id <= " ~ up_to_event ~ " order by touched_date"
    ).rows -%}
    {{ return(rows | map(attribute=0) | map('string') | list) }}
{%- endmacro %}
