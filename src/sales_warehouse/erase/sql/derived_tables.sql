-- tables that dbt and the publications made, with the columns that may hold a text
select nspname, relname,
    jsonb_object_agg(attname, format_type(atttypid, atttypmod))
    filter (where atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'jsonb'::regtype)),
    count(*) filter (where attname in ('_file_id', '_row_number')) = 2
from pg_class
inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
where
    relkind = 'r' and relpersistence <> 't'
    and nspname ~ '(^|_)(staging|intermediate|marts|audit|reference|live|published_history|dbt_test__audit)$'
group by nspname, relname
order by nspname, relname
