-- Say whether the ledger cannot hold files yet; upgrade_held.sql brings it up to this version.
select
    to_regclass('ledger.files') is not null
    and not exists (
        select from pg_attribute
        where attrelid = to_regclass('ledger.files') and attname in ('fingerprint', 'records_fingerprint')
    )
