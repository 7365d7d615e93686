-- Say whether the rejects of this ledger have no key, headers and time of messages; upgrade_envelopes.sql adds them.
select
    to_regclass('ledger.rejects') is not null
    and not exists (
        select from pg_attribute
        where attrelid = to_regclass('ledger.rejects') and attname = 'sent_at' and not attisdropped
    )
