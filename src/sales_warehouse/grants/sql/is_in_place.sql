select obj_description(to_regnamespace('ledger'), 'pg_namespace') is not distinct from %(mark)s
    and not exists (
        select from unnest(%(schemas)s, %(owners)s) as wanted (schema, owner)
        left join pg_namespace on nspname = wanted.schema
        left join pg_roles on rolname = wanted.owner
        where nspowner is distinct from pg_roles.oid or pg_roles.oid is null
        or exists (
            select from pg_class where relnamespace = pg_namespace.oid and relkind in ('r', 'p', 'v', 'm')
            and relowner <> pg_roles.oid
        )
        or exists (select from pg_proc where pronamespace = pg_namespace.oid and proowner <> pg_roles.oid)
        or exists (select from pg_operator where oprnamespace = pg_namespace.oid and oprowner <> pg_roles.oid)
    )
    -- a copy of a database has the owners and the comment, but not the rights in the database itself
    and not exists (
        select from pg_roles
        where rolname = any(%(owners)s) and not has_database_privilege(oid, current_database(), 'create')
    )
