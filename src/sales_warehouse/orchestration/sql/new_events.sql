-- The last ids, and how many events no run was requested for. Segments of topics that came are left out: they wait for each
-- other.
select
    coalesce((
        select max(event_id) from ledger.file_events where kind in ('activated', 'deactivated', 'replayed')
    ), 0),
    coalesce((select max(file_id) from ledger.files), 0),
    (
        select count(*) from ledger.file_events
        where
            event_id > %(after)s and kind in ('activated', 'deactivated', 'replayed')
            and not (
                feed = any(%(topics)s::text []) and kind = 'activated'
                and not exists (
                    select from ledger.file_events as earlier
                    where earlier.file_id = file_events.file_id and earlier.event_id < file_events.event_id
                )
            )
    )
