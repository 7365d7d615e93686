-- columns of tables and materialized views that may hold a text
select nspname, relname, array_agg(attname::text order by attnum), array_agg(typname::text order by attnum)
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
inner join pg_type on pg_type.oid = atttypid
where
    relkind in ('r', 'm') and relpersistence <> 't' and nspname !~ '^pg_' and nspname <> 'information_schema'
    and typname in ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'xml', 'bytea', '_text', '_varchar')
    and has_table_privilege(pg_class.oid, 'select')
group by nspname, relname
order by nspname, relname
