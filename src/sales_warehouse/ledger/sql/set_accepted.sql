update ledger.files set
    status = 'active', version = %(version)s, supersedes_file_id = %(supersedes_file_id)s, columns = %(columns)s,
    mtime_ns = %(mtime_ns)s, rows_loaded = rows_refused, rows_refused = 0,
    message = concat_ws('; ', 'accepted by a person', message)
where file_id = %(file_id)s
