update ledger.files set
    status = 'refused', declaration_sha256 = %(closed)s, message = concat_ws('; ', 'refused by a person', message)
where file_id = %(file_id)s
