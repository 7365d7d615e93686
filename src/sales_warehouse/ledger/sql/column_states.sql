-- the last event of each column of a feed
select distinct on (detail) detail, kind from ledger.file_events
where feed = %s and kind in ('column_added', 'column_left_out', 'column_missing')
order by detail, event_id desc
