-- Begin the segment of a partition whose position is locked.
with segment as (
    insert into ledger.files (
        feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, started_at, finished_at,
        loader_version, declaration_sha256, columns
    )
    select
        %(feed)s, %(uri)s, %(name)s, %(sha256)s, 0, 0, %(delivery_key)s, 1, 'open', now, now,
        %(loader_version)s, %(declaration_sha256)s, %(columns)s
    from clock_timestamp() as clock (now)
    returning file_id
)
update ledger.stream_positions set segment_file_id = segment.file_id, feed = %(feed)s
from segment
where cluster_id = %(cluster_id)s and topic_id = %(topic_id)s and partition = %(partition)s
returning segment_file_id
