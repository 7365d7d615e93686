-- What a build writes in the ledger about files, with the rights of the ledger's owner, and asks about them.

-- Hold a file: its rows stay in the raw table, but no build sees them until a person accepts it. Its rows leave the marts as
-- those of an unloaded file do, by an event. Return false when the file is not active any more.
create or replace function ledger.hold_file(this_file bigint, this_message text, this_build text) returns boolean
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    its_feed text;
begin
    -- _EVENTS_LOCK of the loader: event ids are given out in commit order
    perform pg_advisory_xact_lock(0x5A1E0002);
    update ledger.files set status = 'held', message = this_message where file_id = this_file and status = 'active'
    returning feed into its_feed;
    if found then
        insert into ledger.file_events (file_id, feed, kind, detail)
        values (this_file, its_feed, 'deactivated', 'held by build ' || this_build);
    end if;
    return its_feed is not null;
end $$;

-- For feeds whose rows are compared with earlier files (row:delivered_before): when an earlier file changed after a file was
-- last seen, that file's rows may have another outcome. An event makes builds and publications look at them again.
-- Return the number of such files.
create or replace function ledger.touch_later_files(these_feeds text []) returns bigint
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    touched bigint;
begin
    perform pg_advisory_xact_lock(0x5A1E0002);
    with changes as (
        select
            feed, file_id, max(event_id) as seen,
            max(event_id) filter (where detail is distinct from 'an earlier file changed') as changed
        from ledger.file_events
        where feed = any(these_feeds) and kind in ('activated', 'deactivated', 'replayed')
        group by feed, file_id
    ),
    compared as (
        select
            feed, file_id, seen,
            max(changed) over (
                partition by feed order by file_id rows between unbounded preceding and 1 preceding
            ) as changed_before
        from changes
    )
    insert into ledger.file_events (file_id, feed, kind, detail)
    select compared.file_id, compared.feed, 'replayed', 'an earlier file changed'
    from compared inner join ledger.files using (file_id)
    where files.status = 'active' and changed_before > seen
    order by compared.file_id;
    get diagnostics touched = row_count;
    return touched;
end $$;

-- Return the files that a build sees and whose rows others changed after its last event: corrected, unloaded or repaired.
create or replace function ledger.changed_files(this_build text, its_upper_event bigint) returns table (file_id bigint, uri text)
language sql stable
as $$
    select files.file_id, files.uri
    from ledger.active_files(its_upper_event) as active (file_id)
    inner join ledger.files using (file_id)
    where exists (
        select from ledger.file_events
        where file_events.file_id = files.file_id and event_id > its_upper_event and kind in ('deactivated', 'replayed')
        and detail is distinct from 'held by build ' || this_build
    )
    order by files.file_id
$$;
