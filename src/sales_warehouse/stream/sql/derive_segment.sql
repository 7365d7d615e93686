-- Add the entry of a segment that takes the place of another one, or of a part of it. It arrived when that one did.
insert into ledger.files (
    feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, supersedes_file_id, started_at,
    finished_at, message, loader_version, declaration_sha256, head, columns
)
select
    feed, %(uri)s, %(name)s, %(sha256)s, %(size_bytes)s, %(mtime_ns)s, %(delivery_key)s,
    (
        select coalesce(max(other.version), 0) + 1 from ledger.files as other
        where other.feed = files.feed and other.delivery_key = %(delivery_key)s
    ),
    'active', file_id, started_at, greatest(clock_timestamp(), started_at), %(message)s,
    coalesce(%(loader_version)s, loader_version), coalesce(%(declaration_sha256)s, declaration_sha256), head,
    coalesce(%(columns)s, columns)
from ledger.files where file_id = %(file_id)s
returning file_id
