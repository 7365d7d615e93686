-- The segments that no build has seen: open ones, and those that were sealed since.
select
    coalesce(min(file_id), 0),
    coalesce(sum(records_read), 0)::bigint,
    coalesce(sum(rows_loaded), 0)::bigint,
    coalesce(extract(epoch from clock_timestamp() - min(started_at)) / 60, 0)::float8
from ledger.files
where
    feed = any(%(topics)s::text []) and status in ('open', 'active')
    and file_id in (
        select segment_file_id from ledger.stream_positions where segment_file_id is not null
        union all
        select file_id from ledger.file_events where event_id > %(built)s and kind = 'activated'
    )
