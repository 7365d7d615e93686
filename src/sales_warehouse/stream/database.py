"""The database of a stream: what cannot be done while it is away is tried again later."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.load.retry import may_pass
from sales_warehouse.stream.cluster import KafkaAway

Result = TypeVar("Result")

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 5.0


class DatabaseAway(Exception):
    """The database is away now, or its disk is full; the same work may succeed later."""


class Database:
    """A connection that comes back."""

    def __init__(self, connect: Callable[[], Connection], say: Callable[[str], None]) -> None:
        self._connect, self._say = connect, say
        self._connection: Connection | None = None
        self._wait = _FIRST_WAIT_SECONDS
        self._next_try = 0.0
        self._away_since: float | None = None  # by the monotonic clock

    @property
    def is_away(self) -> bool:
        """Say whether the last work failed, because the database was away."""
        return self._away_since is not None

    @property
    def away_seconds(self) -> float:
        """The seconds since it was noticed that the database is away."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Return what the work returns. Raises `DatabaseAway`, at once while the next try is not due."""
        if time.monotonic() < self._next_try:
            raise DatabaseAway
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
            result = work(self._connection)
        except KafkaAway:  # the work asks the cluster too, and the database is there
            raise
        except (psycopg2.Error, ServerUnreachable) as error:
            if not may_pass(error):
                raise
            self._note_away(error)
            raise DatabaseAway from error
        if self.is_away:
            self._say("The database is back.")
        self._away_since, self._wait, self._next_try = None, _FIRST_WAIT_SECONDS, 0.0
        return result

    def _note_away(self, error: Exception) -> None:
        self.close()
        if not self.is_away:
            first = (str(error).strip().splitlines() or [""])[0]
            self._say(f"The database is away ({first}). Waiting for it; no message is lost.")
            self._away_since = time.monotonic()
        self._next_try = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT_SECONDS)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(psycopg2.Error):
                self._connection.close()
        self._connection = None
