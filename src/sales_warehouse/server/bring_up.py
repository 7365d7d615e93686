"""`warehouse up`, `warehouse status` and `warehouse down`: create, start, describe and stop the server."""

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psycopg2
from psycopg2 import sql

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.account import server_account
from sales_warehouse.server.initialise import initialise, settle_record
from sales_warehouse.server.locate import START_SECONDS, belongs_to, is_elsewhere, pg_ctl
from sales_warehouse.server.observe import find_postmaster
from sales_warehouse.server.profiles import write_profiles
from sales_warehouse.server.record import HOST, ServerRecord, exclusive, log_file, read_record, server_directory
from sales_warehouse.server.sessions import describe_refusal, open_embedded, open_external, show
from sales_warehouse.server.start import APPLICATION, MAINTENANCE_DATABASE, ensure_running
from sales_warehouse.settings import ExternalServer, Settings

# another `up` may be in a long recovery
LOCK_SECONDS = START_SECONDS + 30
STATUS_APPLICATION = "warehouse status"


@dataclass(frozen=True)
class ServerState:
    """The server as it is now, without its password; None for what is not known.

    `warehouse` starts only an embedded server. `notes` are sentences for the person.
    """

    kind: Literal["embedded", "external"]
    condition: Literal["running", "stopped", "never made"]
    host: str
    port: int | None = None
    user: str | None = None
    database: str | None = None
    version: str | None = None
    pid: int | None = None
    data_directory: Path | None = None
    log: Path | None = None
    notes: tuple[str, ...] = ()


def up(settings: Settings) -> ServerState:
    """Start the server and write profiles.yml. A second call changes nothing.

    The embedded server is created at the first call and started when it is down. An external server (PGHOST) is only
    checked: that it answers, and its version.
    Returns the server's state, with notes for the person. Raises ConfigurationError when a setting, the port or the
    data directory is not usable, ServerUnreachable when the server does not answer.
    """
    try:
        state = _describe_external(settings.external) if settings.external else _bring_up_embedded(settings.home)
        profile_notes = write_profiles(settings)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or settings.home} cannot be used: {error.strerror or error}. "
            "Check its owner, its rights and the free space."
        ) from error
    return replace(state, notes=state.notes + profile_notes)


def down(settings: Settings) -> bool:
    """Stop the embedded server: open transactions are rolled back, everything committed is on disk.

    Returns whether it was running. Raises ConfigurationError for an external server, ServerUnreachable when the
    embedded one does not stop.
    """
    if settings.external is not None:
        raise ConfigurationError(
            f"The server {settings.external.host}:{settings.external.port} was not started by `warehouse`, "
            "which therefore does not stop it. Without PGHOST, `warehouse down` stops the embedded server."
        )
    if read_record(settings.home) is None:
        return False
    with exclusive(server_directory(settings.home) / "lock", wait_seconds=LOCK_SECONDS):
        record = read_record(settings.home)
        if record is None:
            return False
        directory = record.data_directory
        if not belongs_to(settings.home, directory):
            # the home was moved here while its server was running, or copied
            directory = server_directory(settings.home) / "data"
        postmaster = find_postmaster(directory)
        if postmaster is None:
            return False
        if postmaster.data_directory != directory and postmaster.data_directory.exists():
            raise ConfigurationError(
                f"The server with process {postmaster.pid} works in {postmaster.data_directory}, "
                f"not in {directory}, which was copied from there. It is not stopped."
            )
        stopped = pg_ctl(server_account(), "stop", directory)
        if find_postmaster(directory) is not None:
            raise ServerUnreachable(
                f"The server (process {postmaster.pid}) did not stop: {stopped.stdout.strip()} "
                f"See {log_file(settings.home)}."
            )
    return True


def status(settings: Settings) -> ServerState:
    """Describe the server without starting or changing anything.

    Raises ServerUnreachable when an external server does not answer, ConfigurationError when server.json cannot be
    read.
    """
    if settings.external is not None:
        return _describe_external(settings.external)
    record = read_record(settings.home)
    if record is None or not record.initialised:
        return ServerState("embedded", "never made", HOST, notes=("`warehouse up` makes it.",))
    return _describe_embedded(settings.home, record)


def _bring_up_embedded(home: Path) -> ServerState:
    directory = server_directory(home)
    directory.mkdir(parents=True, exist_ok=True)
    account = server_account()
    if account.switch:
        # search permission, whatever the umask is; the home itself keeps its mode
        directory.chmod(0o711)
    with exclusive(directory / "lock", wait_seconds=LOCK_SECONDS) as lock:
        record = read_record(home)
        notes: tuple[str, ...] = ()
        if record is None or not record.initialised:
            record, notes = initialise(home, account, lock)
        else:
            record = settle_record(home, record)
        ensure_running(home, record, account)
        _ensure_database(record)
        state = _describe_embedded(home, record)
    return replace(state, notes=notes + state.notes)


def _ensure_database(record: ServerRecord) -> None:
    with closing(open_embedded(record, application_name=APPLICATION, dbname=MAINTENANCE_DATABASE)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (record.database,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(record.database)))


def _describe_external(server: ExternalServer) -> ServerState:
    """Connect to an external server and describe it. Raises as `open_external`."""
    with closing(open_external(server, application_name=STATUS_APPLICATION)) as connection:
        version = show(connection, "server_version").split()[0]
    return ServerState("external", "running", server.host, server.port, server.user, server.database, version)


def _describe_embedded(home: Path, record: ServerRecord) -> ServerState:
    """Describe the embedded server of `home`. Raises ConfigurationError when another server answers in its place."""
    if not belongs_to(home, record.data_directory):
        note = f"The home was moved or copied from that of {record.data_directory}; `warehouse up` corrects its record."
        return ServerState("embedded", "stopped", HOST, notes=(note,))
    postmaster = find_postmaster(record.data_directory)
    version: str | None = None
    notes: list[str] = []
    if is_elsewhere(record.data_directory):
        notes.append(
            f"The database is in {record.data_directory.parent}, because the server runs as another user than root "
            f"and that user cannot enter {home}. Deleting the home does not delete it."
        )
    if postmaster is not None:
        try:
            with closing(
                open_embedded(record, application_name=STATUS_APPLICATION, dbname=MAINTENANCE_DATABASE)
            ) as connection:
                version = show(connection, "server_version").split()[0]
        except psycopg2.OperationalError as error:
            notes.append(f"It refuses connections: {describe_refusal(error, record.password)}")
    return ServerState(
        kind="embedded",
        condition="running" if postmaster else "stopped",
        host=HOST,
        port=record.port,
        user=record.user,
        database=record.database,
        version=version,
        pid=postmaster.pid if postmaster else None,
        data_directory=record.data_directory,
        log=log_file(home),
        notes=tuple(notes),
    )
