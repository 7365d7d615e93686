select line_number, row_number, kind, raw from ledger.skipped_lines
where file_id = %s order by line_number, row_number nulls first
