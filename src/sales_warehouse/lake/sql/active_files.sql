-- The files whose rows are exported. Rows change with an event or an erasure only.
with last_events as (
    select file_id, max(event_id) as event_id from ledger.file_events
    where kind in ('activated', 'replayed') group by file_id
),

last_erasures as (
    select file_id, max(erasure_id) as erasure_id
    from ledger.erasures, unnest(file_ids) as erased (file_id) group by file_id
)

select
    files.feed, files.file_id, files.rows_loaded, coalesce(last_events.event_id, 0),
    coalesce(last_erasures.erasure_id, 0)
from ledger.files
left join last_events using (file_id)
left join last_erasures using (file_id)
where files.status = 'active'
order by files.file_id
