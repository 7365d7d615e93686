-- Say whether no file of this ledger can be an object with an ETag; upgrade_etags.sql brings it up to this version.
select
    to_regclass('ledger.files') is not null
    and not exists (
        select from pg_attribute
        where attrelid = to_regclass('ledger.files') and attname = 'etag' and not attisdropped
    )
