{# How a relation differs from `made`, as which it shall be: one row, with NULL for `oid` when there is no relation yet.
   is_same_table: rows can be replaced; the order of columns is that of their first build. keeps_table: the columns of `added` are
   new, and no more. is_large_and_alone: to compare all rows would take several times as long as to make a new table, and nothing
   depends on the old one. keeps_columns: the view can be replaced, new columns at its end are allowed. #}
{% macro find_difference(target, made) -%}
    {%- set query -%}
        with shapes as (
            select
                pg_class.oid,
                pg_class.relkind,
                array(
                    select format('%I %s%s', attname, format_type(atttypid, atttypmod), case when attnotnull then ' not null' end)
                    from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped
                    order by case when relkind = 'v' then attnum end, attname
                ) as shape,
                array(
                    select pg_get_constraintdef(oid) from pg_constraint
                    where conrelid = pg_class.oid and contype in ('c', 'f', 'p', 'u', 'x') order by 1
                ) as constraints,
                case when pg_class.relkind = 'v' then pg_get_viewdef(pg_class.oid) end as query
            from pg_class
            {# no other: a view that another session drops meanwhile would be an error #}
            where pg_class.oid in (to_regclass('{{ made }}'), to_regclass('{{ target }}'))
        ),
        made as (select * from shapes where oid = to_regclass('{{ made }}')),
        existing as (select * from shapes where oid = to_regclass('{{ target }}'))
        select
            cast(existing.oid as bigint) as oid,
            existing.relkind,
            coalesce(existing.relkind = 'r' and existing.shape = made.shape and existing.constraints = made.constraints, false)
                as is_same_table,
            coalesce(pg_table_size(existing.oid) > 100 * 1024 * 1024 and not exists (
                select from pg_depend where refclassid = 'pg_class'::regclass and refobjid = existing.oid and deptype = 'n'
            ) and not exists (select from pg_publication_rel where prrelid = existing.oid)
            and not exists (select from pg_trigger where tgrelid = existing.oid)
            and not exists (select from pg_policy where polrelid = existing.oid), false) as is_large_and_alone,
            coalesce(existing.relkind = 'r' and existing.shape <@ made.shape and existing.constraints = made.constraints, false)
                as keeps_table,
            (
                select string_agg(format('add column %I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
                from ({{ new_columns() }}) as new_columns
            ) as added,
            (
                select string_agg(format('alter column %I set not null', attname), ', ')
                from ({{ new_columns() }}) as new_columns where attnotnull
            ) as added_not_null,
            coalesce(existing.relkind = 'v' and existing.shape = made.shape[1:cardinality(existing.shape)], false)
                as keeps_columns,
            coalesce(existing.shape = made.shape and existing.query = made.query, false) as is_same_view
        from made left join existing on true
    {%- endset -%}
    {{ return(run_query(query).rows[0]) }}
{%- endmacro %}

{% macro new_columns() -%}
    select * from pg_attribute
    where attrelid = made.oid and attnum > 0 and attname not in (
        select attname from pg_attribute where attrelid = existing.oid and attnum > 0 and not attisdropped
    )
{%- endmacro %}

{# The columns of a relation as a list for SQL. #}
{% macro read_column_list(relation) -%}
    {{ return(run_query(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
        ~ " where attrelid = to_regclass('" ~ relation ~ "') and attnum > 0 and not attisdropped"
    ).rows[0][0]) }}
{%- endmacro %}
