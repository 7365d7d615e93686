-- of the version before
drop function if exists ledger.show_mart(text), ledger.replace_view(text, text), ledger.write_view(text, text, boolean);

-- Create or change views in this order: all or none, in one short try, so that a query of one mart never waits for a
-- long query of another. The locks of a try that fails are released. Tries for so long, then raises lock_not_available.
create or replace function ledger.show_views(views ledger.mart_view [], patience interval) returns void
language plpgsql
as $$
declare
    give_up_at constant timestamptz := clock_timestamp() + patience;
    usual constant text := current_setting('lock_timeout');
    in_the_way text;
    made ledger.mart_view;
    began_at timestamptz;
    holders text;
begin
    loop
        began_at := clock_timestamp();
        begin
            perform set_config('warehouse.try_ends_at', (began_at + interval '300 ms')::text, true);
            -- first the view that the last try waited for: then a try that fails again holds no other view
            perform ledger.lock_view(in_the_way);
            foreach made in array views loop
                in_the_way := made.name;
                perform ledger.replace_view(made);
            end loop;
            perform set_config('lock_timeout', usual, true);
            return;
        exception when lock_not_available then
            -- also undoes the settings of the try
            holders := coalesce(
                ledger.describe_holders(array(select to_regclass(name) from unnest(views)), began_at), holders
            );
        end;
        exit when clock_timestamp() > give_up_at;
        perform pg_sleep(0.7);
    end loop;
    raise exception 'A view cannot take its new columns: it is being read. %', coalesce(holders, 'Many sessions follow one another.')
    using errcode = 'lock_not_available', hint = 'Nothing was published. End that session, then: warehouse publish';
end $$;

-- Name the sessions that have locked these relations since before an instant, the oldest first; NULL for none.
create or replace function ledger.describe_holders(relations regclass [], before timestamptz) returns text
language sql
as $$
    select string_agg(
        format(
            'Server process %s of login %s, application %s, %s.', pid, coalesce(usename, '(unknown)'),
            coalesce(nullif(application_name, ''), '(no name)'),
            -- the server hides it from a login without pg_read_all_stats
            coalesce('in a transaction for ' || date_trunc('second', clock_timestamp() - xact_start), 'for an unknown time')
        ), ' ' order by xact_start, pid
    )
    from (
        select distinct pid from pg_locks
        where locktype = 'relation' and granted and pid <> pg_backend_pid() and relation = any(relations)
        and database = (select oid from pg_database where datname = current_database())
    ) as holding
    inner join pg_stat_activity using (pid)
    -- a session that has ended its transaction meanwhile has no start of one either
    where xact_start < before or (xact_start is null and query = '<insufficient privilege>')
$$;

-- Return the views of a mart. The view in `published` reads the open table only, as long as the mart has one generation.
-- With more of them it reads the publication of the transaction's snapshot, because a transaction that began before the new
-- generation may already see the new view. A view never loses a column: a column that left the mart is NULL.
-- The views of a mart that left the project raise, and one that was dropped is not made again.
-- Marts that the schema `live` adds to have a third view: see show_latest.
create or replace function ledger.write_views(mart_name text) returns setof ledger.mart_view
language plpgsql
as $$
declare
    is_of_one_generation constant boolean := (
        select count(*) = 1 and every(until_publication is null) from ledger.history_tables
        where history_tables.mart = mart_name
    );
    is_removed constant boolean := not exists (
        select from ledger.history_tables where history_tables.mart = mart_name and until_publication is null
    );
    check_of constant text := case when is_removed
        then 'ledger.publication_with(' || quote_literal(mart_name) || ', ' else '(' end;
begin
    if not is_removed or to_regclass(format('published.%I', mart_name)) is not null then
        return next row (format('published.%I', mart_name), ledger.write_view(
            mart_name, check_of || 'ledger.shown_publication())', is_of_one_generation, 'published'
        ));
    end if;
    return next row (format('published_as_of.%I', mart_name), ledger.write_view(
        mart_name, check_of || 'ledger.reading_publication())', false, 'published_as_of'
    ));
    if to_regclass(format('live.%I', 'latest_' || mart_name)) is not null then
        if exists (
            select from ledger.history_tables where history_tables.mart = mart_name and query is not null
        ) then
            raise exception 'The mart % is a view, but the schema live adds to it.', mart_name
            using hint = 'Materialize it as a table.';
        end if;
        return next row (format('live.%I', 'latest_' || mart_name), ledger.write_view(
            mart_name, check_of || 'ledger.latest_publication())', false, 'live'
        ));
    end if;
end $$;

-- Make the view in `live` of the rows that a mart has in the latest publication, none before the first one. The mart may have
-- columns that the publication does not have yet: they are NULL, and the next publication replaces the view.
create or replace function ledger.show_latest(mart_name text, mart regclass) returns void
language plpgsql
as $$
declare
    shown constant text := format('live.%I', 'latest_' || mart_name);
    is_published constant boolean := exists (
        select from ledger.history_tables where history_tables.mart = mart_name and until_publication is null
    );
    body text;
begin
    if not exists (
        select from pg_attribute as wanted
        left join pg_attribute as there
            on there.attrelid = to_regclass(shown) and there.attname = wanted.attname
        where wanted.attrelid = mart and wanted.attnum > 0 and not wanted.attisdropped
        and wanted.atttypid is distinct from there.atttypid
    ) then
        return;
    end if;
    if not is_published then
        select 'select ' || string_agg(
            format('cast(null as %s) as %I', format_type(atttypid, atttypmod), attname), ', ' order by attnum
        ) || ' where false' into body
        from pg_attribute where attrelid = mart and attnum > 0 and not attisdropped;
        perform ledger.show_views(array[row (shown, body)::ledger.mart_view], interval '5 minutes');
        return;
    end if;
    body := ledger.write_view(mart_name, 'ledger.latest_publication()', false, 'live');
    execute format('create temporary view latest_of_mart as %s', body);
    select 'select ' || string_agg(
        case
            when there.attname is null then format('cast(null as %s)', format_type(wanted.atttypid, wanted.atttypmod))
            when wanted.atttypid is null or wanted.atttypid = there.atttypid then format('%I', there.attname)
            else format(
                'case when pg_input_is_valid(cast(%1$I as text), %2$L) then cast(cast(%1$I as text) as %2$s) end',
                there.attname, format_type(wanted.atttypid, wanted.atttypmod)
            )
        end || format(' as %I', coalesce(there.attname, wanted.attname)), ', '
        order by there.attnum asc nulls last, wanted.attnum
    ) || format(' from (%s) as published', body) into body
    from (
        select * from pg_attribute where attrelid = mart and attnum > 0 and not attisdropped
    ) as wanted
    full join (
        select * from pg_attribute where attrelid = 'pg_temp.latest_of_mart'::regclass and attnum > 0
    ) as there on wanted.attname = there.attname;
    drop view pg_temp.latest_of_mart;
    perform ledger.show_views(array[row (shown, body)::ledger.mart_view], interval '5 minutes');
end $$;

-- Return the query of a view: the open rows, or the rows of the publication that the expression `asked_for` returns. The
-- branches of earlier generations and of closed rows have a condition that is evaluated once. The branch of the open rows has
-- no condition of its own, because PostgreSQL merges it into the reader's query only then.
create or replace function ledger.write_view(mart_name text, asked_for text, is_open_rows boolean, its_schema text) returns text
language plpgsql
as $$
declare
    shown constant text := format('published.%I', mart_name);
    reading constant text := format('(select %s)', asked_for);
    earlier constant text := format('(select ledger.earlier_publication(%s))', asked_for);
    body text;
begin
    with generations as (
        select *, coalesce(reading || ' < ' || until_publication, earlier || ' is not null') as is_asked_for
        from ledger.history_tables where history_tables.mart = mart_name
    ),
    kept_columns as (
        select generation, place, one ->> 'name' as name, one ->> 'type' as type,
            (one ->> 'type')::regtype as base
        from generations, jsonb_array_elements(generations.columns) with ordinality as columns (one, place)
    ),
    view_columns as (
        select attname as name, format_type(atttypid, atttypmod) as type, atttypid::regtype as base, attnum,
            atttypmod = -1 as is_plain
        from pg_attribute where attrelid = to_regclass(shown) and attnum > 0
    ),
    names as (
        select name, 0 as generation, attnum::bigint as place from view_columns
        union all
        (
            select distinct on (name) name, generation, place from kept_columns
            where name not in (select name from view_columns)
            order by name, generation, place
        )
    ),
    -- of several types the type that all others convert to, the newest if there are several such types or none
    held_types as (
        select distinct on (candidate.name) candidate.name, candidate.base
        from kept_columns as candidate
        order by candidate.name,
            exists (
                select from kept_columns as other
                where other.name = candidate.name and other.base <> candidate.base
                and not exists (
                    select from pg_cast
                    where castsource = other.base and casttarget = candidate.base and castcontext = 'i'
                )
            ),
            candidate.generation desc
    ),
    typed as (
        select names.name, names.generation, names.place,
            case
                when held_types.base is null then view_columns.type
                -- a type without a limit keeps none, because dependent views accept no other type
                when view_columns.base = held_types.base and view_columns.is_plain then view_columns.type
                when (select count(distinct type) from kept_columns where kept_columns.name = names.name) = 1
                    then (select max(type) from kept_columns where kept_columns.name = names.name)
                else format_type(held_types.base, null)
            end as type,
            coalesce(held_types.base, view_columns.base) as base
        from names
        left join held_types on names.name = held_types.name
        left join view_columns on names.name = view_columns.name
    ),
    selected as (
        select generations.generation, string_agg(
            case
                when kept_columns.name is null then format('cast(null as %s)', typed.type)
                -- the marts that the query reads may have other types since
                when generations.query is not null then format('cast(%I as %s)', typed.name, typed.type)
                when kept_columns.type = typed.type then quote_ident(typed.name)
                when kept_columns.base = typed.base or exists (
                    select from pg_cast
                    where castsource = kept_columns.base and casttarget = typed.base and castcontext = 'i'
                ) then format('cast(%I as %s)', typed.name, typed.type)
                else format(
                    'case when pg_input_is_valid(cast(%1$I as text), %2$L) '
                    'then cast(cast(%1$I as text) as %2$s) end', typed.name, typed.type
                )
            end || format(' as %I', typed.name),
            ', ' order by typed.generation, typed.place
        ) as list
        from generations
        cross join typed
        left join kept_columns
            on generations.generation = kept_columns.generation and typed.name = kept_columns.name
        group by generations.generation
    ),
    branches as (
        select generation, 1 as branch, format('select _from_publication, %s from %s', list, open_table) as query
        from generations inner join selected using (generation)
        where until_publication is null and generations.query is null
        union all
        select generation, 2, format('select _from_publication, %s from %s where %s', list, open_table, is_asked_for)
        from generations inner join selected using (generation)
        where until_publication is not null and generations.query is null
        union all
        select generation, 3, format('select _from_publication, %s from %s where %s and _to_publication > %s',
            list, closed_table, is_asked_for, reading)
        from generations inner join selected using (generation)
        where generations.query is null
        union all
        -- the marts that it reads have the rows of that publication
        select generation, 4, format(
            E'select %s::bigint as _from_publication, %s from (\n%s\n) as %I where %s', since_publication, list,
            format(generations.query, its_schema), mart_name, concat_ws(' and ', reading || ' >= ' || since_publication,
            reading || ' < ' || until_publication)
        )
        from generations inner join selected using (generation)
        where generations.query is not null
    )
    select case when is_open_rows then (
        select case when generations.query is null then format('select %s from %s', list, open_table)
            else format(
                E'select %s from (\n%s\n) as %I where %s >= %s', list, format(generations.query, its_schema), mart_name, reading,
                since_publication
            ) end
        from generations inner join selected using (generation)
        where until_publication is null
    ) else format(
        -- where all rows are open, a row costs one look at a constant
        E'select %s from (\n%s\n) as kept\nwhere ' || earlier || ' is null or _from_publication operator(ledger.<=~) '
            || reading,
        (select string_agg(quote_ident(name), ', ' order by generation, place) from typed),
        string_agg(query, E'\nunion all\n' order by generation desc, branch)
    ) end into body from branches;
    return body;
end $$;

-- Wait for locks until the try ends, and no longer.
create or replace function ledger.limit_lock_wait() returns void
language sql
as $$
    select set_config('lock_timeout', greatest(1, ceil(1000 * extract(epoch from
        nullif(current_setting('warehouse.try_ends_at', true), '')::timestamptz - clock_timestamp())))::integer || 'ms', true)
$$;

-- Lock a view as its replacement does, and nothing that it reads, as `lock table` would.
create or replace function ledger.lock_view(shown text) returns void
language plpgsql
as $$
begin
    if to_regclass(shown) is not null then
        perform ledger.limit_lock_wait();
        -- changes nothing: the views have no options
        execute format('alter view %s reset (security_barrier)', shown);
    end if;
end $$;

create or replace function ledger.replace_view(made ledger.mart_view) returns void
language plpgsql
as $$
begin
    perform ledger.limit_lock_wait();
    execute format('create or replace view %s as %s', made.name, made.body);
exception when invalid_table_definition then
    -- the type of a column changed
    perform ledger.rebuild_view(made.name, made.body);
end $$;

-- Drop and create a view whose columns have other types, with all views that depend on it, their owners, rights and comments.
create or replace function ledger.rebuild_view(shown text, body text) returns void
language plpgsql
as $$
declare
    statements text[];
    statement text;
    one record;
begin
    create temporary table rebuilt_views on commit drop as
    with recursive upon as (
        select shown::regclass::oid as view_id, 0 as depth
        union
        select pg_rewrite.ev_class, upon.depth + 1
        from upon
        inner join pg_depend on pg_depend.refobjid = upon.view_id and pg_depend.refclassid = 'pg_class'::regclass
        inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass
        where pg_rewrite.ev_class <> upon.view_id
    )
    select view_id, max(depth) as depth from upon group by view_id;
    -- only the owner of such a view could create it again
    for one in
        select rebuilt_views.view_id::regclass as name, pg_get_userbyid(pg_class.relowner) as owner
        from rebuilt_views inner join pg_class on pg_class.oid = rebuilt_views.view_id
        where not pg_has_role(pg_class.relowner, 'usage') order by rebuilt_views.view_id limit 1
    loop
        raise exception 'The view % of % depends on %, whose columns have other types now.', one.name, one.owner, shown
        using hint = 'Its owner drops it, then: warehouse publish';
    end loop;
    select array_agg(made.statement order by made.depth, made.view_id, made.step) into statements
    from (
        select rebuilt_views.depth, rebuilt_views.view_id, 1 as step, format(
            'create view %s%s as %s', rebuilt_views.view_id::regclass,
            ' with (' || array_to_string(pg_class.reloptions, ', ') || ')',
            case when rebuilt_views.depth = 0 then body else pg_get_viewdef(rebuilt_views.view_id) end
        ) as statement
        from rebuilt_views inner join pg_class on pg_class.oid = rebuilt_views.view_id
        union all
        select rebuilt_views.depth, rebuilt_views.view_id, 2, format('alter view %s owner to %I',
            rebuilt_views.view_id::regclass, pg_get_userbyid(pg_class.relowner))
        from rebuilt_views inner join pg_class on pg_class.oid = rebuilt_views.view_id
        union all
        select rebuilt_views.depth, rebuilt_views.view_id, 3, format('grant %s on %s to %s%s', rights.privilege_type,
            rebuilt_views.view_id::regclass,
            case rights.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(rights.grantee)) end,
            case when rights.is_grantable then ' with grant option' else '' end)
        from rebuilt_views inner join pg_class on pg_class.oid = rebuilt_views.view_id
        cross join aclexplode(pg_class.relacl) as rights
        where rights.grantee <> pg_class.relowner
        union all
        select rebuilt_views.depth, rebuilt_views.view_id, 4, format('grant %s (%I) on %s to %s%s',
            rights.privilege_type, pg_attribute.attname, rebuilt_views.view_id::regclass,
            case rights.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(rights.grantee)) end,
            case when rights.is_grantable then ' with grant option' else '' end)
        from rebuilt_views inner join pg_attribute on pg_attribute.attrelid = rebuilt_views.view_id
        cross join aclexplode(pg_attribute.attacl) as rights
        union all
        select rebuilt_views.depth, rebuilt_views.view_id, 5, case pg_description.objsubid
            when 0 then format('comment on view %s is %L', rebuilt_views.view_id::regclass, pg_description.description)
            else format('comment on column %s.%I is %L', rebuilt_views.view_id::regclass,
                pg_attribute.attname, pg_description.description)
        end
        from rebuilt_views
        inner join pg_description
            on pg_description.objoid = rebuilt_views.view_id and pg_description.classoid = 'pg_class'::regclass
        left join pg_attribute on pg_attribute.attrelid = rebuilt_views.view_id
            and pg_attribute.attnum = pg_description.objsubid
    ) as made;
    for one in select rebuilt_views.view_id::regclass as name from rebuilt_views order by depth desc, view_id loop
        perform ledger.limit_lock_wait();
        -- fails for a dependent materialized view; then nothing is published
        execute format('drop view %s', one.name);
    end loop;
    drop table rebuilt_views;
    foreach statement in array statements loop
        execute statement;
    end loop;
end $$;

-- Create or change the views of several marts: see show_views.
create or replace function ledger.show_marts(mart_names text [], patience interval) returns void
language sql
as $$
    -- written before the first lock is taken
    select ledger.show_views(array(
        select row (made.name, made.body)::ledger.mart_view
        from unnest(mart_names) with ordinality as names (mart_name, place) cross join ledger.write_views(mart_name) as made
        order by place, made.name
    ), patience)
$$;
