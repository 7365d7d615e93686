"""`warehouse spark up`, `status` and `down`: start, describe and stop a master, two workers and a Thrift server."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.java import fetch_jars, read_lock
from sales_warehouse.server.profiles import write_profiles
from sales_warehouse.server.record import HOST, exclusive
from sales_warehouse.settings import Settings
from sales_warehouse.spark import configure
from sales_warehouse.spark.ask import (
    Work,
    accepts_sessions,
    ask_master,
    make_default_namespace,
    page_address,
    read_work,
)
from sales_warehouse.spark.catalogue import find_catalogue, prepare_catalogue
from sales_warehouse.spark.launch import Launcher
from sales_warehouse.spark.needs import find_java, find_spark, require_memory, spark_version
from sales_warehouse.spark.record import (
    MASTER,
    THRIFT_SERVER,
    WORKERS,
    SparkRecord,
    choose_ports,
    read_record,
    spark_daemons,
    spark_directory,
    tables_directory,
    write_record,
)

START_SECONDS = 180  # 25 on a machine that does nothing else
# the first `up` fetches the libraries, and another `up` may be at work
_LOCK_SECONDS = START_SECONDS + 180
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Piece:
    """One of the processes. `silent` is one that runs and does not answer, as in the seconds after its start.

    `work` is what a worker has done since the start of the Thrift server.
    """

    name: str
    condition: Literal["running", "silent", "stopped"]
    page: str
    pid: int | None
    log: Path
    work: Work | None = None


@dataclass(frozen=True)
class SparkState:
    """Spark as it is now; `incomplete` when not all of its processes run and answer."""

    condition: Literal["running", "incomplete", "stopped", "never made"]
    thrift_server: str | None = None
    version: str | None = None
    catalogue: str | None = None
    tables: Path | None = None
    pieces: tuple[Piece, ...] = ()
    notes: tuple[str, ...] = ()


def up(settings: Settings) -> SparkState:
    """Start what does not run, wait until all of it answers, and return its state. A second call changes nothing.

    Starts the embedded PostgreSQL server too, which has the catalogue, and writes profiles.yml with the port.
    Raises ConfigurationError when Java, memory, a package or a setting is missing or wrong, ServerUnreachable when
    PostgreSQL or a process of Spark does not answer.
    """
    directory = spark_directory(settings.home)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(directory / "lock", wait_seconds=_LOCK_SECONDS):
            record = _bring_up(settings)
            make_default_namespace(record.thrift_port)
            notes = write_profiles(settings)
            state = status(settings)
            return replace(state, notes=state.notes + notes)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory} cannot be used: {error.strerror or error}. "
            "Check its owner, its rights and the free space."
        ) from error


def down(settings: Settings) -> bool:
    """Stop all processes; tables stay. Returns whether one was running.

    Raises ServerUnreachable when a process does not stop.
    """
    directory = spark_directory(settings.home)
    if not directory.is_dir():
        return False
    with exclusive(directory / "lock", wait_seconds=_LOCK_SECONDS):
        return _stop_all(settings.home)


def status(settings: Settings) -> SparkState:
    """Describe Spark without starting or changing anything."""
    home = settings.home
    record = read_record(home)
    if record is None:
        return SparkState("never made", notes=("`make spark` makes it.",))
    work = read_work(record.thrift_server_page)
    pieces = tuple(replace(piece, work=work.get(piece.page)) for piece in _describe(home, record))
    notes: tuple[str, ...] = ()
    if all(piece.condition == "running" for piece in pieces):
        condition: Literal["running", "incomplete", "stopped"] = "running"
    elif all(piece.pid is None for piece in pieces):
        condition = "stopped"
    else:
        condition, notes = "incomplete", ("`warehouse spark up` starts what is stopped.",)
    try:
        catalogue = find_catalogue(settings).shown
    except ServerUnreachable as error:
        catalogue, notes = None, (*notes, error.message)
    return SparkState(
        condition=condition,
        thrift_server=f"{HOST}:{record.thrift_port}",
        version=spark_version(),
        catalogue=catalogue,
        tables=tables_directory(home),
        pieces=pieces,
        notes=notes,
    )


def _describe(home: Path, record: SparkRecord) -> tuple[Piece, ...]:
    daemons = spark_daemons(home)
    pids = {name: daemon.find() for name, daemon in daemons.items()}
    view = ask_master(record.master_page) if pids[MASTER] else None
    answers = {MASTER: view is not None}
    if view is not None:
        answers |= {name: page_address(record.page(name)) in view.worker_pages for name in WORKERS}
        answers[THRIFT_SERVER] = configure.APP in view.apps and accepts_sessions(record.thrift_port)
    return tuple(
        Piece(
            name=name,
            condition="stopped" if pid is None else "running" if answers.get(name) else "silent",
            page=page_address(record.page(name)),
            pid=pid,
            log=daemons[name].log,
        )
        for name, pid in pids.items()
    )


def _bring_up(settings: Settings) -> SparkRecord:
    """Start what does not run and wait until all of it answers; return the record."""
    home = settings.home
    launcher = Launcher(home, find_spark(), find_java())
    jars, catalogue = fetch_jars(read_lock(configure.PACKAGE)), prepare_catalogue(settings)
    record = read_record(home) or SparkRecord()
    if not configure.is_written(home, configure.render(home, record, catalogue, jars)):
        _stop_all(home)  # it may run with a configuration of before
    started: set[str] = set()
    deadline = time.monotonic() + START_SECONDS
    while True:
        pieces = _describe(home, record)
        if all(piece.condition == "running" for piece in pieces):
            return record
        stopped = [piece.name for piece in pieces if piece.pid is None]
        for name in stopped:
            if name in started:
                daemon = spark_daemons(home)[name]
                raise ServerUnreachable(f"{daemon.title} ended: {daemon.read_complaint()}")
        if MASTER in stopped:
            # workers and Thrift server do not follow a new master
            _stop_all(home)
            require_memory()
            record = choose_ports(record)
            write_record(home, record)
            configure.write(home, configure.render(home, record, catalogue, jars))
            _clear(home)
            stopped = [MASTER]
        elif any(piece.name == MASTER and piece.condition == "silent" for piece in pieces):
            stopped = []  # a worker that does not find the master tries again only after seconds
        for name in stopped:
            launcher.start(name, record)
            started.add(name)
        _check_time(home, pieces, deadline)
        time.sleep(_PAUSE_SECONDS)


def _check_time(home: Path, pieces: Sequence[Piece], deadline: float) -> None:
    if time.monotonic() > deadline:
        silent = [spark_daemons(home)[piece.name] for piece in pieces if piece.condition != "running"]
        raise ServerUnreachable(
            f"{' and '.join(it.title for it in silent)} did not answer for {START_SECONDS} seconds: "
            f"{silent[0].read_complaint()} `warehouse spark down` stops all of it."
        )


def _clear(home: Path) -> None:
    """Remove what executors and sessions of before left; called while no process runs."""
    for folder in (spark_directory(home) / "work", configure.temporary_directory(home)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)


def _stop_all(home: Path) -> bool:
    # the Thrift server first, so that it ends its executors itself
    stopped = [daemon.stop() for daemon in reversed(spark_daemons(home).values())]
    return any(stopped)
