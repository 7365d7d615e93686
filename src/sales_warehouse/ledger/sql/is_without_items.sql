-- Say whether each loaded record is one row in this ledger; upgrade_items.sql brings it up to this version.
select exists (
    select from pg_attribute
    where
        attrelid = to_regclass('ledger.files') and attname = 'rows_loaded'
        and not exists (
            select from pg_attribute
            where attrelid = to_regclass('ledger.files') and attname = 'records_loaded'
        )
)
