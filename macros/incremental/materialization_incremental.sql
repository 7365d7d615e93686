{# dbt's own materialization, but for a relation that follows the ledger and has nothing due: dbt would make an empty table of
   the model's query, compare columns, and insert nothing: an eighth of what a build with nothing new costs. #}
{% materialization incremental, default %}
    {%- set there = load_cached_relation(this) -%}
    {%- if there is not none and there.is_table and follows_ledger(model) and not should_full_refresh() -%}
        {%- set window = build_window(model) -%}
        {%- if not (window.dates if model.config.incremental_strategy.startswith('by_touched') else window.files) -%}
            {%- do check_code_is_known(window) -%}
            {%- set target_relation = this.incorporate(type='table') -%}
            {{ run_hooks(pre_hooks, inside_transaction=False) }}
            {{ run_hooks(pre_hooks, inside_transaction=True) }}
            {% call statement('main') %}select 1 as nothing_new where false{% endcall %}
            {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(there, false)) -%}
            {%- do persist_docs(target_relation, model) -%}
            {{ run_hooks(post_hooks, inside_transaction=True) }}
            {%- do adapter.commit() -%}
            {{ run_hooks(post_hooks, inside_transaction=False) }}
            {{ return({'relations': [target_relation]}) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(dbt.materialization_incremental_default()) }}
{% endmaterialization %}

{# dbt's own macro of that name. The columns of a relation that follows the ledger is its contract's, and another contract
   has it built from nothing. #}
{% macro process_schema_changes(on_schema_change, source_relation, target_relation) -%}
    {%- if follows_ledger(model) -%}
        {{ return({}) }}
    {%- endif -%}
    {{ return(dbt.process_schema_changes(on_schema_change, source_relation, target_relation)) }}
{%- endmacro %}
