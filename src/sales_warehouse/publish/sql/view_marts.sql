-- Marts that are views: nothing of them is stored. `published` and `published_as_of` compute their rows from the marts that they
-- read, as of the same publication.

-- Return the query of a mart that is a view, as a format of format(): its argument is the schema of the marts that it reads. NULL
-- for a table. Raises when it reads anything that is not a mart of the build, because that may change without a publication.
create or replace function ledger.read_query(source regclass, build ledger.green_builds) returns text
-- then PostgreSQL writes the schema of each relation
language plpgsql stable set search_path = pg_catalog
as $$
declare
    body text := replace(rtrim(pg_get_viewdef(source), ';'), '%', '%%');
    marts constant regclass [] := array(
        select to_regclass(format('%I.%I', one ->> 'schema', one ->> 'name')) from jsonb_array_elements(build.marts) as one
    );
    foreign_to_it text;
    parent record;
begin
    if (select relkind from pg_class where oid = source) <> 'v' then
        return null;
    end if;
    select string_agg(distinct pg_describe_object(refclassid, refobjid, 0), ', ') into foreign_to_it
    from ledger.read_by_view(source) where refclassid <> 'pg_class'::regclass or refobjid <> all(marts);
    if foreign_to_it is not null then
        raise exception 'The mart % is a view and reads %, which is no public mart.', source, foreign_to_it
        using hint = 'A view can read public marts only. Materialize it as a table.';
    end if;
    for parent in
        select
            regexp_replace(replace(oid::regclass::text, '%', '%%'), '([^[:alnum:]_])', '\\\1', 'g') as pattern,
            '%1$I.' || replace(quote_ident(relname), '%', '%%') as shown
        from pg_class where oid in (select refobjid from ledger.read_by_view(source))
    loop
        -- not in a text in quotes
        select string_agg(
            case when place % 2 = 0 then part else regexp_replace(
                part, '(^|[\s(,])' || parent.pattern || '(?=$|[\s),])', '\1' || replace(parent.shown, '\', '\\'), 'g'
            ) end, '''' order by place
        ) into body
        from string_to_table(body, '''') with ordinality as parts (part, place);
    end loop;
    return body;
end $$;

-- Return what a view depends on, besides built-in objects.
create or replace function ledger.read_by_view(source regclass) returns table (refclassid oid, refobjid oid)
language sql stable
as $$
    select pg_depend.refclassid, pg_depend.refobjid
    from pg_rewrite
    inner join pg_depend on pg_depend.objid = pg_rewrite.oid and pg_depend.classid = 'pg_rewrite'::regclass
    where pg_rewrite.ev_class = source
    and (pg_depend.refclassid, pg_depend.refobjid) <> ('pg_class'::regclass::oid, source::oid)
$$;

-- Return how many views are between a relation and the tables that it reads, itself included; 0 for a table or nothing.
create or replace function ledger.count_views(relation text) returns integer
language sql stable
as $$
    with recursive below as (
        select to_regclass(relation)::oid as oid, 0 as depth
        union
        select reads.refobjid, below.depth + 1
        from below cross join ledger.read_by_view(below.oid) as reads
        where reads.refclassid = 'pg_class'::regclass
    )
    select max(depth) from below
$$;
