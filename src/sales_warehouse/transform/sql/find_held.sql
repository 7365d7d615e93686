select files.feed, uri, message
from ledger.file_events inner join ledger.files using (file_id)
where kind = 'deactivated' and detail = %s
order by event_id
