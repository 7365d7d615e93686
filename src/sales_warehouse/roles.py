"""The four roles of a warehouse, and how a session of a login becomes one of them.

Roles belong to the whole server, so their names begin with the name of the database. A database uses them when its role
loader owns the ledger; a database restored without owners does so after `warehouse grants --apply`.
"""

from typing import Literal, get_args

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.read_sql import read_sql

Role = Literal["loader", "transformer", "analyst", "reader"]
ROLES: tuple[Role, ...] = get_args(Role)

_NAME_BYTES = 63  # PostgreSQL cuts longer names off, and two roles would become one


def role_name(database: str, role: Role) -> str:
    """Return the role's name in this database. Raises `ConfigurationError` when names cannot be so long."""
    name = f"{database}_{role}"
    if len(name.encode()) > _NAME_BYTES:
        raise ConfigurationError(
            f"The name of the database {database} is too long for roles named after it: {name} has more than "
            f"{_NAME_BYTES} bytes. Give the database a shorter name."
        )
    return name


def take_role(cursor: Cursor, role: Role) -> str | None:
    """Work as this role from the commit on, if the database uses roles and the session's login may; return its name."""
    cursor.execute(read_sql("grants/sql/take_role.sql"), (role,))
    row = cursor.fetchone()
    return row[0] if row else None


def own_the_ledger(cursor: Cursor) -> bool:
    """Work as the ledger's owner until the transaction ends, if needed; return whether the session has its rights."""
    cursor.execute(read_sql("grants/sql/find_ledger_owner.sql"))
    found = cursor.fetchone()
    if found is None:
        return True  # there is no ledger yet, and who creates it owns it
    owner, has_rights, may_become = found
    if not has_rights and may_become:
        cursor.execute("select set_config('role', %s, true)", (owner,))
    return bool(has_rights or may_become)
