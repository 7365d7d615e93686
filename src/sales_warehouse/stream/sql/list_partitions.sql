-- A topic that was made again is listed once, as it is now: by the position that moved last.
select
    cluster, topic_id, topic, stream_positions.feed, partition, next_offset, last_sent_at, committed_at,
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
where not exists (
    select from ledger.stream_positions as later
    where
        later.cluster_id = stream_positions.cluster_id and later.topic = stream_positions.topic
        and later.topic_id <> stream_positions.topic_id
        and later.position_id > stream_positions.position_id
)
order by stream_positions.feed, topic, partition
