"""The roles of a warehouse and their rights, as one SQL text."""

from hashlib import sha256

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.roles import ROLES, Role, role_name

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
}
# What was delivered stands in them word for word, names and addresses too. The models say so, `meta.personal`, and
# close the relation again whenever they make it (macros/publish/close_personal.sql).
PERSONAL = ("audit.quarantined_rows",)
PUBLICATION_TABLES = (
    "green_builds",
    "publications",
    "published_marts",
    "history_tables",
    "current_publication",
    "publication_switches",
)

_ONE_AT_A_TIME = 0x5A1E_0006
_PATIENCE = "60s"  # tables change hands, so whoever reads them is waited for, but not for ever

_ROLE = """\
do $$ begin
    if not exists (select from pg_roles where rolname = {literal}) then
        create role {role} nologin;
    end if;
    if not pg_has_role(current_user, {literal}, 'usage') then
        grant {role} to current_user;
    end if;
end $$;
"""
_OWNER = """\
create schema if not exists {schema};
alter schema {schema} owner to {owner};
do $$ declare one record; begin
    for one in
        select format('table %s', oid::regclass) as object from pg_class
        where relnamespace = {literal}::regnamespace and relkind in ('r', 'p', 'v', 'm')
            and relowner <> {owner_literal}::regrole
        union all
        select format('routine %s', oid::regprocedure) from pg_proc
        where pronamespace = {literal}::regnamespace and proowner <> {owner_literal}::regrole
        union all
        select format('operator %s', oid::regoperator) from pg_operator
        where oprnamespace = {literal}::regnamespace and oprowner <> {owner_literal}::regrole
    loop
        execute format('alter %s owner to %I', one.object, {owner_literal_name});
    end loop;
end $$;
"""
_READER = """\
grant usage on schema {schema} to {role};
grant select on all tables in schema {schema} to {role};
alter default privileges in schema {schema} grant select on tables to {role};
alter default privileges for role {owner} in schema {schema} grant select on tables to {role};
"""
_PERSONAL = """\
do $$ begin
    if to_regclass({literal}) is not null then
        revoke all on {table} from {role};
    end if;
end $$;
"""
# what a backup of the ledger reads
_SEQUENCES = """\
grant select on all sequences in schema ledger to {role};
alter default privileges for role {owner} in schema ledger grant select on sequences to {role};
"""
# which files a build sees: a build in a schema of an analyst's own begins with that
_EVENTS = """\
grant usage on schema ledger to {role};
grant select on ledger.file_events to {role};
"""
_LOGINS = """\
-- A login that runs dbt works as transformer by default; docs/operations.md tells which logins there are:
-- alter role ... in database {database} set role = {transformer};
"""
_LOGIN = """\
alter role {login} in database {database} set role = {transformer};
"""
_IS_IN_PLACE = """
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
"""


def write_grants(connection: Connection) -> str:
    """Return the SQL that makes the roles of the connection's database and gives them their rights; runs nothing.

    Raises `ConfigurationError` when the database's name is too long for them.
    """
    database = connection.info.dbname
    names = {role: role_name(database, role) for role in ROLES}
    roles = {role: sql.Identifier(name) for role, name in names.items()}
    loader, transformer, analyst = roles["loader"], roles["transformer"], roles["analyst"]
    parts: list[sql.Composable] = [
        sql.SQL(_ROLE).format(role=roles[role], literal=sql.Literal(names[role])) for role in ROLES
    ]
    for role in ROLES:
        right = "connect" if role == "reader" else "connect, create, temporary"
        parts.append(
            sql.SQL(f"grant {right} on database {{}} to {{}};\n").format(sql.Identifier(database), roles[role])
        )
    for schema, owner in OWNERS.items():
        parts.append(
            sql.SQL(_OWNER).format(
                schema=sql.Identifier(schema),
                literal=sql.Literal(schema),
                owner=roles[owner],
                owner_literal=sql.Literal(roles[owner].as_string(connection)),
                owner_literal_name=sql.Literal(names[owner]),
            )
        )
    for schema, readers in READERS.items():
        for role in readers:
            parts.append(
                sql.SQL(_READER).format(schema=sql.Identifier(schema), role=roles[role], owner=roles[OWNERS[schema]])
            )
    for table in PERSONAL:
        name = sql.Identifier(*table.split("."))
        parts.append(sql.SQL(_PERSONAL).format(literal=sql.Literal(table), table=name, role=analyst))
    parts.append(sql.SQL(_SEQUENCES).format(role=transformer, owner=loader))
    parts.append(sql.SQL(_EVENTS).format(role=analyst))
    for table in PUBLICATION_TABLES:
        parts.append(
            sql.SQL("grant insert, update, delete on {} to {};\n").format(sql.Identifier("ledger", table), transformer)
        )
    parts.append(
        sql.SQL(_LOGINS).format(database=sql.Identifier(database), transformer=sql.Literal(names["transformer"]))
    )
    return sql.SQL("\n").join(parts).as_string(connection)


def apply_grants(connection: Connection) -> bool:
    """Run what `write_grants` returns, all or none, unless nothing would change; say whether it was run.

    The connection's login works as transformer in this database from its next session on, where it asks for no other
    role: so does dbt, which asks for none. Raises `psycopg2.Error` when the login may not give these rights, or a table
    that is to change hands is in use for a minute.
    """
    text = write_grants(connection) + write_default_role(connection)
    # a comment, so that a look is enough the next time; a restored one stands beside owners that are not the roles
    mark = f"Rights as of `warehouse grants` {sha256(text.encode()).hexdigest()}"
    with transaction(connection) as cursor:
        if _is_in_place(cursor, connection.info.dbname, mark):
            return False
        cursor.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        if _is_in_place(cursor, connection.info.dbname, mark):
            return False
        cursor.execute(f"set local client_min_messages = warning; set local lock_timeout = '{_PATIENCE}'")
        cursor.execute(text)
        cursor.execute(sql.SQL("comment on schema ledger is {}").format(sql.Literal(mark)))
    return True


def write_default_role(connection: Connection) -> str:
    """Return the SQL by which the connection's login works as transformer here when it asks for no role."""
    database = connection.info.dbname
    statement = sql.SQL(_LOGIN).format(
        login=sql.Identifier(connection.info.user),
        database=sql.Identifier(database),
        transformer=sql.Literal(role_name(database, "transformer")),
    )
    return statement.as_string(connection)


def _is_in_place(cursor: Cursor, database: str, mark: str) -> bool:
    owners = [role_name(database, role) for role in OWNERS.values()]
    cursor.execute(_IS_IN_PLACE, {"mark": mark, "schemas": list(OWNERS), "owners": owners})
    return cursor.fetchone() == (True,)
