-- Add the records of one commit to the figures of their segment.
with segment as (
    update ledger.files set
        records_read = records_read + %(read)s,
        records_loaded = records_loaded + %(loaded)s,
        rows_loaded = rows_loaded + %(rows)s,
        rows_rejected = rows_rejected + %(rejected)s,
        rows_skipped = rows_skipped + %(skipped)s,
        size_bytes = size_bytes + %(bytes)s,
        mtime_ns = %(mtime_ns)s,
        sha256 = %(sha256)s,
        finished_at = greatest(clock_timestamp(), started_at)
    where file_id = %(file_id)s
    returning file_id
)
update ledger.stream_positions set last_sent_at = coalesce(%(last_sent_at)s, last_sent_at)
from segment where segment_file_id = segment.file_id
