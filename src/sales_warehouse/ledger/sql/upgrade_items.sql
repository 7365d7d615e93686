-- Bring a ledger in which each loaded record is one row up to this version.
alter table ledger.files add column records_loaded bigint not null default 0 check (records_loaded >= 0);
update ledger.files set records_loaded = rows_loaded where rows_loaded > 0;
alter table ledger.files
drop constraint every_record_has_one_outcome,
add constraint every_record_has_one_outcome
check (records_read = records_loaded + rows_rejected + rows_skipped + rows_refused),
add constraint a_loaded_record_has_rows
check (rows_loaded >= records_loaded and (records_loaded > 0 or rows_loaded = 0));
alter table if exists ledger.skipped_lines
drop constraint skipped_lines_pkey,
drop constraint skipped_lines_kind_check,
add constraint skipped_lines_kind_check check (kind in ('preamble', 'comment', 'trailer', 'no_items', 'tombstone'));
