select owner.rolname, pg_has_role(current_user, owner.oid, 'usage'), pg_has_role(session_user, owner.oid, 'set')
from pg_namespace inner join pg_roles as owner on nspowner = owner.oid
where nspname = 'ledger'
