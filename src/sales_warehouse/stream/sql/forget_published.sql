-- The kept messages of segments whose rows are in the publication that readers see.
delete from ledger.messages
where file_id in (
    select file_id from ledger.files
    inner join ledger.file_events using (file_id)
    where
        files.feed = any(%s) and files.status = 'active' and kind = 'activated'
        -- most segments have none any more
        and file_id in (select file_id from ledger.messages)
    group by file_id
    -- the last one: a segment that was restored is not published again yet
    having max(event_id) <= (
        select max(upper_event_id) from ledger.publications
        inner join ledger.current_publication using (publication)
    )
)
