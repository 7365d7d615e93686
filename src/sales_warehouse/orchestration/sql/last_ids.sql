select
    coalesce((
        select max(event_id) from ledger.file_events where kind in ('activated', 'deactivated', 'replayed')
    ), 0),
    coalesce((select max(file_id) from ledger.files), 0)
