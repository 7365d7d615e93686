{# The views and materialized views upon a relation, nearest first, with the statements that make them again and the `reason`
   why one cannot be. Depth 0 is the relation: its statements are the rights and comments that it had. #}
{% macro write_dependents(target, new_columns) -%}
    with recursive upon as (
        select cast(to_regclass('{{ target }}') as oid) as oid, 0 as depth
        union
        select pg_rewrite.ev_class, upon.depth + 1
        from upon
        inner join pg_depend on pg_depend.refobjid = upon.oid and pg_depend.refclassid = 'pg_class'::regclass
        inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass
        where pg_rewrite.ev_class <> upon.oid
    ),
    relations as (
        select
            pg_class.oid, max(upon.depth) as depth, pg_class.relkind, pg_class.relowner, pg_class.relacl, pg_class.reloptions,
            format('%I.%I', nspname, relname) as name,
            format('"%s"."%s"."%s"', current_database(), nspname, relname) as relation_name,
            pg_get_userbyid(relowner) as owner, pg_has_role(relowner, 'usage') and pg_has_role(relowner, 'set') as may_drop
        from upon
        inner join pg_class on upon.oid = pg_class.oid
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        group by pg_class.oid, pg_namespace.oid
    ),
    kept_columns as (
        select attrelid, attname, attnum, attacl
        from pg_attribute inner join relations on attrelid = relations.oid
        where attnum > 0 and not attisdropped and (depth > 0 or quote_ident(attname) = any({{ as_array(new_columns) }}))
    ),
    steps as (
        select oid, 1 as step, format('create %sview %s%s as %s', case relkind when 'm' then 'materialized ' end, name,
            ' with (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid)) as statement
        from relations where depth > 0
        union all
        select oid, 2, format('alter table %s owner to %I;', name, owner) from relations where depth > 0
        union all
        select oid, 3, format('grant %s on %s to %s%s;', rights.privilege_type, name,
            case rights.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(rights.grantee)) end,
            case when rights.is_grantable then ' with grant option' else '' end)
        from relations cross join aclexplode(relacl) as rights where rights.grantee <> relowner
        union all
        select oid, 4, format('grant %s (%I) on %s to %s%s;', rights.privilege_type, attname, name,
            case rights.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(rights.grantee)) end,
            case when rights.is_grantable then ' with grant option' else '' end)
        from relations inner join kept_columns on oid = attrelid cross join aclexplode(attacl) as rights
        union all
        select oid, 5, case objsubid
            when 0 then format('comment on %s %s is %L;', case when depth > 0 then 'view' else '{{ target.type }}' end,
                name, description)
            else format('comment on column %s.%I is %L;', name, attname, description)
        end
        from relations
        inner join pg_description on objoid = oid and classoid = 'pg_class'::regclass
        left join kept_columns on attrelid = oid and attnum = objsubid
        where objsubid = 0 or attname is not null
    )
    select
        cast(relations.oid as bigint) as oid, depth, relkind, name, relation_name, owner, may_drop,
        array(
            select cast(refobjid as bigint) from pg_rewrite
            inner join pg_depend on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass
            where ev_class = relations.oid and refclassid = 'pg_class'::regclass
        ) as reads,
        (select string_agg(statement, E'\n' order by step) from steps where steps.oid = relations.oid) as statements,
        case
            when depth = 0 then null
            when relkind = 'm' then 'is a materialized view'
            when not may_drop then 'belongs to another login, which alone can make it again'
            when exists (select from pg_trigger where tgrelid = relations.oid and not tgisinternal)
                or exists (select from pg_rewrite where ev_class = relations.oid and rulename <> '_RETURN')
                then 'has a trigger or a rule'
            else (
                select 'reads ' || string_agg(distinct attname, ', ') || ', which is gone'
                from pg_rewrite
                inner join pg_depend on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass
                inner join pg_attribute on attrelid = refobjid and attnum = refobjsubid
                where ev_class = relations.oid and refclassid = 'pg_class'::regclass and attnum > 0
                    and refobjid = to_regclass('{{ target }}') and quote_ident(attname) <> all({{ as_array(new_columns) }})
            )
        end as reason
    from relations
{%- endmacro %}

{# A list of columns as an array of texts. #}
{% macro as_array(columns) -%}
    string_to_array('{{ columns | replace("'", "''") }}', ', ')
{%- endmacro %}
