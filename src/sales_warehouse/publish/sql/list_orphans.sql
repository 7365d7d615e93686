-- orphans as of the last build that were not dropped since
select name, kind, last_built_at::date
from audit.orphans
where exists (
    select from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
    where format('%I.%I', nspname, relname) = name
)
order by name
