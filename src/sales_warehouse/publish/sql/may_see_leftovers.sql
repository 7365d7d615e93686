-- Asked of the catalogue: to_regclass needs the right to use the schema, and a new warehouse does not have the tables.
select
    coalesce(bool_or(nspname = 'audit' and relname = 'orphans'), false),
    coalesce(bool_or(nspname = 'ledger' and relname = 'history_tables'), false)
from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
where has_schema_privilege(pg_namespace.oid, 'usage') and has_table_privilege(pg_class.oid, 'select')
and nspname in ('audit', 'ledger') and relname in ('orphans', 'history_tables')
