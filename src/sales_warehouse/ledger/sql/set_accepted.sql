update ledger.files as held set
    status = 'active', supersedes_file_id = %(supersedes_file_id)s, columns = %(columns)s, mtime_ns = %(mtime_ns)s, etag = %(etag)s,
    version = 1 + coalesce((
        select max(files.version) from ledger.files
        where files.feed = held.feed and files.delivery_key = held.delivery_key
    ), 0),
    records_loaded = rows_refused, rows_loaded = %(rows_loaded)s, rows_refused = 0, message = concat_ws('; ', 'accepted by a person', message)
where file_id = %(file_id)s
