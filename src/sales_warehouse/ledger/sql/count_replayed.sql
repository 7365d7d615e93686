update ledger.files set
    records_loaded = records_loaded + %(count)s,
    rows_loaded = rows_loaded + %(rows)s,
    rows_rejected = rows_rejected - %(count)s
where file_id = %(file_id)s
