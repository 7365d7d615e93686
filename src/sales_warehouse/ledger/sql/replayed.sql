select row_number, replayed_as from ledger.rejects
where file_id = %s and replayed_as is not null order by row_number
