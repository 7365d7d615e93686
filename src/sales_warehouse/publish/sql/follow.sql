-- Let the two views of a mart have the comments of the mart, and let those read them who may read the mart. Readers are not
-- blocked by it.
create or replace function ledger.follow_mart(number bigint, mart jsonb) returns void
language plpgsql
as $$
declare
    source constant regclass := format('%I.%I', mart ->> 'schema', mart ->> 'name');
    grantees constant text [] := array(
        select distinct case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end
        from pg_class cross join aclexplode(relacl) where oid = source and privilege_type = 'SELECT' and grantee <> relowner
    );
    grantees_before text [];
    shown regclass;
    statement text;
begin
    update ledger.published_marts set readers = grantees
    where publication = number and published_marts.mart = follow_mart.mart ->> 'name';
    select readers into grantees_before from ledger.published_marts
    where publication < number and published_marts.mart = follow_mart.mart ->> 'name' order by publication desc limit 1;
    foreach shown in array array[
        format('published.%I', mart ->> 'name')::regclass, format('published_as_of.%I', mart ->> 'name')::regclass
    ] loop
        for statement in
            with may_read as (
                select case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end as reader
                from pg_class cross join aclexplode(relacl) where oid = shown and privilege_type = 'SELECT'
            )
            select format('grant select on %s to %s', shown, case reader when 'public' then reader else quote_ident(reader) end)
            from unnest(grantees) as wanted (reader) where reader not in (select reader from may_read)
            union all
            -- only a right that came from the mart goes with it
            select format('revoke select on %s from %s', shown,
                case reader when 'public' then reader else quote_ident(reader) end)
            from unnest(grantees_before) as gone (reader)
            where reader <> all(grantees) and reader in (select reader from may_read)
            union all
            select case attnum when 0 then format('comment on view %s is %L', shown, wanted)
                else format('comment on column %s.%I is %L', shown, attname, wanted) end
            from ledger.wanted_comments(source, shown, mart) as comments
            left join pg_description on objoid = shown and classoid = 'pg_class'::regclass and objsubid = attnum
            where description is distinct from wanted
        loop
            execute statement;
        end loop;
    end loop;
end $$;

-- Return the comments of a mart, by the columns of a view of it (0: of the view itself). A column that the mart lost says so.
-- What has no comment in the mart is not returned: a person may have given the view one.
create or replace function ledger.wanted_comments(source regclass, shown regclass, mart jsonb)
returns table (attnum integer, attname name, wanted text)
language sql stable
as $$
    select 0, null::name, obj_description(source, 'pg_class') where obj_description(source, 'pg_class') is not null
    union all
    select of_view.attnum, of_view.attname, coalesce(
        col_description(source, of_mart.attnum),
        'NULL since publication ' || ended.publication || ', which removed the column from the mart.' || coalesce(
            ' It is ' || (
                select string_agg(key, ', ' order by key) from jsonb_each(mart -> 'promises')
                where value -> 'renamed_from' ? of_view.attname
            ) || ' now.', ''
        )
    )
    from pg_attribute as of_view
    left join pg_attribute as of_mart
        on of_mart.attrelid = source and of_mart.attname = of_view.attname and not of_mart.attisdropped
    left join lateral (
        select max(until_publication) as publication from ledger.history_tables
        where history_tables.mart = wanted_comments.mart ->> 'name'
        and exists (select from jsonb_array_elements(columns) as one where one ->> 'name' = of_view.attname)
    ) as ended on of_mart.attname is null
    where of_view.attrelid = shown and of_view.attnum > 0
    and (
        of_mart.attname is null or col_description(source, of_mart.attnum) is not null
        -- the mart has the column again
        or col_description(shown, of_view.attnum) like 'NULL since publication %'
    )
$$;
