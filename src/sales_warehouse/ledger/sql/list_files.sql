select
    file_id, feed, uri, version, status, delivery_key, records_read, records_loaded, rows_loaded, rows_rejected,
    rows_skipped, rows_refused, supersedes_file_id, size_bytes, sha256, started_at, finished_at, message,
    array(
        select replace(kind, 'column_', '') || ' ' || detail
        from ledger.file_events
        where
            file_events.file_id = files.file_id
            and kind in ('column_added', 'column_left_out', 'column_missing')
        order by event_id
    ) as schema_changes
from ledger.files
where
    (%(feed)s is null or feed = %(feed)s)
    and (%(status)s is null or status = %(status)s)
    and (
        %(since)s::timestamptz is null
        or finished_at >= %(since)s
        or exists (select 1 from ledger.file_events where file_events.file_id = files.file_id and at >= %(since)s)
    )
