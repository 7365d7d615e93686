-- The raw tables that may have rows of files whose feed is not declared any more. Known by what the loader gives each raw
-- table: its owner, its first columns and its index. A copy made by a person has no such index.
select format('%I.%I', pg_namespace.nspname, pg_class.relname)
from pg_class
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
where
    pg_class.relkind = 'r'
    and pg_class.relowner = (select relowner from pg_class where oid = 'ledger.files'::regclass)
    and (
        select array_agg(attname::text order by attnum) from pg_attribute where attrelid = pg_class.oid and attnum in (1, 2)
    ) = array['_file_id', '_row_number']
    and exists (
        select from pg_index
        inner join pg_class as indexes on pg_index.indexrelid = indexes.oid
        where pg_index.indrelid = pg_class.oid and right(indexes.relname, 9) = '__file_id'
    )
order by 1
