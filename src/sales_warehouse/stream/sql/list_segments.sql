-- The segments that a partition has now, in the order of their offsets; no two have an offset in common. Each ends before
-- the next one, so offsets without messages belong to the segment before them.
select
    file_id, files.status, first_offset,
    lead(first_offset, 1, next_offset) over (order by first_offset, file_id) - 1 as last_offset,
    finished_at
from ledger.stream_positions
inner join ledger.files
    on
        starts_with(files.delivery_key, format('kafka://%%s/%%s/%%s/', cluster_id, topic_id, partition))
        and files.status in ('open', 'active', 'unloaded', 'held')
cross join lateral (select split_part(files.delivery_key, '/', 6)::bigint) as place (first_offset)
where cluster_id = %s and topic_id = %s and partition = %s
order by first_offset, file_id
