-- Runs once, on a ledger without `records_fingerprint`: files can be held, and equal bytes may be two deliveries.
alter table ledger.files
add column records_fingerprint bigint,
add column sampled_records bigint[],
drop constraint files_status_check,
add constraint files_status_check
check (status in ('active', 'superseded', 'unloaded', 'duplicate', 'held', 'refused')),
drop constraint refused_means_not_loaded,
add constraint refused_means_not_loaded
check (
    case
        when status = 'refused' or (status = 'held' and version is null) then rows_loaded = 0
        else rows_refused = 0
    end
),
drop constraint taken_in_means_versioned,
add constraint taken_in_means_versioned
check (status = 'held' or (status in ('active', 'superseded', 'unloaded')) = (version is not null));
drop index ledger.files_one_active_per_content;
