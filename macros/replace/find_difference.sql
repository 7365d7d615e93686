{# How a relation differs from `made`, as which it shall be: one row, with NULL for `oid` when there is no relation yet.
   is_same_table: rows can be replaced; the order of columns is that of their first build. keeps_table: the columns of `added` are
   new, and no more but for NOT NULL. is_large_and_alone: to replace rows would take several times as long as to make a new table,
   and nothing depends on the old one. keeps_columns: the view can be replaced, new columns at its end are allowed. #}
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
                    select format('%I %s', attname, format_type(atttypid, atttypmod))
                    from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped
                ) as typed_columns,
                array(
                    select attname from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attnotnull
                ) as full_columns,
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
            ) and not exists ({{ attached_to('existing.oid') }}), false) as is_large_and_alone,
            coalesce(
                existing.relkind = 'r' and existing.typed_columns <@ made.typed_columns
                and existing.full_columns <@ made.full_columns and existing.constraints = made.constraints, false
            ) as keeps_table,
            (
                select string_agg(format('add column %I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
                from ({{ new_columns() }}) as new_columns
            ) as added,
            (
                select string_agg(format('alter column %I set not null', attname), ', ')
                from unnest(made.full_columns) as full_columns (attname) where attname <> all(existing.full_columns)
            ) as set_not_null,
            coalesce(existing.relkind = 'v' and existing.shape = made.shape[1:cardinality(existing.shape)], false)
                as keeps_columns,
            coalesce(existing.shape = made.shape and existing.query = made.query, false) as is_same_view
        from made left join existing on true
    {%- endset -%}
    {{ return(run_query(query).rows[0]) }}
{%- endmacro %}

{# What goes with a relation besides views and the indexes of its model, each as PostgreSQL describes it: triggers, policies, places
   in a publication, statistics, rules, foreign keys of others, and functions that read it or take its rows. #}
{% macro attached_to(oid) -%}
    select pg_describe_object(classid, objid, 0) as description
    from pg_depend inner join pg_class as relation on relation.oid = {{ oid }}
    where
        deptype in ('n', 'a')
        and (
            refclassid = 'pg_class'::regclass and refobjid = relation.oid
            or refclassid = 'pg_type'::regclass and refobjid in (
                select oid from pg_type where oid = relation.reltype or typelem = relation.reltype
            )
        )
        and not classid = any(array['pg_class', 'pg_type', 'pg_attrdef']::regclass [])
        and not exists (
            select from pg_constraint where classid = 'pg_constraint'::regclass and oid = objid and conrelid = relation.oid
        )
        and not exists (
            select from pg_rewrite
            where classid = 'pg_rewrite'::regclass and oid = objid and (ev_class <> relation.oid or rulename = '_RETURN')
        )
        and not exists (select from pg_trigger where classid = 'pg_trigger'::regclass and oid = objid and tgisinternal)
    union
    select 'row level security of ' || oid::regclass from pg_class where oid = {{ oid }} and relrowsecurity
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
