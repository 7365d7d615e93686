{# Post-hook of every model and seed, in the transaction of its rows: the digest of its code and, where it follows the
   ledger, the last event that it has seen. #}
{% macro record_build() -%}
    {%- if not execute or not model.relation_name or not keeps_build_state() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set window = model.build_window or {'is_whole': true, 'event_id': none, 'inputs_hash': '', 'files': []} -%}
    insert into {{ build_state('model_watermarks') }}
        (relation_name, code_hash, inputs_hash, rebuilt_by, built_by, written_by, built_at, event_id)
    values (
        '{{ model.relation_name }}', '{{ code_hash() }}', '{{ window.inputs_hash }}', '{{ invocation_id }}',
        '{{ invocation_id }}', '{{ invocation_id }}', current_timestamp, {{ 'null' if window.event_id is none or is_empty_run() else window.event_id }}
    )
    on conflict (relation_name) do update set
        code_hash = excluded.code_hash,
        inputs_hash = excluded.inputs_hash,
        {%- if window.is_whole %}
        rebuilt_by = excluded.rebuilt_by,
        tested_event_id = null,
        {%- endif %}
        built_by = excluded.built_by,
        {#- the builds of the version before did not record it #}
        written_by = {{ 'coalesce(model_watermarks.written_by, excluded.written_by)' if model.is_unwritten else 'excluded.written_by' }},
        built_at = excluded.built_at,
        event_id = excluded.event_id
    {%- if target.name != 'prod' and window.is_whole %}
    ;
    delete from {{ build_state('sampled_relations') }} where relation_name = '{{ model.relation_name }}'
    {%- if window.sample %}
    ;
    insert into {{ build_state('sampled_relations') }} (relation_name, invocation_id)
    values ('{{ model.relation_name }}', '{{ invocation_id }}')
    {%- endif %}
    {%- endif %}
    {%- if model.config.materialized in ('table', 'incremental', 'incremental_by_ledger')
        and (window.is_whole or window.files) and not model.is_analyzed -%}
    {#- autovacuum may run only after the models that read this one; without statistics the planner expects one row for
        a day that it has not seen #}
    ;
    analyze {{ this }}
    {%- endif %}
{%- endmacro %}

{# Digest of the SQL with macros and variables filled in. dbt compiles the SQL of a build from nothing, which is the
   same in every build until the code changes. #}
{% macro code_hash() -%}
    {{ return(model.checksum.checksum if model.resource_type == 'seed' else local_md5(model.compiled_code or '')) }}
{%- endmacro %}
