"""Databases for tests, on a running server."""

import itertools
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from checkout import PROJECT
from sales_warehouse import server
from sales_warehouse.settings import ExternalServer, Settings


def read_connection(settings: Settings) -> dict[str, str]:
    """Return the PG* variables of a server, without the profile that `make run` may have written in this checkout."""
    return {name: value for name, value in server.environment(settings).items() if name.startswith("PG")}


class Databases:
    """Creates empty databases on the server of the session; they are deleted with it."""

    def __init__(self, embedded: Settings) -> None:
        self._embedded = embedded
        self._numbers = itertools.count(1)

    def make(self, folder: Path, name: str | None = None) -> Settings:
        """Return settings of a new database, as of an external server, with home and empty inbox below `folder`."""
        name = name or f"test_{next(self._numbers):04}"
        # half the time of wal_log, as nothing is synced here
        self._execute(f"create database {name} strategy file_copy")
        variables = server.environment(self._embedded)
        inbox = folder / "inbox"
        inbox.mkdir()
        external = ExternalServer(
            host=variables["PGHOST"],
            port=int(variables["PGPORT"]),
            user=variables["PGUSER"],
            password=variables["PGPASSWORD"],
            database=name,
        )
        return replace(self._embedded, project=PROJECT, home=folder / "home", inbox=inbox, external=external)

    def keep(self, settings: Settings) -> None:
        """Keep a copy of a database as it is now."""
        name = settings.external.database if settings.external else ""
        self._execute(f"create database {name}_kept template {name} strategy file_copy")

    def bring_back(self, settings: Settings) -> None:
        """Make a database the copy that was kept of it; its sessions end."""
        name = settings.external.database if settings.external else ""
        self._execute(
            f"drop database {name} with (force)", f"create database {name} template {name}_kept strategy file_copy"
        )

    def _execute(self, *statements: str) -> None:
        with closing(server.connect(self._embedded, application_name="test")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
