-- A topic that was made again is listed once, as it is now: by the position that moved last.
with taken_in as (
    -- kafka://<cluster id>/<topic id>/<partition>/<offset> without the offset
    select
        rtrim(delivery_key, '0123456789') as place, sum(records_read)::bigint as messages,
        sum(rows_loaded)::bigint as row_count, sum(rows_rejected)::bigint as rejected, sum(rows_skipped)::bigint as skipped
    from ledger.files
    where feed in (select feed from ledger.stream_positions) and status in ('active', 'open')
    group by place
)
select
    cluster, topic_id, topic, stream_positions.feed, partition, next_offset, last_sent_at, committed_at,
    coalesce(messages, 0), coalesce(row_count, 0), coalesce(rejected, 0), coalesce(skipped, 0),
    files.records_read as open_records,
    (
        select coalesce(sum(last_offset - first_offset + 1), 0)::bigint from ledger.stream_events
        where
            stream_events.cluster_id = stream_positions.cluster_id and stream_events.topic_id = stream_positions.topic_id
            and stream_events.partition = stream_positions.partition and kind = 'lost'
    ) as lost_messages,
    stopped_offset, stopped_reason, stopped_limit
from ledger.stream_positions
left join ledger.files on file_id = segment_file_id
left join taken_in on place = 'kafka://' || cluster_id || '/' || topic_id || '/' || partition || '/'
where not exists (
    select from ledger.stream_positions as later
    where
        later.cluster_id = stream_positions.cluster_id and later.topic = stream_positions.topic
        and later.topic_id <> stream_positions.topic_id
        and later.position_id > stream_positions.position_id
)
order by stream_positions.feed, topic, partition
