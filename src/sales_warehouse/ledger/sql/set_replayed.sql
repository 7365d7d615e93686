update ledger.rejects set replayed_as = repaired.text
from (values %s) as repaired (file_id, row_number, text)
where rejects.file_id = repaired.file_id and rejects.row_number = repaired.row_number
