"""Describe the state of the server."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg2

from sales_warehouse.server.locate import belongs_to, is_elsewhere
from sales_warehouse.server.observe import find_postmaster
from sales_warehouse.server.record import HOST, ServerRecord, log_file, read_record
from sales_warehouse.server.sessions import describe_refusal, open_embedded, open_external, show
from sales_warehouse.server.start import MAINTENANCE_DATABASE
from sales_warehouse.settings import ExternalServer, Settings

APPLICATION = "warehouse status"


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


def status(settings: Settings) -> ServerState:
    """Describe the server without starting or changing anything.

    Raises ServerUnreachable when an external server does not answer, ConfigurationError when server.json cannot be
    read.
    """
    if settings.external is not None:
        return describe_external(settings.external)
    record = read_record(settings.home)
    if record is None or not record.initialised:
        return ServerState("embedded", "never made", HOST, notes=("`warehouse up` makes it.",))
    return describe_embedded(settings.home, record)


def describe_external(server: ExternalServer) -> ServerState:
    """Connect to an external server and describe it. Raises as `open_external`."""
    with closing(open_external(server, application_name=APPLICATION)) as connection:
        version = show(connection, "server_version").split()[0]
    return ServerState("external", "running", server.host, server.port, server.user, server.database, version)


def describe_embedded(home: Path, record: ServerRecord) -> ServerState:
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
                open_embedded(record, application_name=APPLICATION, dbname=MAINTENANCE_DATABASE)
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
