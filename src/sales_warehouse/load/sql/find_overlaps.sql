-- the files of this load that may share records with one of the eight active files of their feed before them
select new.file_id, new.feed, new.uri, new.rows_loaded, old.file_id, old.uri
from ledger.files as new
cross join lateral (
    select files.file_id, files.uri, files.sampled_records, files.rows_loaded, files.records_fingerprint
    from ledger.files
    where files.feed = new.feed and files.status = 'active' and files.file_id < new.file_id
    order by files.file_id desc
    limit 8
) as old
cross join lateral (
    select count(*) as records from unnest(new.sampled_records) as one where one = any(old.sampled_records)
) as shared
where
    new.file_id = any(%s) and new.status = 'active' and new.sampled_records && old.sampled_records
    and (new.rows_loaded, new.records_fingerprint) is distinct from (old.rows_loaded, old.records_fingerprint)
order by new.file_id, shared.records desc, old.file_id desc
