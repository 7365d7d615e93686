"""The embedded server: created, killed, stopped, moved, with faults; and never started if PGHOST is set."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError, ServerAway, ServerUnreachable
from sales_warehouse.server import initialise, locate
from sales_warehouse.server.account import server_account
from sales_warehouse.server.observe import choose_port, find_postmaster
from sales_warehouse.server.record import ServerRecord, log_file, read_record, record_file, write_record
from sales_warehouse.server.sessions import open_embedded
from sales_warehouse.server.start import _read_complaint
from sales_warehouse.settings import ExternalServer, Settings

SOURCE = Path(server.__file__).parents[2]
UP = "from sales_warehouse import server; from sales_warehouse.settings import get_settings; server.up(get_settings())"

only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """Return a folder that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-server-", dir=find_memory())).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def find_memory() -> str | None:
    """Return a folder in memory, or None if there is no space: half the time to create twenty databases is disk I/O."""
    folder = "/dev/shm"
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    usable = os.access(folder, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return folder if usable and found.f_bavail * found.f_frsize > 4 * 2**30 else None


@pytest.fixture(scope="module", autouse=True)
def elsewhere(open_folder: Path) -> Iterator[Path]:
    """Use the test's folder instead of /var/lib, so that no files remain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locate, "ELSEWHERE", open_folder / "elsewhere")
        yield open_folder / "elsewhere"


@pytest.fixture(scope="module")
def new_settings(open_folder: Path) -> Iterator[Callable[..., Settings]]:
    """Make settings of a new project; servers in their homes are stopped at the end."""
    made: list[Settings] = []

    def make(home: Path | None = None, project: Path | None = None) -> Settings:
        project = project or open_folder / f"project{len(made)}"
        project.mkdir(exist_ok=True)
        (project / "dbt_project.yml").write_text(
            "name: scratch\nprofile: sales_warehouse\nflags: {send_anonymous_usage_stats: false}\n", encoding="utf-8"
        )
        home = home or project / ".warehouse"
        made.append(Settings(project=project, home=home, inbox=home / "inbox"))
        return made[-1]

    yield make
    for settings in made:
        if record_file(settings.home).exists():
            server.down(settings)


@pytest.fixture(scope="module")
def running(new_settings: Callable[..., Settings]) -> Settings:
    """One running server for the tests that do not change it, started with variables that it must ignore."""
    settings = new_settings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_SECRET", "correct-horse")
        patch.setenv("PGPORT", "1")
        patch.setenv("PGDATA", "/nowhere")
        server.up(settings)
    return settings


@pytest.fixture(scope="module")
def pristine(new_settings: Callable[..., Settings]) -> Settings:
    """A stopped server with a table of one row. Copying it is faster than creating a new server for every test."""
    settings = new_settings()
    execute(settings, "create table kept as select 42 as answer")
    server.down(settings)
    return settings


@pytest.fixture
def stopped(new_settings: Callable[..., Settings], pristine: Settings) -> Iterator[Settings]:
    """A stopped server for one test, with a table of one row."""
    settings = new_settings()
    copy_home(pristine, settings)
    data = settings.home / "server" / "data"
    write_record(settings.home, replace(record_of(pristine), data_directory=data, port=choose_port()))
    yield settings
    if record_file(settings.home).exists():
        server.down(settings)
        shutil.rmtree(settings.home)


@pytest.fixture
def own(stopped: Settings) -> Settings:
    """A running server for one test, with a table of one row."""
    server.up(stopped)
    return stopped


def copy_home(original: Settings, copy: Settings) -> None:
    subprocess.run(["cp", "-a", original.home, copy.home], check=True)


def execute(settings: Settings, statement: str) -> None:
    connection = server.connect(settings, application_name="test")
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def value(settings: Settings, query: str) -> object:
    connection = server.connect(settings, application_name="test")
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()


def record_of(settings: Settings) -> ServerRecord:
    record = read_record(settings.home)
    assert record is not None
    return record


def run_up(settings: Settings) -> "subprocess.Popen[bytes]":
    """Run `up` in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-c", UP],
        env=shell(settings) | {"PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def shell(settings: Settings) -> dict[str, str]:
    """Return the environment of a new shell with this project and home."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "WAREHOUSE_", "DBT_"))}
    return kept | {"WAREHOUSE_PROJECT": str(settings.project), "WAREHOUSE_HOME": str(settings.home)}


def has_ended(pid: int | None) -> bool:
    """Say whether the process has ended; it may be a zombie until the first process of a container waits for it."""
    assert pid is not None
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


# --- a running server -------------------------------------------------------------------------------------------


def test_the_first_up_makes_starts_and_describes_the_server(running: Settings) -> None:
    state = server.status(running)
    assert (state.kind, state.condition, state.host) == ("embedded", "running", "127.0.0.1")
    assert state.version is not None
    assert state.version.startswith("18.")
    assert state.data_directory == running.home / "server" / "data"
    assert state.pid is not None
    os.kill(state.pid, 0)
    assert record_of(running).password not in repr(state)
    assert value(running, "select current_database()") == "warehouse"


def test_up_again_changes_nothing(running: Settings) -> None:
    before = server.status(running)
    written = (running.project / "profiles.yml").stat().st_mtime_ns
    assert server.up(running) == before
    assert (running.project / "profiles.yml").stat().st_mtime_ns == written


def test_secrets_are_readable_for_their_owner_only(running: Settings) -> None:
    for path in (running.project / "profiles.yml", record_file(running.home), log_file(running.home)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert not list(record_file(running.home).parent.glob("password*"))


def test_a_wrong_password_and_no_password_are_refused(running: Settings) -> None:
    record = record_of(running)
    for password in ("wrong", ""):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(
                host="127.0.0.1",
                port=record.port,
                user=record.user,
                dbname="postgres",
                password=password,
                passfile="/dev/null",
            )


def test_no_rule_of_the_server_trusts_anyone(running: Settings) -> None:
    assert value(running, "select array_agg(distinct auth_method) from pg_hba_file_rules") == ["scram-sha-256"]
    # one iteration is enough for our random password, but not for later ones
    iterations = "select split_part(split_part(rolpassword, '$', 2), ':', 1) from pg_authid where rolname = "
    assert value(running, iterations + "session_user") == "1"
    assert value(running, "show scram_iterations") == "4096"
    assert value(running, "select left(rolpassword, 13) from pg_authid where rolcanlogin") == "SCRAM-SHA-256"


def test_the_server_listens_on_loopback_only(running: Settings) -> None:
    assert value(running, "select current_setting('listen_addresses')") == "127.0.0.1"
    assert value(running, "select current_setting('unix_socket_directories')") == ""


def test_settings_that_protect_data_are_on(running: Settings) -> None:
    for setting in ("data_checksums", "fsync", "full_page_writes", "synchronous_commit"):
        assert value(running, f"select current_setting('{setting}')") == "on", setting


def test_the_tuning_is_in_force(running: Settings) -> None:
    in_force = "select array_agg(name) from pg_file_settings where sourcefile like '%/warehouse.conf' and applied"
    found = value(running, in_force)
    assert isinstance(found, list)
    configuration = (SOURCE / "sales_warehouse" / "server" / "warehouse.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+) =", configuration, re.MULTILINE)) <= set(found)


def test_text_is_utf_8_ordered_by_code_point_and_times_are_utc(running: Settings) -> None:
    query = "select concat_ws(' ', datlocprovider, datlocale, pg_encoding_to_char(encoding)) from pg_database"
    assert value(running, f"{query} where datname = 'warehouse'") == "b C.UTF-8 UTF8"
    assert value(running, "select current_setting('timezone') || current_setting('client_encoding')") == "UTCUTF8"
    # the builtin provider classifies letters beyond ASCII, the C locale does not
    assert value(running, "select upper('straßenüberführung')") == "STRASSENÜBERFÜHRUNG".replace("SS", "ß", 1)


@pytest.mark.parametrize("kind", ["embedded", "external"])
def test_a_connection_starts_outside_a_transaction_in_utc_under_its_name(
    running: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # a server whose sessions have another time zone
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    settings = running if kind == "embedded" else external_settings(running, tmp_path)
    connection = server.connect(settings, application_name="load", dbname="postgres")
    try:
        assert connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE
        assert connection.info.dbname == "postgres"
        assert connection.get_dsn_parameters()["application_name"] == "load"
        # also after a rollback
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("select current_setting('timezone') || current_setting('client_encoding')")
            assert cursor.fetchone() == ("UTCUTF8",)
    finally:
        connection.close()


def test_variables_meant_for_another_server_are_ignored(running: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "PGHOSTADDR": "127.0.0.2",
        "PGSSLMODE": "require",
        "PGUSER": "nobody",
        "PGPORT": "1",
        "PGPASSWORD": "wrong",
    }.items():
        monkeypatch.setenv(name, text)
    assert value(running, "select current_user::text") == "warehouse"


def test_a_missing_database_is_named_without_the_password(running: Settings) -> None:
    with pytest.raises(ServerUnreachable, match='"nowhere" does not exist') as caught:
        server.connect(running, application_name="test", dbname="nowhere")
    assert record_of(running).password not in str(caught.value)
    assert caught.value.exit_code == 3


def test_psql_reaches_the_server_with_the_environment(running: Settings) -> None:
    answer = subprocess.run(
        [server.binary("psql"), "-XAt", "-c", "select current_database() || current_setting('data_directory')"],
        env=shell(running) | server.environment(running),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == f"warehouse{running.home}/server/data"


def test_a_missing_binary_is_named() -> None:
    with pytest.raises(ConfigurationError, match="program pg_nothing"):
        server.binary("pg_nothing")


def test_plain_dbt_reaches_the_server(running: Settings) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "debug", "--connection"],
        cwd=running.project,
        env=shell(running),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    assert f"port: {record_of(running).port}" in answer.stdout


# --- created concurrently --------------------------------------------------------------------------------------


def test_two_homes_of_one_project_are_separate(running: Settings, new_settings: Callable[..., Settings]) -> None:
    other = new_settings(home=running.project / "other", project=running.project)
    server.up(other)
    execute(other, "create table only_here ()")
    assert record_of(other).port != record_of(running).port
    assert record_of(other).password != record_of(running).password
    assert value(running, "select to_regclass('only_here')::text") is None
    assert f"port: {record_of(other).port}" in (other.home / "profiles.yml").read_text(encoding="utf-8")
    assert f"port: {record_of(running).port}" in (running.project / "profiles.yml").read_text(encoding="utf-8")
    assert server.down(other)
    assert server.status(running).condition == "running"


def test_two_concurrent_ups_start_one_server_detached_from_terminals(
    new_settings: Callable[..., Settings],
) -> None:
    settings = new_settings()
    both = [run_up(settings), run_up(settings)]
    # the output ends with the command: the server does not keep the pipe open
    outputs = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs == [b"", b""]
    pid = server.status(settings).pid
    assert pid is not None
    # the server is in another group and session, so neither Ctrl-C nor a closed terminal ends it
    assert os.getpgid(pid) not in {process.pid for process in both}
    assert os.getsid(pid) != os.getsid(0)
    assert value(settings, "select 1") == 1
    assert server.down(settings)


# --- killed, stopped, started again -----------------------------------------------------------------------------


def test_connect_works_after_kill_9_of_the_server(own: Settings) -> None:
    # a backend in a long statement survives its server for a while and keeps the shared memory
    busy = server.connect(own, application_name="busy")
    busy_backend = busy.info.backend_pid
    busy_query = "select count(*) from generate_series(1, 8000000)"
    query = subprocess.Popen(
        [server.binary("psql"), "-XAt", "-c", busy_query],
        env=shell(own) | server.environment(own),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = "select count(*) from pg_stat_activity where query = '{}' and state = 'active'"
    wait_until(lambda: value(own, state.format(busy_query)) == 1)
    before = server.status(own)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: find_postmaster(record_of(own).data_directory) is None)
    assert value(own, "select answer from kept") == 42
    after = server.status(own)
    assert after.pid != before.pid
    assert after.port == before.port
    assert has_ended(busy_backend)
    query.wait(timeout=20)
    busy.close()


def test_down_stops_cleanly_and_connect_starts_again(own: Settings) -> None:
    pid = server.status(own).pid
    assert server.down(own)
    assert server.status(own).condition == "stopped"
    assert has_ended(pid)
    assert "database system is shut down" in log_file(own.home).read_text(encoding="utf-8")
    assert not server.down(own)
    log_file(own.home).write_text("", encoding="utf-8")
    assert value(own, "select answer from kept") == 42
    # no recovery after a clean stop
    assert "not properly shut down" not in log_file(own.home).read_text(encoding="utf-8")


@pytest.mark.parametrize("with_initdb", [False, True], ids=["up alone", "up and initdb"])
def test_a_killed_first_up_is_completed_by_the_next_up(
    new_settings: Callable[..., Settings], with_initdb: bool
) -> None:
    settings = new_settings()
    process = run_up(settings)
    fresh = settings.home / "server" / "data.new"
    wait_until((fresh / "PG_VERSION").exists)
    process.kill()
    process.communicate()
    if with_initdb:
        for initdb in find_processes(f"--pgdata={fresh}"):
            os.kill(initdb, signal.SIGKILL)
    assert not (settings.home / "server" / "data").exists()
    assert server.status(settings).condition == "never made"
    server.up(settings)
    assert value(settings, "select 1") == 1
    assert not fresh.exists()
    assert server.down(settings)


def find_processes(argument: str) -> list[int]:
    """Return the processes that have exactly this argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_an_up_killed_before_its_last_write_is_completed(stopped: Settings) -> None:
    write_record(stopped.home, replace(record_of(stopped), initialised=False))
    assert value(stopped, "select answer from kept") == 42
    assert record_of(stopped).initialised


# --- foreign ports and folders ---------------------------------------------------------------------------------


def test_a_port_taken_by_another_program_is_named_and_can_be_changed(stopped: Settings) -> None:
    port = record_of(stopped).port
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ConfigurationError, match=f"Port {port} on 127.0.0.1.*taken by another program") as caught:
            server.connect(stopped, application_name="test")
        assert record_of(stopped).password not in str(caught.value)
        # the correction in the message
        content = json.loads(record_file(stopped.home).read_text(encoding="utf-8"))
        record_file(stopped.home).write_text(json.dumps(content | {"port": port + 1}), encoding="utf-8")
        assert value(stopped, "select answer from kept") == 42
    assert server.status(stopped).port == port + 1


def test_another_program_on_our_port_does_not_get_the_password(stopped: Settings) -> None:
    # it requests the password in plain text, as a server may (protocol message R, code 3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received = []

        def ask() -> None:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(1024))
                connection.sendall(b"R" + struct.pack("!ii", 8, 3))
                received.append(connection.recv(1024))

        other_program = threading.Thread(target=ask)
        other_program.start()
        record = replace(record_of(stopped), port=listener.getsockname()[1])
        with pytest.raises(psycopg2.OperationalError, match="authentication method requirement"):
            open_embedded(record, application_name="test")
        other_program.join(timeout=10)
    assert b"warehouse" in received[0]
    assert received[1] == b""


def test_a_foreign_data_directory_is_not_touched(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings()
    theirs = settings.home / "server" / "data"
    theirs.mkdir(parents=True)
    (theirs / "PG_VERSION").write_text("18\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match="was not made by this warehouse"):
        server.up(settings)
    assert [path.name for path in theirs.iterdir()] == ["PG_VERSION"]


def test_a_data_directory_of_another_version_is_refused(stopped: Settings) -> None:
    (record_of(stopped).data_directory / "PG_VERSION").write_text("17\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match="is of PostgreSQL 17; the programs installed here are of 18"):
        server.up(stopped)


@only_as_root
def test_a_data_directory_of_another_user_is_refused(stopped: Settings) -> None:
    os.chown(record_of(stopped).data_directory, 65534, -1)
    with pytest.raises(ConfigurationError, match=r"belongs to user \w+, but the server would run as sales-warehouse"):
        server.up(stopped)


def test_a_missing_data_directory_is_not_replaced_by_an_empty_one(stopped: Settings) -> None:
    shutil.rmtree(record_of(stopped).data_directory)
    with pytest.raises(ConfigurationError, match="is gone"):
        server.up(stopped)


def test_a_damaged_record_is_reported_without_its_content(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings()
    record_file(settings.home).parent.mkdir(parents=True)
    record_file(settings.home).write_text('{"password": "correct-horse', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is damaged") as caught:
        server.status(settings)
    assert "correct-horse" not in str(caught.value)
    record_file(settings.home).unlink()


def test_a_server_with_a_broken_configuration_reports_the_reason(stopped: Settings) -> None:
    with (record_of(stopped).data_directory / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(ServerUnreachable, match=r"no_such_setting.*postgres\.log"):
        server.up(stopped)


def test_a_stale_lock_file_of_another_program_does_not_block_the_start(stopped: Settings) -> None:
    # As after a crash of the machine, when the process id was reused. Here a program of the same user has it, which
    # PostgreSQL would take for another server.
    account = server_account()
    user = account.uid if account.switch else None
    other = subprocess.Popen(["sleep", "60"], user=user)
    try:
        lock_file = record_of(stopped).data_directory / "postmaster.pid"
        lock_file.write_text(f"{other.pid}\n{record_of(stopped).data_directory}\n", encoding="ascii")
        assert server.status(stopped).condition == "stopped"
        assert not server.down(stopped)
        assert value(stopped, "select answer from kept") == 42
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_port_changed_while_the_server_runs_is_explained_at_once(own: Settings) -> None:
    record = record_of(own)
    write_record(own.home, replace(record, port=choose_port()))
    with pytest.raises(ConfigurationError, match=f"listens on port {record.port}, not on .*`warehouse down` stops it"):
        server.connect(own, application_name="test")
    assert server.down(own)
    assert value(own, "select answer from kept") == 42


# --- moved and copied ------------------------------------------------------------------------------------------


def test_a_moved_home_keeps_its_data_and_a_copy_has_its_own_server(
    stopped: Settings, new_settings: Callable[..., Settings]
) -> None:
    copy = new_settings()
    copy_home(stopped, copy)
    assert value(stopped, "select answer from kept") == 42
    execute(copy, "update kept set answer = 43")
    assert value(stopped, "select answer from kept") == 42
    assert record_of(copy).port != record_of(stopped).port
    assert server.down(copy)


def test_a_copy_made_while_the_server_ran_is_refused(own: Settings, new_settings: Callable[..., Settings]) -> None:
    copy = new_settings()
    copy_home(own, copy)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"was copied from .* cannot be trusted"):
            server.connect(copy, application_name="test")
        with pytest.raises(ConfigurationError, match="copied"):
            server.down(copy)
    assert server.status(own).condition == "running"
    shutil.rmtree(copy.home)


def test_a_home_moved_while_its_server_runs_can_be_stopped(
    own: Settings, new_settings: Callable[..., Settings]
) -> None:
    moved = new_settings()
    own.home.rename(moved.home)
    assert "moved or copied" in server.status(moved).notes[0]
    with pytest.raises(ServerUnreachable, match="moved or copied"):
        server.environment(moved)
    with pytest.raises(ConfigurationError, match=r"was moved from .* it still runs .*`warehouse down` stops it"):
        server.connect(moved, application_name="test")
    assert server.down(moved)
    assert value(moved, "select answer from kept") == 42


# --- as root, in folders that the server's user cannot enter ---------------------------------------------------


@only_as_root
def test_data_below_a_private_folder_is_placed_elsewhere_and_noted(
    tmp_path: Path, elsewhere: Path, new_settings: Callable[..., Settings]
) -> None:
    private = tmp_path.resolve() / "private"
    private.mkdir(mode=0o700)
    settings = new_settings(home=private / "home")
    state = server.up(settings)
    try:
        data = record_of(settings).data_directory
        assert data.parent.parent == elsewhere == state.data_directory.parent.parent  # type: ignore[union-attr]
        assert any(str(data.parent) in note for note in state.notes)
        assert any(str(data.parent) in note for note in server.status(settings).notes)
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        execute(settings, "create table kept as select 42 as answer")
        assert server.up(settings).pid == state.pid
        # the user deletes the home while the server runs, and runs `up` again
        shutil.rmtree(settings.home)
        anew = server.up(settings)
        assert value(settings, "select to_regclass('kept')::text") is None
        (aside,) = data.parent.glob("data.before-*")
        assert any(str(aside) in note for note in anew.notes)
        assert has_ended(state.pid)
    finally:
        server.down(settings)


@only_as_root
def test_programs_in_a_private_folder_are_copied(
    tmp_path: Path, elsewhere: Path, new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path.resolve() / "private"
    private.mkdir(mode=0o700)
    package = locate.installation().parent
    for name in (package.name, f"{package.name}.libs"):
        (private / name).symlink_to(package.with_name(name))
    monkeypatch.setattr(locate, "installation", lambda: private / package.name / "pginstall18")
    settings = new_settings()
    state = server.up(settings)
    assert state.pid is not None
    assert Path(f"/proc/{state.pid}/exe").resolve().is_relative_to(elsewhere / f"postgresql-{state.version}")
    assert server.down(settings)


@only_as_root
def test_the_server_does_not_run_as_root(running: Settings) -> None:
    pid = server.status(running).pid
    assert Path(f"/proc/{pid}").owner() == "sales-warehouse"
    groups = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Groups:")]
    assert groups[0].split()[1:] == []


def test_the_environment_of_the_user_does_not_reach_the_server(running: Settings) -> None:
    pid = server.status(running).pid
    variables = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"correct-horse" not in variables
    assert b"/nowhere" not in variables


# --- an external server -----------------------------------------------------------------------------------------


def external_settings(running: Settings, project: Path, **changes: object) -> Settings:
    """Return settings of a new home with the running server as external server, as PGHOST sets them."""
    record = record_of(running)
    named = ExternalServer("127.0.0.1", record.port, record.user, record.database, record.password)
    home = project / ".warehouse"
    return Settings(project, home, home / "inbox", external=replace(named, **changes))  # type: ignore[arg-type]


def test_pghost_starts_no_server_and_everything_works(
    running: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = external_settings(running, tmp_path)
    monkeypatch.setattr(initialise, "initialise", None)
    state = server.up(settings)
    assert (state.kind, state.condition, state.port) == ("external", "running", record_of(running).port)
    assert state == server.status(settings)
    assert value(settings, "select current_database()") == "warehouse"
    environment = server.environment(settings)
    assert environment["PGPASSWORD"] == record_of(running).password
    assert not settings.home.exists()
    assert (tmp_path / "profiles.yml").exists()


def test_an_external_server_is_not_stopped(running: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not started by `warehouse`"):
        server.down(external_settings(running, tmp_path))
    assert server.status(running).condition == "running"


def test_an_external_server_that_does_not_answer_is_named(running: Settings, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = external_settings(running, tmp_path, port=unused.getsockname()[1])
        for call in (server.up, server.status):
            with pytest.raises(ServerUnreachable, match=r"Connection refused.*Check PGHOST"):
                call(settings)


def test_a_wrong_password_is_reported_but_not_repeated(running: Settings, tmp_path: Path) -> None:
    settings = external_settings(running, tmp_path, password="correct-horse")
    with pytest.raises(ServerUnreachable, match="password authentication failed") as caught:
        server.connect(settings, application_name="test")
    assert "correct-horse" not in str(caught.value)


def test_a_server_older_than_16_is_refused(running: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # our server is older than the version required here
    monkeypatch.setattr("sales_warehouse.server.sessions.OLDEST_VERSION", 99)
    with pytest.raises(ConfigurationError, match=r"is PostgreSQL 18.*; 99 or newer is needed"):
        server.up(external_settings(running, tmp_path))


def test_status_before_the_first_up_creates_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path / "home", tmp_path / "home" / "inbox")
    assert server.status(settings).condition == "never made"
    assert not server.down(settings)
    with pytest.raises(ServerUnreachable, match="`warehouse up` makes it"):
        server.environment(settings)
    assert not settings.home.exists()


def test_client_and_server_time_out_lost_connections(database: Settings) -> None:
    """With the system's default of two hours, the next loader would wait that long for a lost connection's lock."""
    with closing(server.connect(database, application_name="test")) as connection, connection.cursor() as cursor:
        limits = []
        for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"):
            cursor.execute("select setting::int from pg_settings where name = %s", (name,))
            limits += cursor.fetchall()
        assert limits == [(30,), (10,), (3,), (60_000,)]
        ours = connection.get_dsn_parameters()
    assert [ours[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")] == ["30", "10", "3"]
    assert (ours["tcp_user_timeout"], ours["connect_timeout"]) == ("60000", "10")


def test_a_server_without_free_connections_is_reported_as_away(database: Settings) -> None:
    def connect_a_hundred_times() -> None:  # max_connections is 50
        with ExitStack() as held:
            for _ in range(100):
                held.enter_context(closing(server.connect(database, application_name="test")))

    with pytest.raises(ServerAway, match="clients"):
        connect_a_hundred_times()


def test_the_message_holds_the_reason_of_a_slow_shutdown(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text(
        "old line\n" + "LOG:  before\n" + "t FATAL:  No space left on device\n" + "LOG:  shutting down\n" * 8
    )
    complaint = _read_complaint(log, 9)
    assert "No space left on device" in complaint
    assert "old line" not in complaint
