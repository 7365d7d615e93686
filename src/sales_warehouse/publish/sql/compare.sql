-- Bring the open rows of a mart up to the mart, and record in ledger.published_marts what changed.
create or replace function ledger.publish_mart(
    number bigint, latest bigint, build ledger.green_builds, mart jsonb
) returns void
language plpgsql
as $$
declare
    started constant timestamptz := clock_timestamp();
    mart_name constant text := mart ->> 'name';
    source constant text := format('%I.%I', mart ->> 'schema', mart ->> 'name');
    tables ledger.history_tables;
    before ledger.published_marts;
    shape jsonb;
    names text;
    sums text;
    is_rebuilt_by text;
    is_written_by text;
    has_event_id bigint;
    its_query text;
    scope text;
    compared text;
    is_new boolean := false;
    added bigint := 0;
    closed bigint := 0;
    came jsonb;
    went jsonb;
begin
    if mart_name = 'as_of' then
        raise exception 'No mart can be called as_of: that is the name of the view that names the publication.';
    end if;
    select
        jsonb_agg(jsonb_build_object('name', attname, 'type', format_type(atttypid, atttypmod)) order by attnum),
        string_agg(quote_ident(attname), ', ' order by attnum),
        coalesce(
            'jsonb_build_object(' || string_agg(
                format('%L, coalesce(sum(%I), 0)', attname, attname), ', ' order by attnum
            ) filter (where atttypid = 'numeric'::regtype and attname ~ '(^|_)(amount|quantity)(_|$)') || ')',
            'cast(coalesce(max(''{}''), ''{}'') as jsonb)'
        )
    into shape, names, sums
    from pg_attribute where attrelid = source::regclass and attnum > 0 and not attisdropped;
    execute format(
        -- a build of the version before has no written_by
        'select rebuilt_by, event_id, to_jsonb(state) ->> ''written_by'' from %s as state where relation_name = $1',
        build.watermarks
    ) into is_rebuilt_by, has_event_id, is_written_by using mart ->> 'relation_name';
    select * into tables from ledger.history_tables where history_tables.mart = mart_name and until_publication is null;
    select * into before from ledger.published_marts
    where published_marts.mart = mart_name and publication = coalesce(tables.holds_publication, latest);
    its_query := ledger.read_query(source::regclass, build);
    if tables.mart is null or tables.query is distinct from its_query
    or not (tables.columns @> shape and shape @> tables.columns) then
        tables := ledger.begin_generation(mart_name, number, shape, its_query);
        is_new := true;
    end if;
    if its_query is not null then
        insert into ledger.published_marts
        values (number, mart_name, null, 0, 0, '{}', 'view', is_rebuilt_by, has_event_id,
            extract(epoch from clock_timestamp() - started));
        return;
    end if;
    if is_new then
        -- a scan that starts in the middle of the table would separate the rows of a file
        set local synchronize_seqscans = off;
        execute format('insert into %s (%s, _from_publication) select %s, $1 from %s',
            tables.open_table, names, names, source) using number;
        get diagnostics added = row_count;
        execute format('select %s from %s', sums, source) into came;
        perform ledger.follow_indexes(source, tables);
        execute format('analyze %s', tables.open_table);
        insert into ledger.published_marts
        values (number, mart_name, added, added, coalesce(before.row_count, 0), came, 'first', is_rebuilt_by,
            has_event_id, extract(epoch from clock_timestamp() - started), default, is_written_by);
        return;
    end if;
    scope := case
        -- no build wrote a row since the build of that publication
        when before.written_by = is_written_by then 'false'
        when before.rebuilt_by is distinct from is_rebuilt_by or before.event_id is null or has_event_id is null
            then 'true'
        when before.event_id = has_event_id then 'false'
        when mart ->> 'strategy' = 'by_file'
            then ledger.scope_of_files(build.touched_files, before.event_id, has_event_id)
        when mart ->> 'strategy' = 'by_touched_date'
        -- a mart by key records the dates of its own rows; the version before recorded none
        or (mart ->> 'strategy' = 'by_touched_key' and mart -> 'follows' ? (mart ->> 'relation_name'))
            then ledger.scope_of_dates(build.touched_dates, mart, before.event_id, has_event_id)
        else 'true'
    end;
    compared := case scope
        when 'true' then 'everything' when 'false' then 'nothing'
        else case mart ->> 'strategy' when 'by_file' then 'files' else 'dates' end
    end;
    if scope <> 'false' then
        select changes.added, changes.closed, changes.came, changes.went into added, closed, came, went
        from ledger.copy_changes(number, source, tables, names, sums, scope) as changes;
    end if;
    perform ledger.follow_indexes(source, tables);
    if before.mart is null then
        -- readers were rolled back to a publication before the first one of this mart
        execute format('select %s from %s where false', sums, source) into before.totals;
    end if;
    insert into ledger.published_marts
    values (
        number, mart_name, coalesce(before.row_count, 0) + added - closed, added, closed,
        (
            select coalesce(jsonb_object_agg(
                key, (value)::numeric + coalesce((came ->> key)::numeric, 0) - coalesce((went ->> key)::numeric, 0)
            ), '{}')
            from jsonb_each_text(before.totals) as totals (key, value)
        ),
        compared, is_rebuilt_by, has_event_id, extract(epoch from clock_timestamp() - started), default, is_written_by
    );
end $$;

-- Compare the rows of a mart that meet a condition with its open rows. Rows that are not in the mart any more go to the closed
-- table, new rows to the open table. Return how many, and what they sum up to.
create or replace function ledger.copy_changes(
    number bigint, source text, tables ledger.history_tables, names text, sums text, scope text,
    out added bigint, out closed bigint, out came jsonb, out went jsonb
)
language plpgsql
as $$
begin
    -- Equal rows are numbered, so that one of three equal rows can end. Rows are compared as text, which distinguishes 1.0
    -- from 1.00 and NULL from an empty value; the operators of some types do not.
    execute format(
        'create temporary table publish_changes on commit drop as '
        'with old_rows as ('
        '    select ctid as place, md5(cast(row(%1$s) as text)) as digest from %2$s where %4$s'
        '), new_rows as ('
        '    select ctid as place, md5(cast(row(%1$s) as text)) as digest from %3$s where %4$s'
        '), old_numbered as ('
        '    select place, digest, row_number() over (partition by digest order by place) as copy from old_rows'
        '), new_numbered as ('
        '    select place, digest, row_number() over (partition by digest order by place) as copy from new_rows'
        ')'
        'select old_numbered.place as went, new_numbered.place as came '
        'from old_numbered full join new_numbered using (digest, copy) '
        'where old_numbered.digest is null or new_numbered.digest is null',
        names, tables.open_table, source, scope
    );
    analyze publish_changes;
    select count(publish_changes.went), count(publish_changes.came) into closed, added from publish_changes;
    if closed > 0 then
        execute format(
            'with gone as ('
            '    delete from %2$s as kept using publish_changes as changed where kept.ctid = changed.went'
            '    returning kept.*'
            '), ended as ('
            '    insert into %3$s (%1$s, _from_publication, _to_publication)'
            -- rows that a rollback opened are in the closed table already
            '    select %1$s, _from_publication, $1 from gone where _from_publication < $1'
            ') select %4$s from gone', names, tables.open_table, tables.closed_table, sums
        ) into went using number;
    end if;
    if added > 0 then
        execute format(
            'with new_rows as ('
            '    insert into %2$s (%1$s, _from_publication)'
            '    select %1$s, $1 from %3$s as source'
            '    inner join publish_changes as changed on source.ctid = changed.came order by changed.came'
            '    returning *'
            ') select %4$s from new_rows', names, tables.open_table, source, sums
        ) into came using number;
    end if;
    drop table publish_changes;
end $$;

-- Return the condition that selects the rows of a by_file mart whose files have an event in between, or whose rows got another
-- outcome by one; 'false' for none.
drop function if exists ledger.scope_of_files(bigint, bigint);
create or replace function ledger.scope_of_files(touched_files text, after_event bigint, up_to_event bigint) returns text
language plpgsql stable
as $$
declare
    found text;
begin
    execute
        'select coalesce(''_file_id in ('' || string_agg(file_id::text, '', '') || '')'', ''false'') from ('
        'select file_id from ledger.file_events '
        'where kind in (''activated'', ''deactivated'', ''replayed'') and event_id > $1 and event_id <= $2'
        || coalesce(
            ' union select file_id from ' || touched_files || ' where event_id > $1 and event_id <= $2', ''
        ) || ') as touched'
    into found using after_event, up_to_event;
    return found;
end $$;

-- Return the condition that selects the days or months of a by_touched_date mart touched in between; 'false' for none.
create or replace function ledger.scope_of_dates(
    touched_dates text, mart jsonb, after_event bigint, up_to_event bigint
) returns text
language plpgsql stable
as $$
declare
    found text;
begin
    execute format(
        'select coalesce(''('' || string_agg(format(''%%1$I >= date %%2$L and %%1$I < date %%3$L'', $1, first_day, '
        'cast(first_day + interval ''1 %1$s'' as date)), '' or '') || '')'', ''false'') '
        'from (select distinct cast(date_trunc(''%1$s'', touched_date) as date) as first_day from %2$s '
        'where relation_name in (select jsonb_array_elements_text($2)) and event_id > $3 and event_id <= $4) as touched',
        case mart ->> 'period' when 'month' then 'month' else 'day' end, touched_dates
    ) into found using mart ->> 'date_column', mart -> 'follows', after_event, up_to_event;
    return found;
end $$;
