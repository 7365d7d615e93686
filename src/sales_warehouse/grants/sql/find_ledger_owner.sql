-- a standby has the rights, and changes nothing
select
    owner.rolname, pg_has_role(current_user, owner.oid, 'usage') and not pg_is_in_recovery(),
    pg_has_role(session_user, owner.oid, 'set') and not pg_is_in_recovery()
from pg_namespace inner join pg_roles as owner on nspowner = owner.oid
where nspname = 'ledger'
