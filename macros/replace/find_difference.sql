{# How a relation differs from `made`, as which it shall be: one row, with NULL for `oid` when there is no relation yet.
   is_same_table: rows can be replaced. keeps_columns: the view can be replaced, new columns at its end are allowed. #}
{% macro find_difference(target, made) -%}
    {%- set query -%}
        with shapes as (
            select
                pg_class.oid,
                pg_class.relkind,
                array(
                    select format('%I %s%s', attname, format_type(atttypid, atttypmod), case when attnotnull then ' not null' end)
                    from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped order by attnum
                ) as shape,
                array(
                    select pg_get_constraintdef(oid) from pg_constraint
                    where conrelid = pg_class.oid and contype in ('c', 'f', 'p', 'u', 'x') order by 1
                ) as constraints,
                case when pg_class.relkind = 'v' then pg_get_viewdef(pg_class.oid) end as query
            from pg_class
        ),
        made as (select * from shapes where oid = to_regclass('{{ made }}')),
        existing as (select * from shapes where oid = to_regclass('{{ target }}'))
        select
            cast(existing.oid as bigint) as oid,
            existing.relkind,
            coalesce(existing.relkind = 'r' and existing.shape = made.shape and existing.constraints = made.constraints, false)
                as is_same_table,
            coalesce(existing.relkind = 'v' and existing.shape = made.shape[1:cardinality(existing.shape)], false)
                as keeps_columns,
            coalesce(existing.shape = made.shape and existing.query = made.query, false) as is_same_view
        from made left join existing on true
    {%- endset -%}
    {{ return(run_query(query).rows[0]) }}
{%- endmacro %}

{# The columns of a relation as a list for SQL. #}
{% macro read_column_list(relation) -%}
    {{ return(run_query(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute"
        ~ " where attrelid = to_regclass('" ~ relation ~ "') and attnum > 0 and not attisdropped"
    ).rows[0][0]) }}
{%- endmacro %}
