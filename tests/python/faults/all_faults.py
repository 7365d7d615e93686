"""The faults, each at a defined moment: the loader stops at its fail point, the fault is made, the loader continues."""

import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from nasty_inbox import CORRECTED, DAY, deliver, shop_lines
from proxy import Proxy
from small_disk import SmallDisk, small_disk, why_no_small_disk
from stage import Ended, Loader, Stage, kill_tree

# The second file of the inbox is the corrected one, of ten blocks; the first file, a packed one, passes `in_copy`
# twice.
IN_COPY = "in_copy@8"
STALL_SECONDS = 5
AGAIN = "Trying again"
FULL = "the disk of the server is full"

# Yields how the disturbed load ended, continues with the repair by a user, and cleans up after a second yield.
Act = Callable[[Stage], Iterator[Ended | None]]
Step = Callable[[Stage], None]


def load(stage: Stage) -> None:
    """Load without a fault: the only step of most undisturbed runs."""
    stage.load()


@dataclass(frozen=True)
class Fault:
    """One row of the matrix."""

    name: str
    when: str
    act: Act
    undisturbed: tuple[Step, ...] | None = None  # None: one load of the inbox as the fault left it
    why_not: Callable[[], str | None] = lambda: None
    quick: bool = False
    slow: bool = False  # runs in parallel with the others, on a server of its own
    code: int = 1  # exit code of the disturbed load; 1 is normal here, as files of the inbox are refused
    says: str = ""  # text that it must have printed; otherwise the fault did not happen


# --- the loader ---------------------------------------------------------------------------------------------------

POINTS = {
    "after_lock": "after it became the loader",
    "after_prepare": "after ledger and raw tables were created",
    "after_find": "after the inbox was listed",
    "before_hash@2": "before a file is hashed",
    "after_decision@2": "after the decision",
    "before_copy@2": "before COPY",
    "in_copy@3": "in COPY, before the first block",
    IN_COPY: "in COPY, after some blocks",
    "after_copy@2": "after COPY",
    "after_removal": "after the rows of the earlier version were removed",
    "after_entry@2": "after the entry in the ledger",
    "after_events@2": "after the events, before the rejects",
    "before_commit@2": "after the rejects, before commit",
    "after_commit@2": "after commit",
    "before_commit@1": "before commit of a packed file",
    "before_commit@3": "before commit of a duplicate",
    "before_commit@4": "before commit of a file refused for its rejects",
    "before_commit@5": "before commit of JSON Lines",
    "before_commit@6": "before commit of a file refused for its header",
    "after_commit@7": "after commit of the last file",
}


def kill_at(point: str) -> Act:
    def act(stage: Stage) -> Iterator[Ended]:
        yield stage.start_load(f"{point}:kill").end()

    return act


def fail_at(point: str) -> Act:
    def act(stage: Stage) -> Iterator[Ended]:
        yield stage.start_load(f"{point}:raise").end()

    return act


def signal_at(point: str, number: signal.Signals) -> Act:
    def act(stage: Stage) -> Iterator[Ended]:
        loader = stage.start_load(f"{point}:stop")
        os.kill(loader.wait_until_stopped(), number)
        loader.resume()
        yield loader.end()

    return act


def starve_at(point: str) -> Act:
    """Limit the address space to the current size plus half a megabyte, with a file whose rejects need more."""

    def act(stage: Stage) -> Iterator[Ended]:
        deliver(stage.inbox, CORRECTED, shop_lines("hungry", 150_000, broken_every=3), DAY + 2)
        # the C library reserves 64 MB of addresses for the heap of each thread; with one heap for all none is left over
        loader = stage.start_load(f"{point}:stop", MALLOC_ARENA_MAX="1")
        pid = loader.wait_until_stopped()
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + 512 * 1024
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
        loader.resume()
        yield loader.end()

    return act


# --- the server ---------------------------------------------------------------------------------------------------


def at(point: str, do: Callable[[Stage, Loader], None]) -> Act:
    """Stop a loader at the point, do something, resume it."""

    def act(stage: Stage) -> Iterator[Ended]:
        loader = stage.start_load(f"{point}:stop")
        loader.wait_until_stopped()
        do(stage, loader)
        loader.resume()
        yield loader.end()

    return act


def kill_server(stage: Stage, _loader: Loader) -> None:
    """Kill the main process and all its children."""
    kill_tree(stage.postmaster())


def kill_postmaster(stage: Stage, _loader: Loader) -> None:
    os.kill(stage.postmaster(), signal.SIGKILL)


def kill_backend(stage: Stage, _loader: Loader) -> None:
    os.kill(stage.backend(), signal.SIGKILL)


def terminate_backend(stage: Stage, _loader: Loader) -> None:
    with stage.admin() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 10000)", (stage.backend(),))


def stop_server(stage: Stage, _loader: Loader) -> None:
    stage.down()


def freeze_server(stage: Stage, _loader: Loader) -> None:
    """Stop the backend for some seconds, as an overloaded machine would."""
    backend = stage.backend()
    os.kill(backend, signal.SIGSTOP)
    threading.Timer(STALL_SECONDS, os.kill, (backend, signal.SIGCONT)).start()


def restart_foreign_server(stage: Stage) -> Iterator[Ended]:
    """Kill a server that the loader must not start; start it by hand when the loader has noticed."""
    loader = stage.start_load(f"{IN_COPY}:stop", **stage.through(int(str(stage.record["port"]))))
    loader.wait_until_stopped()
    kill_server(stage, loader)
    loader.resume()
    loader.wait_until_says("attempt 3")
    stage.up()
    yield loader.end()


def kill_foreign_server(stage: Stage) -> Iterator[Ended]:
    loader = stage.start_load(f"{IN_COPY}:stop", **stage.through(int(str(stage.record["port"]))))
    loader.wait_until_stopped()
    kill_server(stage, loader)
    loader.resume()
    yield loader.end()


def deadlock(stage: Stage) -> Iterator[Ended]:
    """Deadlock with the loader on two tables; the server ends the loader's transaction."""
    loader = stage.start_load("after_entry@2:stop")
    loader.wait_until_stopped()
    with closing(stage.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("set deadlock_timeout = '10min'")
        cursor.execute("lock table ledger.file_events in access exclusive mode")

        def lock_rows() -> None:
            cursor.execute("lock table raw.shop__lines in access exclusive mode")
            connection.rollback()

        thread = threading.Thread(target=lock_rows)
        thread.start()
        with stage.admin() as admin:
            admin.execute("select 0")
            while admin.fetchone() != (1,):
                time.sleep(0.01)
                admin.execute("select count(*) from pg_locks where not granted and locktype = 'relation'")
        loader.resume()
        thread.join()
        yield loader.end()


def no_connection_free(stage: Stage) -> Iterator[Ended]:
    held = []
    try:
        with suppress(psycopg2.OperationalError):
            while True:
                held.append(stage.connect())
        loader = stage.start_load()
        loader.wait_until_says("Trying again")
    finally:
        for connection in held:
            connection.close()
    yield loader.end()


# --- the connection ----------------------------------------------------------------------------------------------


def over_a_line(point: str, do: Callable[[Stage, Loader, Proxy], None]) -> Act:
    """Like `at`, with a proxy between loader and server."""

    def act(stage: Stage) -> Iterator[Ended]:
        proxy = Proxy(int(str(stage.record["port"])))
        try:
            loader = stage.start_load(f"{point}:stop", **stage.through(proxy.port))
            loader.wait_until_stopped()
            do(stage, loader, proxy)
            loader.resume()
            yield loader.end()
        finally:
            proxy.close()

    return act


def cut(_stage: Stage, _loader: Loader, proxy: Proxy) -> None:
    proxy.cut()


def cut_in_commit(_stage: Stage, loader: Loader, proxy: Proxy) -> None:
    """Let the server commit, and lose its answer."""
    proxy.swallow_answers()
    loader.resume()
    proxy.cut_after_answer(60)


def stall(_stage: Stage, _loader: Loader, proxy: Proxy) -> None:
    proxy.freeze()
    threading.Timer(STALL_SECONDS, proxy.thaw).start()


def stall_permanently(_stage: Stage, _loader: Loader, proxy: Proxy) -> None:
    proxy.freeze()


def lose_the_network(_stage: Stage, _loader: Loader, proxy: Proxy) -> None:
    proxy.freeze(new_ones_too=True)


# --- the disk -----------------------------------------------------------------------------------------------------


def disk_of_the_tables_full(point: str) -> Act:
    def act(stage: Stage) -> Iterator[Ended | None]:
        with small_disk(stage.folder / "small", 64) as disk:
            space = disk.folder / "space"
            space.mkdir(mode=0o700)
            owner = Path(str(stage.record["data_directory"])).stat()
            os.chown(space, owner.st_uid, owner.st_gid)
            with stage.admin() as cursor:
                cursor.execute("create tablespace small location %s", (str(space),))
            stage.reset("small")
            loader = stage.start_load(f"{point}:stop")
            loader.wait_until_stopped()
            disk.fill()
            loader.resume()
            yield loader.end()
            disk.make_room()
            yield None
            with stage.admin() as cursor:
                cursor.execute(f"drop database {stage.record['database']} with (force)")
                cursor.execute("drop tablespace small")
        (stage.folder / "small").rmdir()

    return act


def use_up_the_log(cursor: psycopg2.extensions.cursor) -> None:
    """Write into the WAL until the next record, however short, needs a segment that does not exist yet."""
    while True:
        cursor.execute(
            "select setting::int - file_offset, exists (select from pg_ls_waldir() where name > file_name) "
            "from pg_walfile_name_offset(pg_current_wal_insert_lsn()), pg_settings where name = 'wal_segment_size'"
        )
        [(left, next_is_there)] = cursor.fetchall()
        if left < 100 and not next_is_there:
            return
        # without the page headers and the header of the record itself
        size = max(left - left // 8192 * 24 - 200, 1)
        cursor.execute("select pg_logical_emit_message(false, 'faults', repeat('x', %s), true)", (size,))


def disk_of_the_server_full(point: str) -> Act:
    """Fill the disk of the whole server when the WAL needs a new segment for the next byte."""

    def act(stage: Stage) -> Iterator[Ended | None]:
        loader = stage.start_load(f"{point}:stop")
        loader.wait_until_stopped()
        disk = SmallDisk(stage.home)
        with stage.admin() as cursor:
            use_up_the_log(cursor)
            disk.fill()
        loader.resume()
        ended = loader.end()
        disk.make_room()  # a server that cannot write its WAL does not start, so its state could not be read
        yield ended

    return act


# --- the inbox ----------------------------------------------------------------------------------------------------


def replace_file(stage: Stage, _loader: Loader) -> None:
    deliver(stage.inbox, CORRECTED, shop_lines("replaced", 50_000), DAY + 100)


def overwrite_file(stage: Stage, _loader: Loader) -> None:
    """Overwrite the file in place, as `cp` does."""
    path = stage.inbox / CORRECTED
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(shop_lines("overwritten", 50_000))
    os.utime(path, (path.stat().st_mtime, path.stat().st_mtime + 100))


def truncate_file(stage: Stage, _loader: Loader) -> None:
    path = stage.inbox / CORRECTED
    os.truncate(path, path.stat().st_size // 2)


def append_to_file(stage: Stage, _loader: Loader) -> None:
    with (stage.inbox / CORRECTED).open("ab") as file:
        file.write(b'90001,"one more",1.00,red\n')


def delete_file(stage: Stage, _loader: Loader) -> None:
    (stage.inbox / CORRECTED).unlink()


def delete_inbox(stage: Stage, _loader: Loader) -> None:
    shutil.rmtree(stage.inbox / "shop")


def load_what_was_read(stage: Stage) -> None:
    """Load the files that were read before the folder was deleted: the packed one."""
    for path in (stage.inbox / "shop").glob("*.csv"):
        path.unlink()
    stage.load()


def deliver_correction(stage: Stage, _loader: Loader | None = None) -> None:
    """Put another version of the corrected file into the inbox, under another name."""
    deliver(stage.inbox, "shop/2024-01-02 (2).csv", shop_lines("second correction", 3_000), DAY + 200)


# --- several loaders ----------------------------------------------------------------------------------------------


def loaders(count: int, first_is_killed: bool = False) -> Act:
    def act(stage: Stage) -> Iterator[Ended]:
        first = stage.start_load(f"{IN_COPY}:stop")
        first.wait_until_stopped()
        others = [stage.start_load() for _ in range(count - 1)]
        for other in others:
            other.wait_until_says("Another loader is at work")
        if first_is_killed:
            first.kill()
        first.resume()
        ended = [loader.end() for loader in (first, *others)]
        yield Ended(ended[-1].code, "\n".join(one.text for one in ended))

    return act


def overtake(stage: Stage) -> Iterator[Ended]:
    """Let a second loader wait with a correction of the file that the first one loads."""
    first = stage.start_load(f"{IN_COPY}:stop")
    first.wait_until_stopped()
    second = stage.start_load(inbox=_other_inbox(stage))
    second.wait_until_says("Another loader is at work")
    first.resume()
    ended = [first.end(), second.end()]
    yield Ended(ended[0].code, "\n".join(one.text for one in ended))


def load_other_inbox(stage: Stage) -> None:
    stage.load(_other_inbox(stage))


def _other_inbox(stage: Stage) -> Path:
    folder = stage.folder / "other"
    deliver(folder, "shop/2024-01-02 (2).csv", shop_lines("second correction", 3_000), DAY + 200)
    return folder


# --- all faults --------------------------------------------------------------------------------------------------

_WHEN = {IN_COPY: "in the middle of COPY", "before_commit@2": "before commit"}
_NOW = "while it is read"


def _all_faults() -> Iterator[Fault]:
    for point, when in POINTS.items():
        quick = point in (IN_COPY, "after_commit@2")
        yield Fault("loader killed (-9)", when, kill_at(point), quick=quick, code=-9)
    for point in (IN_COPY, "after_entry@2", "before_commit@2"):
        yield Fault("exception in the loader", POINTS[point], fail_at(point))
    yield Fault("Ctrl-C", _WHEN[IN_COPY], signal_at(IN_COPY, signal.SIGINT), code=130)
    yield Fault("loader terminated (SIGTERM)", _WHEN[IN_COPY], signal_at(IN_COPY, signal.SIGTERM), code=-15)
    for point in ("after_decision@2", "before_copy@2", "in_copy@3"):
        yield Fault("loader out of memory", POINTS[point], starve_at(point), says="out of memory")

    for point, when in _WHEN.items():
        yield Fault(
            "server killed (-9), all its processes", when, at(point, kill_server), quick=point == IN_COPY, says=AGAIN
        )
        yield Fault("server's main process killed (-9)", when, at(point, kill_postmaster), says=AGAIN)
        yield Fault("server process of the loader killed (-9)", when, at(point, kill_backend), says=AGAIN)
        yield Fault("server process of the loader terminated", when, at(point, terminate_backend), says=AGAIN)
        yield Fault("server stopped", when, at(point, stop_server), says=AGAIN)
    yield Fault(
        f"server process of the loader frozen for {STALL_SECONDS} s", _WHEN[IN_COPY], at(IN_COPY, freeze_server)
    )
    yield Fault("server killed (-9), started again by hand", _WHEN[IN_COPY], restart_foreign_server, says=AGAIN)
    yield Fault(
        "server killed (-9), not started again",
        _WHEN[IN_COPY],
        kill_foreign_server,
        code=3,
        says="attempt 6 of 6",
    )
    yield Fault("deadlock", "before the events", deadlock, says="deadlock detected")
    yield Fault("server out of connections", "at the start", no_connection_free, says=AGAIN)

    for point in ("after_lock", "before_copy@2", IN_COPY, "before_commit@2"):
        yield Fault(
            "connection cut", POINTS[point], over_a_line(point, cut), quick=point == "before_commit@2", says=AGAIN
        )
    yield Fault(
        "connection cut", "during commit, the answer is lost", over_a_line("before_commit@2", cut_in_commit), says=AGAIN
    )
    for point, when in _WHEN.items():
        yield Fault(f"connection stalled for {STALL_SECONDS} s", when, over_a_line(point, stall))
        yield Fault(
            "connection stalled permanently", when, over_a_line(point, stall_permanently), slow=True, says="timed out"
        )
    yield Fault(
        "network lost permanently",
        _WHEN[IN_COPY],
        over_a_line(IN_COPY, lose_the_network),
        code=3,
        slow=True,
        says="attempt 6 of 6",
    )

    for point in (IN_COPY, "after_events@2", "before_commit@2"):
        yield Fault(
            "disk of the tables full",
            POINTS[point],
            disk_of_the_tables_full(point),
            why_not=why_no_small_disk,
            says=FULL,
        )

    for fault, do in (
        ("replaced", replace_file), ("overwritten", overwrite_file), ("truncated", truncate_file),
        ("deleted", delete_file), ("appended to", append_to_file),
    ):  # fmt: skip
        for point, when in (("after_decision@2", "before it is opened"), (IN_COPY, _NOW)):
            quick = (fault, point) == ("truncated", IN_COPY)
            yield Fault(f"file of the inbox {fault}", when, at(point, do), quick=quick)
    steps: tuple[Step, ...] = (load_what_was_read,)
    yield Fault("folder of the inbox deleted", "while a file of it is read", at(IN_COPY, delete_inbox), steps)
    steps = (load, deliver_correction, load)
    yield Fault("another correction arrives", "while the file is read", at(IN_COPY, deliver_correction), steps)

    for count in (2, 4):
        yield Fault(f"{count} loaders on one inbox", _WHEN[IN_COPY], loaders(count))
    yield Fault("the first of 3 loaders killed (-9)", _WHEN[IN_COPY], loaders(3, first_is_killed=True))
    yield Fault("a second loader loads a correction", "while the file is loaded", overtake, (load, load_other_inbox))


FAULTS = tuple(_all_faults())
# These have a server of their own, on a small disk.
DISK_FAULTS = (
    # the disk of the tables is full before that of the WAL
    Fault(
        "disk of the server full",
        _WHEN[IN_COPY],
        disk_of_the_server_full(IN_COPY),
        why_not=why_no_small_disk,
        says=FULL,
    ),
    Fault(
        "disk of the server full",
        "during commit",
        disk_of_the_server_full("before_commit@2"),
        why_not=why_no_small_disk,
        code=3,
        says="No space left on device",
    ),
)
