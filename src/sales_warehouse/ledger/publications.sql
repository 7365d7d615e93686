-- Publications: what readers see, how it is written, and the way back. docs/architecture.md tells how the parts fit.
-- Every statement may run again on a database that has it already.

-- Readers need rights on these two alone: their views read `published_history` with the rights of their owner.
create schema if not exists published;
create schema if not exists published_as_of;
create schema if not exists published_history;

-- A build that was whole and green: its marts may be published, as long as no other build touches them.
create table if not exists ledger.green_builds (
    invocation_id text primary key,
    ended_at timestamptz not null default clock_timestamp(),
    upper_event_id bigint not null,
    -- dbt's own books: model_watermarks and touched_dates, as dbt writes their names
    watermarks text not null,
    touched_dates text not null,
    -- one object a mart: name, schema, relation_name, strategy, date_column, period, follows
    marts jsonb not null
);

create table if not exists ledger.publications (
    publication bigint primary key check (publication >= 1),
    published_at timestamptz not null,
    published_by text not null,
    upper_event_id bigint not null,
    invocation_id text not null unique,
    -- active files up to the upper event
    files bigint not null,
    -- its own rows are gone from the history; the ledger stays
    folded_at timestamptz
);

create table if not exists ledger.published_marts (
    publication bigint not null references ledger.publications,
    mart text not null,
    row_count bigint not null check (row_count >= 0),
    rows_added bigint not null check (rows_added >= 0),
    rows_closed bigint not null check (rows_closed >= 0),
    -- sum of every amount and quantity column over all rows, whatever their currency: to compare, not to report
    totals jsonb not null,
    -- what was compared with the publication before: nothing, files, dates, everything, or first
    compared text not null,
    -- how the mart stood in dbt's books
    rebuilt_by text,
    event_id bigint,
    seconds numeric(18, 3) not null,
    primary key (publication, mart)
);

-- A mart's rows are kept in two tables: those readers see, and those that ended. So reading what is published costs what
-- reading the mart does. Other columns or types are a new generation of both, so that no table readers use is ever altered.
create table if not exists ledger.history_tables (
    mart text not null,
    generation integer not null check (generation >= 1),
    open_table text not null,
    closed_table text not null,
    -- name and type of each column, in the order of the mart
    columns jsonb not null,
    since_publication bigint not null,
    -- exclusive; its open rows end here. NULL for the generation that is written now
    until_publication bigint,
    -- whose rows the open table holds since readers were sent back to it; NULL is the latest one
    holds_publication bigint,
    primary key (mart, generation),
    constraint ends_after_its_beginning check (until_publication > since_publication)
);
alter table ledger.history_tables add column if not exists holds_publication bigint;
create unique index if not exists history_tables_one_written_per_mart
on ledger.history_tables (mart) where until_publication is null;

-- One row: which publication readers see.
create table if not exists ledger.current_publication (
    is_the_row boolean primary key default true check (is_the_row),
    publication bigint not null references ledger.publications,
    latest_publication bigint not null references ledger.publications
);

create table if not exists ledger.publication_switches (
    switch_id bigint generated always as identity primary key,
    switched_at timestamptz not null default clock_timestamp(),
    switched_by text not null default session_user,
    publication bigint not null references ledger.publications
);

-- The publication readers see, 0 before the first. Like the next two it works with the rights of its owner, so that readers
-- need none on the ledger, and views ask it once a query, not once a row.
create or replace function ledger.shown_publication() returns bigint
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
    select coalesce((select publication from ledger.current_publication), 0)
$$;

-- The publication this session reads in `published_as_of`: the one it chose, or what all see.
create or replace function ledger.reading_publication() returns bigint
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wanted constant text := nullif(current_setting('warehouse.publication', true), '');
    chosen bigint;
begin
    if wanted is null then
        return ledger.shown_publication();
    end if;
    if not pg_input_is_valid(wanted, 'bigint') then
        raise exception 'warehouse.publication is %, which is no number of a publication.', quote_literal(wanted)
        using errcode = 'invalid_parameter_value', hint = 'reset warehouse.publication; reads the current one.';
    end if;
    chosen := wanted;
    if not exists (select from ledger.publications where publication = chosen and folded_at is null) then
        raise exception 'Publication % is not kept.', chosen
        using errcode = 'invalid_parameter_value', hint = 'reset warehouse.publication; reads the current one.';
    end if;
    return chosen;
end $$;

-- The same number, but NULL for the latest publication while readers see it: all of its rows are open then, and no other.
create or replace function ledger.earlier_publication(reading bigint) returns bigint
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
    select nullif(
        reading,
        (select latest_publication from ledger.current_publication where publication = latest_publication)
    )
$$;

-- <=, but the planner takes it to hold for nearly every row, as it does; for <= with a number it does not know it takes a
-- third, and plans joins for that.
do $$ begin
    if to_regoperator('ledger.<=~(bigint, bigint)') is null then
        create operator ledger.<=~ (
            leftarg = bigint, rightarg = bigint, function = int8le, negator = operator(ledger.>~),
            restrict = regexnesel, join = regexnejoinsel
        );
        create operator ledger.>~ (
            leftarg = bigint, rightarg = bigint, function = int8gt, negator = operator(ledger.<=~),
            restrict = regexeqsel, join = regexeqjoinsel
        );
    end if;
end $$;

-- Where a test can stop a publisher: set warehouse.fail_point to the name of a step.
create or replace function ledger.reach(step text) returns void
language plpgsql
as $$
begin
    if current_setting('warehouse.fail_point', true) = step then
        perform pg_sleep(3600);
    end if;
end $$;

-- One at a time changes what readers see; the lock goes with the transaction, and so with a killed session.
create or replace function ledger.lock_publications() returns void
language sql
as $$
    select pg_advisory_xact_lock(0x5A1E0004)
$$;

-- Take the marts of a green build over to readers, all at once; return the number of the publication.
-- One transaction: whoever is killed has done nothing. A build that was published already keeps its number.
create or replace function ledger.publish(this_build text) returns bigint
language plpgsql
as $$
#variable_conflict use_variable
declare
    build ledger.green_builds;
    number bigint;
    latest bigint;
    mart jsonb;
    wrong text;
begin
    perform ledger.lock_publications();
    perform ledger.reach('locked');
    select * into build from ledger.green_builds where invocation_id = this_build;
    if not found then
        raise exception 'Build % was not whole and green.', this_build
        using hint = 'Build everything: dbt build';
    end if;
    select publication into number from ledger.publications where invocation_id = this_build;
    if found then
        return number;
    end if;
    if jsonb_array_length(build.marts) = 0 then
        raise exception 'Build % has no mart to publish.', this_build;
    end if;
    -- a table somebody else's build is writing is waited for; from then on nobody writes any of them
    for mart in select value from jsonb_array_elements(build.marts) order by value ->> 'name' loop
        execute format('lock table %I.%I in share mode', mart ->> 'schema', mart ->> 'name');
    end loop;
    execute format(
        'select string_agg(marts.value ->> ''name'', '', '' order by marts.value ->> ''name'') '
        'from jsonb_array_elements($1) as marts (value) '
        'left join %s as books on books.relation_name = marts.value ->> ''relation_name'' '
        'where books.built_by is distinct from $2', build.watermarks
    ) into wrong using build.marts, this_build;
    if wrong is not null then
        raise exception 'Built again since build % was green: %.', this_build, wrong
        using hint = 'That build was partial or red, or is under way. Build everything: dbt build';
    end if;
    select coalesce(max(publication), 0) + 1 into number from ledger.publications;
    select latest_publication into latest from ledger.current_publication;
    insert into ledger.publications (publication, published_at, published_by, upper_event_id, invocation_id, files)
    values (
        number, clock_timestamp(), session_user, build.upper_event_id, this_build,
        (select count(*) from ledger.active_files(build.upper_event_id))
    );
    for mart in select value from jsonb_array_elements(build.marts) order by value ->> 'name' loop
        perform ledger.publish_mart(number, latest, build, mart);
        perform ledger.reach('mart_written');
    end loop;
    -- a mart that is gone from the project can be read as it was; today it has no rows
    update ledger.history_tables as gone set until_publication = number
    where until_publication is null
    and not exists (select from jsonb_array_elements(build.marts) as one where one ->> 'name' = gone.mart);
    update ledger.history_tables set holds_publication = null where holds_publication is not null;
    perform ledger.reach('marts_written');
    -- last, as the views are locked from here to the end
    perform ledger.show_mart(mart_name)
    from (
        select distinct changed.mart as mart_name from ledger.history_tables as changed
        where number in (since_publication, until_publication)
        or until_publication is null and to_regclass(format('published_as_of.%I', changed.mart)) is null
        order by 1
    ) as shown;
    perform ledger.reach('views_made');
    insert into ledger.current_publication (publication, latest_publication) values (number, number)
    on conflict (is_the_row) do update
    set publication = excluded.publication, latest_publication = excluded.latest_publication;
    insert into ledger.publication_switches (publication) values (number);
    perform ledger.reach('switched');
    return number;
end $$;

-- Files whose rows were in the raw tables after an event.
create or replace function ledger.active_files(up_to_event bigint) returns setof bigint
language sql stable
as $$
    select file_id from ledger.file_events
    where kind in ('activated', 'deactivated') and event_id <= up_to_event
    group by file_id
    having coalesce(max(event_id) filter (where kind = 'activated'), 0)
        > coalesce(max(event_id) filter (where kind = 'deactivated'), 0)
$$;

-- Write what is different between a mart and the publication readers see.
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
    has_event_id bigint;
    scope text;
    compared text;
    added bigint := 0;
    closed bigint := 0;
    came jsonb := '{}';
    went jsonb := '{}';
begin
    if mart_name = 'as_of' then
        raise exception 'No mart can be called as_of: that is the name of the view that tells the publication.';
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
    execute format('select rebuilt_by, event_id from %s where relation_name = $1', build.watermarks)
    into is_rebuilt_by, has_event_id using mart ->> 'relation_name';
    select * into tables from ledger.history_tables where history_tables.mart = mart_name and until_publication is null;
    select * into before from ledger.published_marts
    where published_marts.mart = mart_name and publication = coalesce(tables.holds_publication, latest);
    if tables.mart is null or not (tables.columns @> shape and shape @> tables.columns) then
        tables := ledger.begin_generation(mart_name, number, shape);
        -- a scan that starts in the middle would spread the rows of a file
        set local synchronize_seqscans = off;
        execute format('insert into %s (%s, _from_publication) select %s, $1 from %s',
            tables.open_table, names, names, source) using number;
        get diagnostics added = row_count;
        execute format('select %s from %s', sums, source) into came;
        perform ledger.follow_indexes(source, tables);
        execute format('analyze %s', tables.open_table);
        insert into ledger.published_marts
        values (number, mart_name, added, added, coalesce(before.row_count, 0), came, 'first', is_rebuilt_by,
            has_event_id, extract(epoch from clock_timestamp() - started));
        return;
    end if;
    scope := case
        when before.rebuilt_by is distinct from is_rebuilt_by or before.event_id is null or has_event_id is null
            then 'true'
        when before.event_id = has_event_id then 'false'
        when mart ->> 'strategy' = 'by_file'
            then ledger.scope_of_files(before.event_id, has_event_id)
        when mart ->> 'strategy' = 'by_touched_date'
            then ledger.scope_of_dates(build.touched_dates, mart, before.event_id, has_event_id)
        else 'true'
    end;
    compared := case scope
        when 'true' then 'everything' when 'false' then 'nothing'
        else case mart ->> 'strategy' when 'by_file' then 'files' else 'dates' end
    end;
    if scope <> 'false' then
        -- equal rows are numbered, so that of three equal ones one can go. The text of a row tells 1.0 from 1.00 and
        -- NULL from nothing, which the operators of some types do not.
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
                -- what was put back for readers who were sent back stands among the ended rows already
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
    end if;
    perform ledger.follow_indexes(source, tables);
    if before.mart is null then
        -- readers were sent back to before its first publication
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
        compared, is_rebuilt_by, has_event_id, extract(epoch from clock_timestamp() - started)
    );
end $$;

create or replace function ledger.scope_of_files(after_event bigint, up_to_event bigint) returns text
language sql stable
as $$
    select coalesce('_file_id in (' || string_agg(file_id::text, ', ') || ')', 'false')
    from (
        select distinct file_id from ledger.file_events
        where kind in ('activated', 'deactivated', 'replayed') and event_id > after_event and event_id <= up_to_event
    ) as touched
$$;

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

-- Make the two tables of a mart's next generation, and end the one before.
create or replace function ledger.begin_generation(mart_name text, number bigint, shape jsonb)
returns ledger.history_tables
language plpgsql
as $$
declare
    made ledger.history_tables;
    next_generation integer;
    stem text;
    columns text;
begin
    update ledger.history_tables set until_publication = number
    where history_tables.mart = mart_name and until_publication is null;
    select coalesce(max(generation), 0) + 1 into next_generation
    from ledger.history_tables where history_tables.mart = mart_name;
    -- names end after 63 bytes
    stem := case when octet_length(mart_name) > 44 then left(mart_name, 8) || '_' || md5(mart_name) else mart_name end
        || '_' || next_generation;
    select string_agg(format('%I %s', one ->> 'name', one ->> 'type'), ', ' order by place) into columns
    from jsonb_array_elements(shape) with ordinality as shapes (one, place);
    insert into ledger.history_tables
    values (
        mart_name, next_generation, format('published_history.%I', stem || '_open'),
        format('published_history.%I', stem || '_closed'), shape, number, null
    )
    returning * into made;
    -- in front, so that looking at it costs nothing: to reach a column all before it are unpacked
    execute format('create table %s (_from_publication bigint not null, %s)', made.open_table, columns);
    execute format(
        'create table %s (_from_publication bigint not null, _to_publication bigint not null, %s)',
        made.closed_table, columns
    );
    return made;
end $$;

-- Whatever index the mart has helps readers of the publication too. None is dropped: that would lock readers out.
create or replace function ledger.follow_indexes(source text, tables ledger.history_tables) returns void
language plpgsql
as $$
declare
    index_kind text;
    index_of text;
begin
    for index_of, index_kind in
        select kept, kind
        from unnest(array[tables.open_table, tables.closed_table]) as history (kept)
        cross join lateral (
            select substring(pg_get_indexdef(indexrelid) from ' USING .*$') as kind
            from pg_index where indrelid = source::regclass and indisvalid
            union
            -- finds what an earlier publication does not have, or has besides
            select case kept
                when tables.open_table then ' USING btree (_from_publication)' else ' USING btree (_to_publication)'
            end
        ) as wanted
        where not exists (
            select from pg_index
            where indrelid = kept::regclass and substring(pg_get_indexdef(indexrelid) from ' USING .*$') = kind
        )
    loop
        execute format('create index on %s%s', index_of, index_kind);
    end loop;
    perform brin_summarize_new_values(pg_index.indexrelid)
    from pg_index
    inner join pg_class on pg_index.indexrelid = pg_class.oid
    inner join pg_am on pg_class.relam = pg_am.oid
    where pg_am.amname = 'brin' and pg_index.indrelid = tables.open_table::regclass;
end $$;

-- Make or change the views of a mart. Readers of `published` read the open rows and nothing else, as long as they are all of
-- one generation. A transaction with a snapshot of before another generation may meet a view of after: it reads the
-- publication of its snapshot, and so the rows of the generation before. Columns only ever come to a view; one that left
-- the mart is NULL today.
create or replace function ledger.show_mart(mart_name text) returns void
language plpgsql
as $$
declare
    is_of_one_generation constant boolean := (
        select count(*) = 1 and every(until_publication is null) from ledger.history_tables
        where history_tables.mart = mart_name
    );
begin
    perform ledger.replace_view(format('published.%I', mart_name), ledger.write_view(
        mart_name, 'ledger.shown_publication()', is_of_one_generation
    ));
    perform ledger.replace_view(format('published_as_of.%I', mart_name), ledger.write_view(
        mart_name, 'ledger.reading_publication()', false
    ));
end $$;

-- Write the query of a view: the open rows, or those of the publication that `asked_for` returns. Branches of ended rows have
-- a condition that is looked at once. The open rows have none, and the condition on all of them stands outside: only so does
-- PostgreSQL merge the branch into the query.
create or replace function ledger.write_view(mart_name text, asked_for text, is_open_rows boolean) returns text
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
    -- of several types the one that holds the values of all, the newest if there are more or none
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
                -- a type once shown without a limit stays so: another type is another column to dependent views
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
        where until_publication is null
        union all
        select generation, 2, format('select _from_publication, %s from %s where %s', list, open_table, is_asked_for)
        from generations inner join selected using (generation)
        where until_publication is not null
        union all
        select generation, 3, format('select _from_publication, %s from %s where %s and _to_publication > %s',
            list, closed_table, is_asked_for, reading)
        from generations inner join selected using (generation)
    )
    select case when is_open_rows then (
        select format('select %s from %s', list, open_table)
        from generations inner join selected using (generation)
        where until_publication is null
    ) else format(
        -- where all rows are open one look at a constant is all that a row costs
        E'select %s from (\n%s\n) as kept\nwhere ' || earlier || ' is null or _from_publication operator(ledger.<=~) '
            || reading,
        (select string_agg(quote_ident(name), ', ' order by generation, place) from typed),
        string_agg(query, E'\nunion all\n' order by generation desc, branch)
    ) end into body from branches;
    return body;
end $$;

-- Change a view under the eyes of its readers: it waits for those who are reading it, in short tries, so that nobody
-- queues behind it for long.
create or replace function ledger.replace_view(shown text, body text) returns void
language plpgsql
as $$
declare
    usual constant text := current_setting('lock_timeout');
begin
    for attempt in 1..600 loop
        begin
            perform set_config('lock_timeout', '200ms', true);
            begin
                execute format('create or replace view %s as %s', shown, body);
            exception when invalid_table_definition then
                -- a column has another type
                perform ledger.rebuild_view(shown, body);
            end;
            perform set_config('lock_timeout', usual, true);
            return;
        exception when lock_not_available then
            perform pg_sleep(1);
        end;
    end loop;
    raise exception 'The view % is being read without a break, so it cannot take the new columns.', shown
    using hint = 'Nothing was published. End long transactions of readers, then: warehouse publish';
end $$;

-- Make a view again whose columns have other types, and all views upon it, with their owners, rights and comments.
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
    -- it would be gone, and only its owner could make it again
    for one in
        select rebuilt_views.view_id::regclass as name, pg_get_userbyid(pg_class.relowner) as owner
        from rebuilt_views inner join pg_class on pg_class.oid = rebuilt_views.view_id
        where not pg_has_role(pg_class.relowner, 'usage') order by rebuilt_views.view_id limit 1
    loop
        raise exception 'The view % of % stands upon %, whose columns have other types now.', one.name, one.owner, shown
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
        -- what is no view, such as a materialized one, stops it here, and nothing is published
        execute format('drop view %s', one.name);
    end loop;
    drop table rebuilt_views;
    foreach statement in array statements loop
        execute statement;
    end loop;
end $$;

-- Let readers see another publication that is kept; return its number. NULL is the one before the current.
create or replace function ledger.switch_publication(wanted bigint) returns bigint
language plpgsql
as $$
declare
    here bigint;
    there bigint;
    latest bigint;
    tables ledger.history_tables;
begin
    perform ledger.lock_publications();
    select publication, latest_publication into here, latest from ledger.current_publication;
    select max(publication) into there from ledger.publications
    where folded_at is null and case when wanted is null then publication < here else publication = wanted end;
    if there is null then
        raise exception '%', coalesce(
            'Publication ' || wanted || ' is not kept.', 'There is no publication before the current one.'
        ) using errcode = 'invalid_parameter_value', hint = 'Those that are: warehouse publications';
    end if;
    if there <> here then
        for tables in select * from ledger.history_tables where until_publication is null order by history_tables.mart loop
            if to_regclass(format('published_as_of.%I', tables.mart)) is null then
                -- published by a version of this project that moved no rows
                perform ledger.show_mart(tables.mart);
            end if;
            perform ledger.hold(tables, latest, case
                -- readers get the rows of the generation before, which are where they were
                when there < tables.since_publication and exists (
                    select from ledger.history_tables as others
                    where others.mart = tables.mart and others.generation <> tables.generation
                ) then latest
                else there
            end);
        end loop;
        perform ledger.reach('rows_moved');
        update ledger.current_publication set publication = there;
        insert into ledger.publication_switches (publication) values (there);
    end if;
    return there;
end $$;

-- Let the open table hold the rows of another publication. None is lost to those who read a publication by its number: a row
-- that goes stands among the ended ones, one that comes stays there too, and is open for the next publication only.
create or replace function ledger.hold(tables ledger.history_tables, latest bigint, wanted bigint) returns void
language plpgsql
as $$
declare
    coming constant bigint := latest + 1;
    names text;
begin
    if wanted = coalesce(tables.holds_publication, latest) then
        return;
    end if;
    select string_agg(quote_ident(one ->> 'name'), ', ' order by place) into names
    from jsonb_array_elements(tables.columns) with ordinality as columns (one, place);
    execute format(
        'with gone as (delete from %2$s where _from_publication > $2 returning *) '
        'insert into %3$s (%1$s, _from_publication, _to_publication) '
        'select %1$s, _from_publication, $1 from gone where _from_publication < $1',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    -- those that went when readers were sent back before
    execute format(
        'with back as (delete from %3$s where _to_publication = $1 and _from_publication <= $2 returning *) '
        'insert into %2$s (%1$s, _from_publication) select %1$s, _from_publication from back',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    execute format(
        'insert into %2$s (%1$s, _from_publication) '
        'select %1$s, $1 from %3$s where _from_publication <= $2 and _to_publication > $2',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    update ledger.history_tables set holds_publication = nullif(wanted, latest)
    where history_tables.mart = tables.mart and generation = tables.generation;
end $$;

-- Give up publications made before an instant, but the current and the latest; return how many. Rows that a kept one
-- shows stay as they are.
create or replace function ledger.fold_publications(before timestamptz) returns bigint
language plpgsql
as $$
declare
    tables ledger.history_tables;
    folded bigint;
begin
    perform ledger.lock_publications();
    update ledger.publications set folded_at = clock_timestamp()
    where folded_at is null and published_at < before
    and publication not in (
        select publication from ledger.current_publication
        union all
        select latest_publication from ledger.current_publication
    );
    get diagnostics folded = row_count;
    if folded = 0 then
        return 0;
    end if;
    for tables in select * from ledger.history_tables order by history_tables.mart, generation loop
        execute format(
            'delete from %s as ended where not exists (select from ledger.publications where folded_at is null '
            'and publication >= ended._from_publication and publication < ended._to_publication)', tables.closed_table
        );
        if tables.until_publication is null then
            continue;
        end if;
        if exists (
            select from ledger.publications
            where folded_at is null
            and publication >= tables.since_publication and publication < tables.until_publication
        ) then
            execute format(
                'delete from %s as ended where not exists (select from ledger.publications where folded_at is null '
                'and publication >= ended._from_publication and publication < %s)',
                tables.open_table, tables.until_publication
            );
        elsif exists (select from ledger.history_tables where history_tables.mart = tables.mart
            and generation <> tables.generation) then
            delete from ledger.history_tables
            where history_tables.mart = tables.mart and generation = tables.generation;
            perform ledger.show_mart(tables.mart);
            execute format('drop table %s, %s', tables.open_table, tables.closed_table);
        else
            -- the last tables of a mart that is gone: its view stays for whoever depends on it, without rows
            execute format('delete from %s', tables.open_table);
        end if;
    end loop;
    return folded;
end $$;
