{# A table of which a build deletes and inserts the rows that changed according to the ledger. The macro of its
   `incremental_strategy` does it: by_file, by_event_key, by_touched_date, by_touched_key or by_touched_member. The SQL that dbt
   compiled is that of a build from nothing; its digest shows whether the code was changed. The SQL of the rows that are due is
   rendered here, because only_new_files, only_touched_dates and the others need the window. #}
{% materialization incremental_by_ledger, default %}
    {%- set window = look_up_window() -%}
    {%- do model.update({'build_window': window}) -%}
    {%- set by_file = is_by_file(model) -%}
    {%- if not (window.is_whole or (window.files if by_file else window.dates)) -%}
        {{ return(leave_alone()) }}
    {%- endif -%}
    {%- if by_file and window.is_whole and not window.sample -%}
        {%- do window.update({'unseen': unseen_files(window.event_id)}) -%}
    {%- elif by_file -%}
        {%- do window.update({'inactive_files': inactive_files(window.files, window.event_id)}) -%}
    {%- endif -%}
    {%- if not window.is_whole or window.unseen or window.sample -%}
        {%- do context.update({'sql': render(model.raw_code)}) -%}
    {%- endif -%}
    {%- if window.is_whole -%}
        {{ return(replace_table()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set temp_relation = make_temp_relation(target_relation) -%}
    {%- set strategy = adapter.get_incremental_strategy_macro(context, config.get('incremental_strategy')) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- do run_query(get_create_table_as_sql(True, temp_relation, context.sql)) -%}
    {%- do lock_for_writing(target_relation) -%}
    {% call statement('main') %}
        {{ strategy({
            'target_relation': target_relation,
            'temp_relation': temp_relation,
            'dest_columns': adapter.get_columns_in_relation(target_relation),
        }) }}
    {% endcall %}
    {{ return(finish(target_relation)) }}
{% endmaterialization %}

{# A table that is rebuilt when something is new: an event of the ledger, or a change of the model or of what it reads.
   #}
{% materialization table_when_new, default %}
    {%- set window = look_up_window() -%}
    {%- do window.update({'is_whole': window.is_whole or window.files | length > 0}) -%}
    {%- do model.update({'build_window': window}) -%}
    {%- if window.sample -%}
        {%- do context.update({'sql': render(model.raw_code)}) -%}
    {%- endif -%}
    {{ return(replace_table() if window.is_whole else leave_alone()) }}
{% endmaterialization %}

{# Nothing is due: run the hooks, set grants and descriptions. #}
{% macro leave_alone() -%}
    {%- do model.update({'is_unwritten': true}) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}select 1 as nothing_new where false{% endcall %}
    {{ return(finish(this.incorporate(type='table'))) }}
{%- endmacro %}

{% macro finish(target_relation) -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(target_relation, false)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmacro %}
