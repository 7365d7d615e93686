{# Post-hook of every model and seed, in the transaction of its rows: what code it was built from and, where it follows
   the ledger, how far. #}
{% macro record_build() -%}
    {%- if not execute or not model.relation_name -%}
        {{ return('') }}
    {%- endif -%}
    {%- set follows = model.resource_type == 'model' and follows_ledger(model) -%}
    {%- set window = build_window(model) if follows else none -%}
    {%- set is_built_whole = not follows or not is_incremental() -%}
    {%- set event_id = window.event_id if follows and not is_empty_run() else 'null' %}
    insert into {{ ledger_books('model_watermarks') }}
        (relation_name, code_hash, inputs_hash, rebuilt_by, built_by, built_at, event_id)
    values (
        '{{ model.relation_name }}', '{{ code_hash() }}', '{{ window.inputs_hash if follows else "" }}',
        '{{ invocation_id }}', '{{ invocation_id }}', current_timestamp, {{ event_id }}
    )
    on conflict (relation_name) do update set
        code_hash = excluded.code_hash,
        inputs_hash = excluded.inputs_hash,
        {%- if is_built_whole %}
        rebuilt_by = excluded.rebuilt_by,
        tested_event_id = null,
        {%- endif %}
        built_by = excluded.built_by,
        built_at = excluded.built_at,
        event_id = excluded.event_id
    {%- if model.config.materialized in ('table', 'incremental') and (is_built_whole or window.files) -%}
    {#- autovacuum comes by within a minute, and the models that read this one are built before: without it the planner
        expects one row for a day it has not seen #}
    ;
    analyze {{ this }}
    {%- endif %}
{%- endmacro %}

{# Of the SQL as it ran, macros and vars filled in, without what says which files are new. #}
{% macro code_hash() -%}
    {%- if model.resource_type == 'seed' -%}
        {{ return(model.checksum.checksum) }}
    {%- endif -%}
    {{ return(local_md5(modules.re.sub('/[*]new[*]/.*?/[*]new[*]/', '', model.compiled_code or ''))) }}
{%- endmacro %}

{# A model with is_incremental() in it has two texts that cannot be compared. #}
{% macro check_code_is_known(window) -%}
    {%- if window.code_hash != code_hash() and 'is_incremental(' not in model.raw_code -%}
        {{ exceptions.raise_compiler_error(
            'A macro or variable that ' ~ model.name ~ ' uses was changed, so the rows it has were made by other SQL. '
            ~ 'Build it from nothing: dbt build --full-refresh --select ' ~ model.name ~ '+'
        ) }}
    {%- endif -%}
{%- endmacro %}
