select file_id, feed, uri, row_number, line_number, byte_offset, reason, detail, raw, replayed_as
from ledger.rejects inner join ledger.files using (file_id)
where %(file)s is null or file_id = %(file_id)s or uri = %(file)s
