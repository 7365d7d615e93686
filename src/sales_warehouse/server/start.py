"""Start the embedded server and wait until it accepts connections."""

import os
import time
from pathlib import Path

import psycopg2

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.account import Account, user_name
from sales_warehouse.server.locate import CONFIGURATION_FILE, MAJOR_VERSION, START_SECONDS, pg_ctl
from sales_warehouse.server.observe import drop_misleading_lock_file, find_postmaster, port_is_taken, read_lock_file
from sales_warehouse.server.record import (
    HOST,
    PACKAGE,
    ServerRecord,
    fill_template,
    log_file,
    record_file,
    write_private,
)
from sales_warehouse.server.sessions import describe_refusal, is_passing, open_embedded
from sales_warehouse.server.size_memory import choose_work_mem, read_memory_bytes

APPLICATION = "warehouse up"
# exists on every server; the warehouse's database is created from it
MAINTENANCE_DATABASE = "postgres"
# how long backends of a killed server may run on before the start fails; an idle backend ends at once
ORPHAN_SECONDS = 60
PAUSE_SECONDS = 0.2


def is_accepting(record: ServerRecord) -> bool:
    """Say whether the server of `record` accepts connections now.

    Raises ServerUnreachable when it runs and refuses for a reason that does not pass.
    """
    # without the server's process another program may listen on the port and never answer
    if find_postmaster(record.data_directory) is None:
        return False
    try:
        open_embedded(record, application_name=APPLICATION, dbname=MAINTENANCE_DATABASE).close()
    except psycopg2.OperationalError as error:
        if is_passing(error):
            return False
        raise ServerUnreachable(
            f"The server on {HOST}:{record.port} runs but refuses connections: "
            f"{describe_refusal(error, record.password)} "
            "If its password or its access rules were changed, undo that, or update server.json."
        ) from None
    return True


def ensure_running(home: Path, record: ServerRecord, account: Account) -> None:
    """Start the server unless it runs, and return when it accepts connections. The caller holds the home's lock.

    Raises ConfigurationError when port or data directory belong to another program or user, ServerUnreachable when
    the server does not start.
    """
    if is_accepting(record):
        return
    _check_directory(record, account)
    if find_postmaster(record.data_directory) is not None and _waited(record):
        return
    _start(home, record, account)


def _check_directory(record: ServerRecord, account: Account) -> None:
    directory = record.data_directory
    owner = directory.stat().st_uid
    if owner != account.uid:
        raise ConfigurationError(
            f"The data directory {directory} belongs to user {user_name(owner)}, but the server would run as "
            f"{user_name(account.uid)}. Run the command as the user who made it, or set WAREHOUSE_HOME to another "
            "folder."
        )
    version_file = directory / "PG_VERSION"
    version = version_file.read_text(encoding="ascii").strip() if version_file.is_file() else "unknown"
    if version != MAJOR_VERSION:
        raise ConfigurationError(
            f"The data directory {directory} is of PostgreSQL {version}; the programs installed here are of "
            f"{MAJOR_VERSION}. Dump it with that version's pg_dump, or set WAREHOUSE_HOME to another "
            "folder."
        )
    named = read_lock_file(directory)
    if named is not None and named.data_directory != directory:
        if named.data_directory.exists():
            # files copied one after the other while they change are of no single moment
            raise ConfigurationError(
                f"{directory} was copied from {named.data_directory} while the server was running there, so the copy "
                "cannot be trusted. Stop that server, delete the copy and copy again."
            )
        if find_postmaster(directory) is not None:
            raise ConfigurationError(
                f"{directory} was moved from {named.data_directory} while its server was running, and it still runs "
                f"(process {named.pid}). `warehouse down` stops it; then run this again."
            )


def _waited(record: ServerRecord) -> bool:
    # a process is there: starting, recovering, or on its way down
    deadline = time.monotonic() + START_SECONDS
    while True:
        if is_accepting(record):
            return True
        postmaster = find_postmaster(record.data_directory)
        if postmaster is None:
            return False
        if postmaster.port not in (None, record.port):
            raise ConfigurationError(
                f"The server in {record.data_directory} (process {postmaster.pid}) listens on port {postmaster.port}, "
                f"not on {record.port} as in server.json. `warehouse down` stops it; then run this again."
            )
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The server in {record.data_directory} (process {postmaster.pid}) has not accepted connections on "
                f"{HOST}:{record.port} for {START_SECONDS} seconds. If its log shows that it still recovers from a "
                "crash, wait and run this again; else `warehouse down` stops it."
            )
        time.sleep(PAUSE_SECONDS)


def _start(home: Path, record: ServerRecord, account: Account) -> None:
    # at every start, because port and tuning may have changed
    values = {"host": HOST, "port": record.port, "work_mem_mb": choose_work_mem(read_memory_bytes()) // 1024**2}
    configuration = fill_template(PACKAGE, CONFIGURATION_FILE, **values)
    write_private(record.data_directory / CONFIGURATION_FILE, configuration, account)
    drop_misleading_lock_file(record.data_directory)
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        if port_is_taken(record.port):
            raise ConfigurationError(_say_port_is_taken(home, record))
        # The server inherits this file as its standard error, so it can write its log where it could not open one. Only
        # the owner can read it, because messages quote statements and lines of files.
        with os.fdopen(os.open(log_file(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            begin = log.tell()
            started = pg_ctl(account, "start", record.data_directory, output=log).returncode == 0
        if started and is_accepting(record):
            return
        complaint = _read_complaint(log_file(home), begin)
        orphaned = "still in use" in complaint or "already exists" in complaint
        if orphaned and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            continue
        if "Address already in use" in complaint:
            raise ConfigurationError(_say_port_is_taken(home, record))
        advice = (
            f"A process of the server that was killed still works in {record.data_directory}; wait for it or end it. "
            if orphaned
            else ""
        )
        raise ServerUnreachable(f"The server did not start: {complaint} {advice}The whole log is {log_file(home)}.")


def _say_port_is_taken(home: Path, record: ServerRecord) -> str:
    return (
        f"Port {record.port} on {HOST}, which this warehouse has used so far, is taken by another program. "
        f'Stop that program, or write another port into {record_file(home)} ("port"), and run this again.'
    )


def _read_complaint(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    # any of these lines may hold the reason (a wrong setting is only LOG), after a long shutdown further up
    fatal = [line for line in lines[:-6] if " FATAL: " in line or " PANIC: " in line]
    return " ".join(fatal[-1:] + lines[-6:] or ["no reason given."])
