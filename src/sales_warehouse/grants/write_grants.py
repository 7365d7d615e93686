"""The roles of a warehouse and their rights, as one SQL text, and the set-up of a database by `warehouse up`."""

from contextlib import closing
from hashlib import sha256

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.read_sql import read_sql
from sales_warehouse.roles import ROLES, Role, role_name
from sales_warehouse.settings import Settings

OWNERS: dict[str, Role] = {
    "raw": "loader",
    "ledger": "loader",
    "staging": "transformer",
    "intermediate": "transformer",
    "marts": "transformer",
    "audit": "transformer",
    "reference": "transformer",
    "published": "transformer",
    "published_as_of": "transformer",
    "published_history": "transformer",
    "live": "transformer",
}
READERS: dict[str, tuple[Role, ...]] = {
    "raw": ("transformer",),
    "ledger": ("transformer",),
    "intermediate": ("analyst",),
    "marts": ("analyst",),
    "audit": ("analyst",),
    "reference": ("analyst",),
    "published": ("analyst", "reader"),
    "published_as_of": ("analyst", "reader"),
    "live": ("analyst", "reader"),
}
# Schemas in which readers read only what is given to them by name (macros/publish/open_to_readers.sql).
ENTERED: dict[str, tuple[Role, ...]] = {"audit": ("reader",)}
# Relations with personal data. Their models declare `meta.personal` and revoke the right again whenever they create
# the relation (macros/publish/close_personal.sql).
PERSONAL = ("audit.quarantined_rows",)

_APPLY_LOCK = 0x5A1E_0006
_LOCK_TIMEOUT = "60s"  # for readers of a table whose owner changes


def write_grants(connection: Connection) -> str:
    """Return the SQL that creates the roles of the connection's database and grants their rights; runs nothing.

    Raises `ConfigurationError` when the database's name is too long for role names.
    """
    database = connection.info.dbname
    names: dict[str, str] = {role: role_name(database, role) for role in ROLES}
    parts = [_fill("role", database=database, role=name) for name in names.values()]
    for schema, owner in OWNERS.items():
        parts.append(_fill("owner", schema=schema, owner=names[owner]))
    for schema, readers in READERS.items():
        for role in readers:
            parts.append(_fill("reader", schema=schema, reader=names[role], owner=names[OWNERS[schema]]))
    for schema, roles in ENTERED.items():
        for role in roles:
            parts.append(_fill("enter", schema=schema, reader=names[role]))
    for table in PERSONAL:
        parts.append(_fill("personal", table=table, reader=names["analyst"]))
    parts.append(_fill("ledger", database=database, **names))
    return sql.SQL("\n").join(parts).as_string(connection)


def apply_grants(connection: Connection) -> bool:
    """Run what `write_grants` returns, all or none, unless nothing would change; return whether it was run.

    From its next session on, the connection's login works as transformer in this database unless it asks for another
    role; dbt asks for none. Raises `psycopg2.Error` when the login may not grant these rights, or when a table whose
    owner changes is in use for a minute.
    """
    database, login = connection.info.dbname, connection.info.user
    text = write_grants(connection)
    default_role = _fill("default_role", login=login, database=database, transformer=role_name(database, "transformer"))
    text += default_role.as_string(connection)
    # A comment on the schema shows the next call that nothing changed. Owners are checked too, because a restored
    # database has the comment but may have other owners.
    mark = f"Rights as of `warehouse grants` {sha256(text.encode()).hexdigest()}"
    with transaction(connection) as cursor:
        for is_locked in (False, True):
            if _is_in_place(cursor, database, mark):
                return False
            if not is_locked:
                cursor.execute("select pg_advisory_xact_lock(%s)", (_APPLY_LOCK,))
        cursor.execute(f"set local client_min_messages = warning; set local lock_timeout = '{_LOCK_TIMEOUT}'")
        cursor.execute(text)
        cursor.execute(sql.SQL("comment on schema ledger is {}").format(sql.Literal(mark)))
    return True


def set_up(settings: Settings, application_name: str) -> None:
    """Create or upgrade the warehouse; on the embedded server the roles and their rights too.

    On any other server its DBA creates the roles: `warehouse grants`. Raises what `server.connect`, `read_feeds` and
    `apply_grants` raise.
    """
    feeds = read_feeds(settings.project)
    is_ours = settings.external is None
    role: Role | None = None if is_ours else "loader"
    with closing(server.connect(settings, application_name=application_name, role=role)) as connection:
        prepare_warehouse(connection, feeds)
        if is_ours:
            apply_grants(connection)


def _fill(script: str, **names: str) -> sql.Composed:
    """Return a script with each `{name}` as an identifier and each `{name_text}` as a literal."""
    values: dict[str, sql.Composable] = {name: sql.Identifier(value) for name, value in names.items()}
    values |= {f"{name}_text": sql.Literal(value) for name, value in names.items()}
    return sql.SQL(read_sql(f"grants/sql/{script}.sql")).format(**values)


def _is_in_place(cursor: Cursor, database: str, mark: str) -> bool:
    owners = [role_name(database, role) for role in OWNERS.values()]
    cursor.execute(read_sql("grants/sql/is_in_place.sql"), {"mark": mark, "schemas": list(OWNERS), "owners": owners})
    return cursor.fetchone() == (True,)
