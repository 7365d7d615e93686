"""`warehouse up` and `warehouse down`: create, start, describe and stop the server."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from psycopg2 import sql

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.account import server_account
from sales_warehouse.server.describe import ServerState, describe_embedded, describe_external
from sales_warehouse.server.initialise import initialise
from sales_warehouse.server.locate import START_SECONDS, belongs_to, pg_ctl
from sales_warehouse.server.lock import exclusive
from sales_warehouse.server.observe import find_postmaster
from sales_warehouse.server.profiles import write_profiles
from sales_warehouse.server.record import ServerRecord, log_file, read_record, server_directory
from sales_warehouse.server.sessions import open_embedded
from sales_warehouse.server.start import APPLICATION, MAINTENANCE_DATABASE, ensure_running, settle_record
from sales_warehouse.settings import Settings

# another `up` may be in a long recovery
LOCK_SECONDS = START_SECONDS + 30


def up(settings: Settings) -> ServerState:
    """Start the server and write profiles.yml. A second call changes nothing.

    The embedded server is created at the first call and started when it is down. An external server (PGHOST) is only
    checked: that it answers, and its version.
    Returns the server's state, with notes for the person. Raises ConfigurationError when a setting, the port or the
    data directory is not usable, ServerUnreachable when the server does not answer.
    """
    try:
        state = describe_external(settings.external) if settings.external else _bring_up_embedded(settings.home)
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
        state = describe_embedded(home, record)
    return replace(state, notes=notes + state.notes)


def _ensure_database(record: ServerRecord) -> None:
    with closing(open_embedded(record, application_name=APPLICATION, dbname=MAINTENANCE_DATABASE)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (record.database,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(record.database)))
