-- the tables whose rows are single records
select nspname || '.' || relname
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where
    relkind in ('r', 'v', 'm', 'p')
    and (nspname like '%marts' or nspname like '%staging' or nspname like '%audit')
    and exists (select 1 from pg_attribute where attrelid = pg_class.oid and attname = '_row_number')
order by 1 limit 20
