select
    publications.publication,
    publications.upper_event_id,
    publications.files,
    coalesce(sum(files.records_read), 0)::bigint,
    coalesce(sum(files.rows_rejected), 0)::bigint,
    (select coalesce(sum(row_count), 0)::bigint from audit.row_outcomes where row_status = 'quarantined')
from ledger.publications
left join ledger.active_files(publications.upper_event_id) as active (file_id) on true
left join ledger.files on files.file_id = active.file_id
where publications.publication = %s
group by publications.publication, publications.upper_event_id, publications.files
