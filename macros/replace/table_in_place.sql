{# A table of which a build replaces the rows that differ, and nothing else: views of others on it, their rights and its own
   stay. dbt's `table` makes a new table and drops the old one with everything that depends on it. #}
{% materialization table_in_place, default %}
    {{ return(replace_table()) }}
{% endmaterialization %}

{# Build the table of this model from nothing; the result of a materialization. #}
{% macro replace_table() -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set relations = {'target': this.incorporate(type='table'), 'made': beside(this)} -%}
    {%- do run_query('drop table if exists ' ~ relations.made) -%}
    {%- do run_query(write_empty_table(relations.made, context.sql)) -%}
    {%- do relations.update({'columns': read_column_list(relations.made)}) -%}
    {%- set difference = find_difference(relations.target, relations.made) -%}
    {%- do relations.update({'filled': fill_beside(relations, difference)}) -%}
    {% call statement('main') %}
        insert into {{ relations.filled }} ({{ relations.columns }})
        select {{ relations.columns }} from (
            {{ context.sql }}
        ) as model_rows
    {% endcall %}
    {%- do put_in_place(relations, difference) -%}
    {{ return(finish(relations.target)) }}
{%- endmacro %}

{# A table beside the relation, seen by no other session: it is dropped or renamed in the transaction that makes it. #}
{% macro beside(relation) -%}
    {{ return(make_intermediate_relation(relation).incorporate(type='table')) }}
{%- endmacro %}

{% macro write_empty_table(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
        create table {{ relation }} {{ get_table_columns_and_constraints() }}
    {%- else -%}
        create table {{ relation }} as {{ get_empty_subquery_sql(sql) }}
    {%- endif -%}
{%- endmacro %}

{# Where the new rows go first: to a temporary table when those that differ are copied from it, else to the table beside. #}
{% macro fill_beside(relations, difference) -%}
    {#- before the rows are computed -#}
    {%- do relations.update({'way': choose_way(relations, difference)}) -%}
    {%- if relations.way == 'swap' -%}
        {{ return(relations.made) }}
    {%- endif -%}
    {%- do create_indexes(relations.made) -%}
    {%- do relations.update({'new_indexes': find_indexes_only_on(relations.made, relations.target)}) -%}
    {%- set rows = make_temp_relation(relations.target) -%}
    {%- do run_query(
        'create temporary table ' ~ rows ~ ' (like ' ~ relations.made ~ '); drop table ' ~ relations.made
    ) -%}
    {{ return(rows) }}
{%- endmacro %}

{# `rows`: replace those that differ. `swap`: the new table takes the place of the old one; readers wait for a moment.
   `columns`: add the new columns and replace all rows, where views cannot be made again that are not in the way of that;
   readers of this table wait for the rows. #}
{% macro choose_way(relations, difference) -%}
    {%- if difference.is_same_table -%}
        {{ return('swap' if difference.is_large_and_alone else 'rows') }}
    {%- elif difference.keeps_table and describe_lost(find_lost(read_dependents(relations))) -%}
        {{ return('columns') }}
    {%- endif -%}
    {%- do refuse_to_drop(relations, difference) -%}
    {{ return('swap') }}
{%- endmacro %}

{# Bring the table to its new rows; `filled` has them. #}
{% macro put_in_place(relations, difference) -%}
    {%- if relations.way == 'rows' -%}
        {%- do replace_rows(relations) -%}
    {%- elif relations.way == 'columns' -%}
        {%- set alter = 'alter table ' ~ relations.target ~ ' ' -%}
        {%- do when_free(alter ~ difference.added ~ ';', relations.target, [difference.oid]) -%}
        {%- do replace_rows(relations) -%}
        {%- do run_query(alter ~ difference.added_not_null) if difference.added_not_null -%}
    {%- else -%}
        {#- before the swap, while no reader waits -#}
        {%- do create_indexes(relations.made) -%}
        {%- do create_on(relations.made, find_indexes_only_on(relations.target, relations.made)) if difference.is_same_table -%}
        {%- do run_query('analyze ' ~ relations.made) -%}
        {%- set rename = 'alter table ' ~ relations.made ~ ' rename to ' ~ adapter.quote(relations.target.identifier) -%}
        {%- do swap_relation(relations, difference, rename) -%}
    {%- endif -%}
    {%- do create_on(relations.target, relations.new_indexes or []) -%}
    {%- do model.update({'is_analyzed': true}) -%}
{%- endmacro %}

{# An index of the table that the model does not list stays: it may be somebody's. #}
{% macro find_indexes_only_on(relation, other) -%}
    {{ return(run_query(write_index_definitions(relation) ~ ' except ' ~ write_index_definitions(other)).rows) }}
{%- endmacro %}

{% macro create_on(relation, definitions) -%}
    {%- for definition in definitions -%}
        {%- do run_query(definition[0] | replace(' ON ', ' ON ' ~ relation ~ ' ', 1)) -%}
    {%- endfor -%}
{%- endmacro %}

{# The indexes of a table without their names and that of the table. #}
{% macro write_index_definitions(relation) -%}
    select 'CREATE' || case when indisunique then ' UNIQUE' else '' end || ' INDEX ON '
        || substring(pg_get_indexdef(indexrelid) from ' (USING .*)')
    from pg_index where indrelid = to_regclass('{{ relation }}') and not indisprimary
{%- endmacro %}
