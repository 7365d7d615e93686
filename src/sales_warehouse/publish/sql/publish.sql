-- Stop here when the setting warehouse.fail_point names this step; tests use it.
create or replace function ledger.reach(step text) returns void
language plpgsql
as $$
begin
    if current_setting('warehouse.fail_point', true) = step then
        perform pg_sleep(3600);
    end if;
end $$;

-- Wait until no other session publishes, rolls back or prunes, and prepare the tables. The lock ends with the transaction.
create or replace function ledger.lock_publications() returns void
language sql
as $$
    select pg_advisory_xact_lock(0x5A1E0004);
    select ledger.identify_rows(array(
        select oid from pg_class where relnamespace in ('ledger'::regnamespace, 'published_history'::regnamespace)
    ));
$$;

-- Publish the marts of a green build in one transaction; return the number of the publication. A build that was published
-- already keeps its number.
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
        using hint = 'Build everything: dbt build --target prod';
    end if;
    select publication into number from ledger.publications where invocation_id = this_build;
    if found then
        return number;
    end if;
    if jsonb_array_length(build.marts) = 0 then
        raise exception 'Build % has no mart to publish.', this_build;
    end if;
    execute format(
        'select string_agg(marts.value ->> ''name'', '', '' order by marts.value ->> ''name'') '
        'from jsonb_array_elements($1) as marts (value) left join pg_class '
        'on pg_class.oid = to_regclass(format(''%%I.%%I'', marts.value ->> ''schema'', marts.value ->> ''name'')) '
        'where relkind is null or relkind not in (''r'', ''p'', ''v'')'
    ) into wrong using build.marts;
    if wrong is not null then
        raise exception 'Neither a table nor a view, so it cannot be published: %.', wrong
        using hint = 'Materialize it as a table, or keep it from readers by `meta: {public: false}`.';
    end if;
    -- waits for a build that writes a mart; from here to the end no other build can write one
    for mart in select value from jsonb_array_elements(build.marts) order by value ->> 'name' loop
        execute format('lock table %I.%I in share mode', mart ->> 'schema', mart ->> 'name');
    end loop;
    execute format(
        'select string_agg(marts.value ->> ''name'', '', '' order by marts.value ->> ''name'') '
        'from jsonb_array_elements($1) as marts (value) '
        'left join %s as state on state.relation_name = marts.value ->> ''relation_name'' '
        'where state.built_by is distinct from $2', build.watermarks
    ) into wrong using build.marts, this_build;
    if wrong is not null then
        raise exception 'Built again since build % was green: %.', this_build, wrong
        using hint = 'That build was partial or red, or is under way. Build everything: dbt build --target prod';
    end if;
    perform ledger.refuse_losses(build);
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
    -- a mart that was removed from the project stays readable as of earlier publications; its view raises now
    update ledger.history_tables as gone set until_publication = number
    where until_publication is null
    and not exists (select from jsonb_array_elements(build.marts) as one where one ->> 'name' = gone.mart);
    update ledger.history_tables set holds_publication = null where holds_publication is not null;
    perform ledger.reach('marts_written');
    -- last, because the views are locked from here to the end
    perform ledger.show_marts(
        array(
            select changed.mart from ledger.history_tables as changed
            left join jsonb_array_elements(build.marts) as made (made) on made.made ->> 'name' = changed.mart
            where number in (since_publication, until_publication)
            -- the version before showed removed marts without rows
            or (
                pg_get_viewdef(to_regclass(format('published.%I', changed.mart))) not like '%publication_with%'
                and changed.mart not in (
                    select kept.mart from ledger.history_tables as kept where until_publication is null
                )
            )
            group by changed.mart
            -- a view after the views that it reads
            order by max(ledger.count_views(quote_ident(made.made ->> 'schema') || '.' || quote_ident(changed.mart))), changed.mart
        ),
        coalesce(nullif(current_setting('warehouse.wait_for_readers', true), ''), '5 minutes')::interval
    );
    for mart in select value from jsonb_array_elements(build.marts) loop
        perform ledger.follow_mart(number, mart);
    end loop;
    perform ledger.reach('views_made');
    insert into ledger.current_publication (publication, latest_publication) values (number, number)
    on conflict (is_the_row) do update
    set publication = excluded.publication, latest_publication = excluded.latest_publication;
    insert into ledger.publication_switches (publication) values (number);
    perform ledger.reach('switched');
    return number;
end $$;

-- Return the files whose rows were in the raw tables after an event.
create or replace function ledger.active_files(up_to_event bigint) returns setof bigint
language sql stable
as $$
    select file_id from ledger.file_events
    where kind in ('activated', 'deactivated') and event_id <= up_to_event
    group by file_id
    having coalesce(max(event_id) filter (where kind = 'activated'), 0)
        > coalesce(max(event_id) filter (where kind = 'deactivated'), 0)
$$;
