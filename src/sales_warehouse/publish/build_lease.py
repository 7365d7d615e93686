"""The lease of a build, for commands that must not run beside one: see sql/lease.sql."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.ledger.transaction import transaction

_MOMENT_SECONDS = 0.5
_ABANDONED_SECONDS = 30  # as build_lease_seconds of dbt_project.yml


@dataclass(frozen=True)
class Lease:
    """The lease, until another build takes it over because no transaction holds it."""

    name: str

    def hold(self, cursor: Cursor) -> None:
        """Keep the lease until the transaction ends."""
        cursor.execute("select ledger.hold_build_lease(%s)", (self.name,))


@contextmanager
def as_the_builder(connection: Connection, command: str, say: Callable[[str], None]) -> Iterator[Lease]:
    """Have the lease within the block; wait while a build is at work, and `say` so."""
    lease = Lease(f"{command} {uuid4().hex}")
    _take(connection, lease, command, say)
    try:
        yield lease
    finally:
        with transaction(connection) as cursor:
            cursor.execute("select ledger.give_back_build_lease(%s)", (lease.name,))


def _take(connection: Connection, lease: Lease, command: str, say: Callable[[str], None]) -> None:
    owner, abandoned, last_seen = None, "", 0.0
    while True:
        with transaction(connection) as cursor:
            cursor.execute(
                "select invocation_id, command, login, held_by from ledger.try_build_lease(%s, %s, %s)",
                (lease.name, command, abandoned),
            )
            [(found, its_command, login, held_by)] = cursor.fetchall()
        if found == lease.name:
            return
        if found != owner:
            say(f"A build is at work: {its_command} of {login} (invocation {found}). Waiting for it to end.")
        if found != owner or held_by is not None:
            owner, abandoned, last_seen = found, "", time.monotonic()
        elif time.monotonic() - last_seen > _ABANDONED_SECONDS:
            abandoned = found
        time.sleep(_MOMENT_SECONDS)
