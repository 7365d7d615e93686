select row_number, line_number, byte_offset, reason, detail, raw, replayed_as, delivered_bytes
from ledger.rejects where file_id = %s order by byte_offset, row_number
