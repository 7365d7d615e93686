-- one query per connection, also where there are no roles
select set_config('role', wanted.rolname, false)
from pg_namespace
inner join pg_roles as owner on nspowner = owner.oid and owner.rolname = current_database() || '_loader'
inner join pg_roles as wanted on wanted.rolname = current_database() || '_' || %s
where nspname = 'ledger' and pg_has_role(session_user, wanted.oid, 'set')
