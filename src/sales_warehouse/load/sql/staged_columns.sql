-- the typed columns that these staging views have in common, without lineage and what is made of it
select attname::text
from pg_attribute
inner join pg_class on pg_class.oid = attrelid
inner join pg_namespace on pg_namespace.oid = relnamespace
where
    nspname = 'staging' and relname = any(%(views)s) and attnum > 0 and not attisdropped
    and attname not in ('sales_line_id', 'row_status', 'row_issues', 'delivered_values')
    and attname not like '\_%%'
    and has_schema_privilege(pg_namespace.oid, 'usage') and has_table_privilege(pg_class.oid, 'select')
group by attname
having count(*) = cardinality(%(views)s) and count(distinct (atttypid, atttypmod)) = 1
order by attname
