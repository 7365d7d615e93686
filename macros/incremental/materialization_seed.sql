{# Overrides dbt's materialization, because dbt allows no other name for that of a seed. A seed whose file has not
   changed is left alone: dbt would load every row again. `dbt seed --full-refresh` loads it anyway. #}
{% materialization seed, default %}
    {%- set there = adapter.get_relation(database=this.database, schema=this.schema, identifier=this.identifier) -%}
    {%- if not should_full_refresh() and there is not none and there.is_table -%}
        {%- set rows = run_query(
            "select code_hash from " ~ build_state('model_watermarks')
            ~ " where relation_name = '" ~ model.relation_name ~ "'"
        ).rows -%}
        {%- if rows and rows[0][0] == code_hash() -%}
            {#- to read the file takes most of the time that is saved; only `dbt seed --show` needs its rows #}
            {%- set shown = load_agate_table() if invocation_args_dict.get('show') else none -%}
            {%- do store_result('agate_table', response='OK', agate_table=shown) -%}
            {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED') %}{% endcall %}
            {{ return({'relations': [there]}) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(replace_seed()) }}
{% endmaterialization %}

{# dbt would empty the table, which readers wait for, or drop it with all that depends on it. #}
{% macro replace_seed() -%}
    {%- set loaded = load_agate_table() -%}
    {%- do store_result('agate_table', response='OK', agate_table=loaded) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set relations = {'target': this.incorporate(type='table'), 'made': beside(this)} -%}
    {%- do run_query('drop table if exists ' ~ relations.made) -%}
    {#- the macros of dbt write to `this` -#}
    {%- do context.update({'this': relations.made}) -%}
    {%- do create_csv_table(model, loaded) -%}
    {%- do relations.update({'columns': read_column_list(relations.made)}) -%}
    {%- set difference = find_difference(relations.target, relations.made) -%}
    {%- do relations.update({'filled': fill_beside(relations, difference)}) -%}
    {%- do context.update({'this': relations.filled}) -%}
    {%- do load_csv_rows(model, loaded) if loaded.rows -%}
    {%- do context.update({'this': relations.target}) -%}
    {%- do put_in_place(relations, difference) -%}
    {%- set count = loaded.rows | length -%}
    {% call noop_statement('main', 'INSERT ' ~ count, 'INSERT', count) %}{% endcall %}
    {{ return(finish(relations.target)) }}
{%- endmacro %}
