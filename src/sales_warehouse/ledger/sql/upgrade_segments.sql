-- Runs once, on a ledger without segments of topics; schema.sql creates the tables.
alter table ledger.files
drop constraint files_status_check,
add constraint files_status_check
check (status in ('open', 'active', 'superseded', 'unloaded', 'duplicate', 'held', 'refused')),
drop constraint taken_in_means_versioned,
add constraint taken_in_means_versioned
check (status = 'held' or (status in ('open', 'active', 'superseded', 'unloaded')) = (version is not null));
alter table if exists ledger.skipped_lines
drop constraint skipped_lines_kind_check,
add constraint skipped_lines_kind_check
check (kind in ('preamble', 'comment', 'trailer', 'no_items', 'tombstone'));
