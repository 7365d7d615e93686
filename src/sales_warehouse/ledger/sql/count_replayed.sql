update ledger.files set rows_loaded = rows_loaded + %(count)s, rows_rejected = rows_rejected - %(count)s
where file_id = %(file_id)s
