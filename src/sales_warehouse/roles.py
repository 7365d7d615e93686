"""The four roles of a warehouse, and how a session of a login becomes one of them.

Roles belong to the whole server, so their names carry that of the database. They are in use in a database when the
ledger belongs to its loader; a database restored without owners has none until the grants are applied.
"""

from typing import Literal, get_args

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError

Role = Literal["loader", "transformer", "analyst", "reader"]
ROLES: tuple[Role, ...] = get_args(Role)

_NAME_BYTES = 63  # longer ones PostgreSQL cuts off, and then two roles would be one

# one query at each connection, and none more where there are no roles
_TAKE = """
select set_config('role', wanted.rolname, false)
from pg_namespace as books
inner join pg_roles as owner on books.nspowner = owner.oid and owner.rolname = current_database() || '_loader'
inner join pg_roles as wanted on wanted.rolname = current_database() || '_' || %s
where books.nspname = 'ledger' and pg_has_role(session_user, wanted.oid, 'set')
"""
_OWNER = """
select owner.rolname, pg_has_role(current_user, owner.oid, 'usage'), pg_has_role(session_user, owner.oid, 'set')
from pg_namespace as books inner join pg_roles as owner on books.nspowner = owner.oid
where books.nspname = 'ledger'
"""


def role_name(database: str, role: Role) -> str:
    """The role's name in this database. Raises `ConfigurationError` when it would be longer than names can be."""
    name = f"{database}_{role}"
    if len(name.encode()) > _NAME_BYTES:
        raise ConfigurationError(
            f"The name of the database {database} is too long for roles named after it: {name} has more than "
            f"{_NAME_BYTES} bytes. Give the database a shorter name."
        )
    return name


def take_role(cursor: Cursor, role: Role) -> None:
    """Work as this role from the commit on, if roles are in use here and the session's login may; else as before."""
    cursor.execute(_TAKE, (role,))


def own_the_ledger(cursor: Cursor) -> bool:
    """Work as the ledger's owner until the transaction ends, where that is needed; say whether that is so now.

    Whoever may not is a reader of books that others keep.
    """
    cursor.execute(_OWNER)
    found = cursor.fetchone()
    if found is None:
        return True  # no ledger yet: whoever makes it owns it
    owner, has_rights, may_become = found
    if not has_rights and may_become:
        cursor.execute("select set_config('role', %s, true)", (owner,))
    return bool(has_rights or may_become)
