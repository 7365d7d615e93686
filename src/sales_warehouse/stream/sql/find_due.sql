-- The open segments of these partitions that began so long ago.
select segment_file_id from ledger.stream_positions
inner join unnest(%(cluster_ids)s::text [], %(topic_ids)s::text [], %(partitions)s::integer [])
as mine (cluster_id, topic_id, partition) using (cluster_id, topic_id, partition)
inner join ledger.files on file_id = segment_file_id
where started_at <= clock_timestamp() - make_interval(secs => %(seconds)s)
for update of stream_positions skip locked
