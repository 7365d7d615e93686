create schema if not exists {schema};
alter schema {schema} owner to {owner};
do $$ declare one record; begin
    for one in
        with owner as (select oid from pg_roles where rolname = {owner_text})
        select format('table %s', pg_class.oid::regclass) as object from pg_class, owner
        where relnamespace = {schema_text}::regnamespace and relkind in ('r', 'p', 'v', 'm') and relowner <> owner.oid
        union all
        select format('routine %s', pg_proc.oid::regprocedure) from pg_proc, owner
        where pronamespace = {schema_text}::regnamespace and proowner <> owner.oid
        union all
        select format('operator %s', pg_operator.oid::regoperator) from pg_operator, owner
        where oprnamespace = {schema_text}::regnamespace and oprowner <> owner.oid
    loop
        execute format('alter %s owner to %I', one.object, {owner_text});
    end loop;
end $$;
