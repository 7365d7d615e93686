"""Compare the objects of the newest state with their digests: a disk or a person may have changed them."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.lake import catalogue as iceberg
from sales_warehouse.lake.find_lake import find_location
from sales_warehouse.lake.objects import read_entries
from sales_warehouse.lake.states import read_state
from sales_warehouse.lake.store import Folder, Store
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.reporter import Reporter


@dataclass(frozen=True)
class Verified:
    """How many objects of a state were compared; `damaged` are those that are gone or have other bytes."""

    state: int
    objects: int
    damaged: tuple[str, ...]


def verify_objects(connect: Callable[[], Connection], reporter: Reporter) -> Verified:
    """Read each object of the newest state and compare its SHA-256 with the one of its entry.

    Raises `ConfigurationError` where nothing was exported yet.
    """
    with closing(connect()) as connection:
        with transaction(connection) as cursor:
            location = find_location(cursor)
        if location is None:
            raise ConfigurationError("Nothing was exported yet. Run `warehouse lake` first.")
        store = Folder(Path(location))
        with iceberg.open_catalogue(connect) as catalogue:
            state = read_state(catalogue)
            digests: dict[str, str | None] = {}
            for name, one in state.items():
                table = catalogue.load_table(name)
                snapshot = table.snapshot_by_id(one.snapshot_id)
                entries = read_entries(connection, name)
                for uri in iceberg.list_objects(table, snapshot.manifests(table.io) if snapshot else []):
                    digests[uri] = entries[uri].written.sha256 if uri in entries else None
    reporter.start(len(digests))
    damaged = []
    for uri, digest in digests.items():
        reporter.begin(uri.rsplit("/", 1)[-1])
        if _hash(store, uri) != digest or digest is None:
            damaged.append(uri)
        reporter.finish(None)
    return Verified(max((one.state for one in state.values()), default=0), len(digests), tuple(damaged))


def _hash(store: Store, uri: str) -> str | None:
    try:
        with store.open(uri) as file:
            return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
    except OSError:
        return None
