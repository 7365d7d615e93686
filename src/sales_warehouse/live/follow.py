"""Fill the schema `live` again and again, until a signal ends it."""

import signal
import threading
from collections.abc import Callable
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ServerAway
from sales_warehouse.live.fill import Filled, fill
from sales_warehouse.load.retry import is_transient

_LONGEST_WAIT_SECONDS = 10.0


def follow(
    connect: Callable[[], Connection],
    every_seconds: float,
    report: Callable[[Filled], None],
    say: Callable[[str], None],
) -> None:
    """Fill every so many seconds, and report each fill in which lines came; return after SIGTERM or SIGINT.

    The fill at work ends first. When the server is away, `say` gets one message, and the connection is made again until
    it succeeds. Raises what `fill` raises.
    """
    stop = threading.Event()

    handlers = {
        number: signal.signal(number, lambda _number, _frame: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    wait = every_seconds
    is_away = False
    try:
        while not stop.is_set():
            try:
                with closing(connect()) as connection:
                    is_away, wait = False, every_seconds
                    _fill_until(stop, connection, every_seconds, report)
            except (psycopg2.Error, ServerAway) as error:
                if not is_transient(error):
                    raise
                if not is_away:
                    say(f"{str(error).strip()} Trying again until the server is back.")
                is_away, wait = True, min(max(wait, 0.5) * 2, _LONGEST_WAIT_SECONDS)
                stop.wait(wait)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _fill_until(
    stop: threading.Event, connection: Connection, every_seconds: float, report: Callable[[Filled], None]
) -> None:
    while not stop.is_set():
        filled = fill(connection)
        if filled is not None and filled.lines_came:
            report(filled)
        stop.wait(every_seconds)
