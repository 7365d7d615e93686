"""What the processes say of themselves: the pages of the master in JSON, and sessions of the Thrift server."""

import getpass
import json
import socket
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.server.record import HOST
from sales_warehouse.spark.catalogue import CATALOGUE

_ANSWER_SECONDS = 15


@dataclass(frozen=True)
class MasterView:
    """What the master knows: the pages of the workers that live, as addresses, and the names of programs at work."""

    worker_pages: frozenset[str]
    apps: frozenset[str]


def page_address(port: int) -> str:
    """Return the address of a web page."""
    return f"http://{HOST}:{port}"


def ask_master(page: int) -> MasterView | None:
    """Return what the master knows, None when it does not answer."""
    try:
        found = read_json(page, "/json/")
    except (OSError, HTTPException, ValueError):
        return None
    return MasterView(
        worker_pages=frozenset(it["webuiaddress"] for it in found["workers"] if it["state"] == "ALIVE"),
        apps=frozenset(it["name"] for it in found["activeapps"]),
    )


def read_json(page: int, path: str) -> Any:
    """Return what a web page of Spark gives as JSON. Raises OSError, HTTPException or ValueError when it gives none."""
    # no proxy of the person's environment is asked, as by urllib
    with closing(HTTPConnection(HOST, page, timeout=_ANSWER_SECONDS)) as connection:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())


@dataclass(frozen=True)
class Work:
    """The tasks that executors have run for the Thrift server since its start, and the time they took together."""

    tasks: int
    seconds: float


def read_work(page: int) -> dict[str, Work]:
    """Return what the executors of each worker have run, by the address of the worker's page.

    By the interface of the Thrift server's page; empty when it does not answer.
    """
    found: dict[str, Work] = {}
    try:
        for app in read_json(page, "/api/v1/applications"):
            # those that ended too
            for one in read_json(page, f"/api/v1/applications/{app['id']}/allexecutors"):
                if log := one["executorLogs"].get("stderr"):
                    worker = log.partition("/logPage/")[0]
                    before = found.get(worker, Work(0, 0))
                    seconds = before.seconds + one["totalDuration"] / 1000
                    found[worker] = Work(before.tasks + one["completedTasks"], seconds)
    except (OSError, HTTPException, ValueError, KeyError):
        return {}
    return found


def accepts_sessions(port: int) -> bool:
    """Say whether the Thrift server listens, which it does when it is ready."""
    try:
        socket.create_connection((HOST, port), timeout=_ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def make_default_namespace(port: int) -> None:
    """Create the namespace that every session of PyHive, and so of dbt, asks for first.

    Raises ServerUnreachable when the Thrift server or the catalogue does not do it.
    """
    from pyhive import hive
    from thrift.Thrift import TException

    try:
        # as a database, because PyHive has no other parameter; that of Spark's own catalogue exists always
        with closing(
            hive.connect(HOST, port, username=getpass.getuser(), database="spark_catalog`.`default")
        ) as session:
            session.cursor().execute(f"create namespace if not exists {CATALOGUE}.default")
    except (OSError, TException, hive.Error) as error:
        raise ServerUnreachable(
            f"Spark's Thrift server on {HOST}:{port} cannot create a namespace: {find_reason(error)}"
        ) from None


def find_reason(error: Exception) -> str:
    """Return the message of the server in an error of a session."""
    # an error of the server is a whole answer, with its message in the middle
    status = getattr(error.args[0] if error.args else None, "status", None)
    return str(getattr(status, "errorMessage", None) or error)[:1000]
