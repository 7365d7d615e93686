"""The roles of a warehouse and their rights, as one SQL text."""

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.transaction import transaction

ROLES = ("loader", "transformer", "analyst", "reader")
OWNERS = {
    "raw": "loader",
    "ledger": "loader",
    "staging": "transformer",
    "intermediate": "transformer",
    "marts": "transformer",
    "audit": "transformer",
    "reference": "transformer",
    "published": "transformer",
    "published_history": "transformer",
}
# Audit is not among them: a rebuilt audit.quarantined_rows must not open by itself.
READERS = {
    "raw": ("transformer",),
    "ledger": ("transformer",),
    "marts": ("analyst",),
    "reference": ("analyst",),
    "published": ("analyst", "reader"),
}
PUBLICATION_TABLES = (
    "green_builds",
    "publications",
    "published_marts",
    "history_tables",
    "current_publication",
    "publication_switches",
)

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
        select oid::regclass as name from pg_class
        where relnamespace = {literal}::regnamespace and relkind in ('r', 'p', 'v', 'm')
            and relowner <> {owner_literal}::regrole
        order by oid
    loop
        execute format('alter table %s owner to %I', one.name, {owner_literal_name});
    end loop;
end $$;
"""
_READER = """\
grant usage on schema {schema} to {role};
grant select on all tables in schema {schema} to {role};
alter default privileges in schema {schema} grant select on tables to {role};
alter default privileges for role {owner} in schema {schema} grant select on tables to {role};
"""
# what was delivered stands in it word for word, names and addresses too
_AUDIT = """\
grant usage on schema audit to {role};
grant select on all tables in schema audit to {role};
do $$ begin
    if to_regclass('audit.quarantined_rows') is not null then
        revoke select on audit.quarantined_rows from {role};
    end if;
end $$;
"""


def role_name(database: str, role: str) -> str:
    """The role's name in this database; roles belong to the whole server, so it carries the database's name."""
    return f"{database}_{role}"


def write_grants(connection: Connection) -> str:
    """Return the SQL that makes the roles of the connection's database and gives them their rights; runs nothing."""
    database = connection.info.dbname
    names = {role: role_name(database, role) for role in ROLES}
    roles = {role: sql.Identifier(name) for role, name in names.items()}
    parts: list[sql.Composable] = [
        sql.SQL(_ROLE).format(role=roles[role], literal=sql.Literal(names[role])) for role in ROLES
    ]
    for role in ("loader", "transformer", "analyst"):
        parts.append(sql.SQL("grant create on database {} to {};\n").format(sql.Identifier(database), roles[role]))
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
    parts.append(sql.SQL(_AUDIT).format(role=roles["analyst"]))
    for table in PUBLICATION_TABLES:
        parts.append(
            sql.SQL("grant insert, update, delete on {} to {};\n").format(
                sql.Identifier("ledger", table), roles["transformer"]
            )
        )
    return sql.SQL("\n").join(parts).as_string(connection)


def apply_grants(connection: Connection) -> None:
    """Run what `write_grants` returns, all or none; a second time changes nothing."""
    text = write_grants(connection)
    with transaction(connection) as cursor:
        cursor.execute("set local client_min_messages = warning")
        cursor.execute(text)
