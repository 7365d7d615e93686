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
    {%- do run_query('drop table ' ~ relations.made) -%}
    {%- if relations.way == 'columns' and difference.added -%}
        {#- in a transaction of its own: readers would wait for this lock until all rows are replaced -#}
        {%- do when_free('alter table ' ~ relations.target ~ ' ' ~ difference.added ~ ';', relations.target, [difference.oid]) -%}
        {%- do begin_replacing() -%}
    {%- endif -%}
    {%- set rows = make_temp_relation(relations.target) -%}
    {%- do run_query('create temporary table ' ~ rows ~ ' (like ' ~ relations.target ~ ')') -%}
    {{ return(rows) }}
{%- endmacro %}

{# `rows`: replace those that differ. `swap`: the new table takes the place of the old one; readers wait for a moment.
   `columns`: add the new columns and replace all rows, where views cannot be made again, or something goes with the table, that is
   not in the way of that; until the rows are there, readers see NULL in these columns. #}
{% macro choose_way(relations, difference) -%}
    {%- if difference.is_same_table -%}
        {{ return('swap' if difference.is_large_and_alone else 'rows') }}
    {%- elif difference.keeps_table and describe_losses(relations) -%}
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
        {%- do replace_rows(relations) -%}
        {%- if difference.set_not_null -%}
            {%- do when_free(
                'alter table ' ~ relations.target ~ ' ' ~ difference.set_not_null ~ ';', relations.target, [difference.oid]
            ) -%}
        {%- endif -%}
    {%- elif difference.is_same_table and has_same_rows(relations) -%}
        {%- do run_query('drop table ' ~ relations.made) -%}
        {%- do model.update({'is_unwritten': true}) -%}
    {%- else -%}
        {#- before the swap, while no reader waits -#}
        {%- do create_indexes(relations.made) -%}
        {%- do create_on(relations.made, find_indexes_only_on(relations.target, relations.made, relations.columns)) -%}
        {%- do run_query('analyze ' ~ relations.made) -%}
        {%- set rename = 'alter table ' ~ relations.made ~ ' rename to ' ~ adapter.quote(relations.target.identifier) -%}
        {%- do swap_relation(relations, difference, rename) -%}
    {%- endif -%}
    {%- do create_on(relations.target, relations.new_indexes or []) -%}
    {%- do model.update({'is_analyzed': true}) -%}
{%- endmacro %}

{# Whether both tables have the same rows, by their number and two sums of hashes of 64 bits. #}
{% macro has_same_rows(relations) -%}
    {%- set sums = [] -%}
    {%- for table in (relations.target, relations.made) -%}
        {%- do sums.append(
            'select count(*), sum(hash_record_extended(cast(table_rows as record), 1)), '
            ~ 'sum(hash_record_extended(cast(table_rows as record), 2)) '
            ~ 'from (select ' ~ relations.columns ~ ' from ' ~ table ~ ') as table_rows'
        ) -%}
    {%- endfor -%}
    {{ return(not run_query(sums | join(' except ')).rows) }}
{%- endmacro %}

{# An index of the table that the model does not list stays where its columns do: it may be somebody's. #}
{% macro find_indexes_only_on(relation, other, columns=none) -%}
    {%- set definitions = write_index_definitions(relation) ~ (' and not ' ~ reads_gone_column(columns) if columns else '') -%}
    {{ return(run_query(definitions ~ ' except ' ~ write_index_definitions(other)).rows) }}
{%- endmacro %}

{# The indexes of others, which dbt did not name, on a column that the new table lacks. #}
{% macro indexes_in_the_way(relations) -%}
    {{ return(run_query(
        "select format('index %s', cast(indexrelid as regclass)) from pg_index inner join pg_class on pg_class.oid = indexrelid "
        ~ "where indrelid = to_regclass('" ~ relations.target ~ "') and relname !~ '^[0-9a-f]{32}$' and not exists ("
        ~ 'select from pg_constraint where conindid = indexrelid) and ' ~ reads_gone_column(relations.columns) ~ ' order by 1'
    ).rows | map(attribute=0) | list) }}
{%- endmacro %}

{% macro reads_gone_column(columns) -%}
    exists (
        select from pg_depend inner join pg_attribute on attrelid = refobjid and attnum = refobjsubid
        where classid = 'pg_class'::regclass and objid = indexrelid and refobjid = indrelid and refobjsubid > 0
            and quote_ident(attname) <> all({{ as_array(columns) }})
    )
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
