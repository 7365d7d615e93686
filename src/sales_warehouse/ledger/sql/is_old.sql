-- Say whether the ledger is of the version before; upgrade.sql brings it up to this one.
select exists (
    select from pg_attribute where attrelid = to_regclass('ledger.files') and attname = 'business_key'
)
