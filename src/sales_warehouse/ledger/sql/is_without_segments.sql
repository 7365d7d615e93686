-- Say whether no file of this ledger can be a segment of a topic; upgrade_segments.sql brings it up to this version.
select
    to_regclass('ledger.files') is not null
    and not exists (
        select from pg_constraint
        where
            conrelid = to_regclass('ledger.files') and conname = 'files_status_check'
            and pg_get_constraintdef(oid) like '%''open''%'
    )
