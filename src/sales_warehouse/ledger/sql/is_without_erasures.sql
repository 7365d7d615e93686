-- Say whether a reject of this ledger has the length that it was delivered with only in `raw`.
select
    to_regclass('ledger.rejects') is not null
    and not exists (
        select from pg_attribute where attrelid = to_regclass('ledger.rejects') and attname = 'delivered_bytes'
    )
