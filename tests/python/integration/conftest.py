"""Fixtures of the tests that need a server."""

from pathlib import Path

import pytest
from deliver import Inbox, make_feed
from psycopg2.extensions import connection as Connection


@pytest.fixture
def inbox(connection: Connection, tmp_path: Path) -> Inbox:
    """The inbox of a small feed, with a database of its own."""
    return Inbox(tmp_path / "inbox", connection, make_feed())
