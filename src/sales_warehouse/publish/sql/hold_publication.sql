-- A rollback holds: builds do not publish until its cause is gone or a person publishes.

-- Return why a build may not publish, for a person, or NULL when it may. Of NULL for the build: the ledger as it is now.
-- The cause of a rollback is gone when each file and each relation that the latest publication changed over the one that
-- readers see has changed again.
create or replace function ledger.find_hold(this_build text) returns text
language plpgsql stable
as $$
declare
    here ledger.publications;
    latest ledger.publications;
    build ledger.green_builds;
    code_here jsonb;
    code_latest jsonb;
    switched ledger.publication_switches;
    changed bigint;
    kept bigint;
    named text;
begin
    select publications.* into here
    from ledger.publications inner join ledger.current_publication using (publication);
    select publications.* into latest
    from ledger.publications inner join ledger.current_publication on publications.publication = latest_publication;
    if latest.publication is not distinct from here.publication then
        return null;
    end if;
    select code into code_here from ledger.green_builds where invocation_id = here.invocation_id;
    select code into code_latest from ledger.green_builds where invocation_id = latest.invocation_id;
    select * into build from ledger.green_builds
    where this_build is null or invocation_id = this_build order by ended_at desc, invocation_id limit 1;
    if this_build is null then
        select coalesce(max(event_id), 0) into build.upper_event_id from ledger.file_events;
    end if;
    with changes as (
        select
            format('file %s (%s)', files.file_id, files.uri) as name,
            now_active.file_id is not distinct from then_active.file_id as is_left
        from ledger.active_deliveries(here.upper_event_id) as here_active
        full join ledger.active_deliveries(latest.upper_event_id) as then_active using (feed, delivery_key)
        left join ledger.active_deliveries(build.upper_event_id) as now_active using (feed, delivery_key)
        inner join ledger.files on files.file_id = coalesce(then_active.file_id, here_active.file_id)
        where here_active.file_id is distinct from then_active.file_id
        or exists (
            select from ledger.file_events
            where file_events.file_id = then_active.file_id and kind = 'replayed'
            and detail is distinct from 'an earlier file changed'
            and event_id > here.upper_event_id and event_id <= latest.upper_event_id
        )
        union all
        select
            replace(substring(key from '[^.]+[.][^.]+$'), '"', ''), build.code ->> key is not distinct from then_code.value
        from jsonb_each_text(code_latest) as then_code
        full join jsonb_each_text(code_here) as here_code using (key)
        where here_code.value is distinct from then_code.value and code_here is not null and code_latest is not null
        -- readers see nothing of audit, and the SQL of some of its models has the time or the last event of the build
        and split_part(key, '.', 2) <> '"audit"'
        union all
        -- a publication of an earlier version, whose code is not in the ledger
        select 'the code of the models', true where code_here is null or code_latest is null
    )
    select count(*), count(*) filter (where is_left), string_agg(name, ', ' order by name) filter (where is_left and place <= 3)
    into changed, kept, named
    from (select *, row_number() over (partition by is_left order by name) as place from changes) as placed;
    if changed > 0 and kept = 0 then
        return null;
    end if;
    select * into switched from ledger.publication_switches order by switch_id desc limit 1;
    return format(
        'Publication %s was rolled back to %s on %s UTC by %s. Builds do not publish %s. '
        'See what it changed: warehouse changes %2$s %1$s. When its cause is removed and built: warehouse publish',
        latest.publication, here.publication, to_char(switched.switched_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
        switched.switched_by,
        case
            when changed = 0 then 'until a person does, because both have the same files and code'
            else 'while these are as it left them: ' || named
                || case when kept > 3 then format(' and %s more', kept - 3) else '' end
        end
    );
end $$;

-- Return the active file of each delivery after an event.
create or replace function ledger.active_deliveries(up_to_event bigint)
returns table (feed text, delivery_key text, file_id bigint)
language sql stable
as $$
    select files.feed, files.delivery_key, files.file_id
    from ledger.active_files(up_to_event) as active (file_id)
    inner join ledger.files on files.file_id = active.file_id
$$;

-- Publish the marts of a green build as `ledger.publish` does, unless a rollback holds; return NULL then.
create or replace function ledger.publish_unless_held(this_build text) returns bigint
language plpgsql
as $$
begin
    perform ledger.lock_publications();
    return case when ledger.find_hold(this_build) is null then ledger.publish(this_build) end;
end $$;

-- Publish a build as `ledger.publish_unless_held` does. A refusal gives the lease of the build back, because dbt skips the hooks
-- behind one that fails; then `ledger.raise_refusal` raises it.
create or replace function ledger.try_to_publish(this_build text) returns void
language plpgsql
as $$
declare
    refusal text;
    advice text;
begin
    perform ledger.publish_unless_held(this_build);
    perform set_config('warehouse.refusal', '', false);
exception when others then
    get stacked diagnostics refusal = message_text, advice = pg_exception_hint;
    perform set_config('warehouse.refusal', refusal, false), set_config('warehouse.advice', advice, false);
    perform ledger.give_back_build_lease(this_build);
end $$;

-- Raise the refusal of the publication that this session tried last, if it was refused.
create or replace function ledger.raise_refusal() returns void
language plpgsql
as $$
begin
    if current_setting('warehouse.refusal', true) <> '' then
        raise exception '%', current_setting('warehouse.refusal') using hint = current_setting('warehouse.advice');
    end if;
end $$;
