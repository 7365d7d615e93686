"""Which errors concern one file and which end a load, and what a person is told of an unexpected one."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors

from sales_warehouse.cli import main as cli
from sales_warehouse.error_log import log_unexpected
from sales_warehouse.errors import ConfigurationError, ServerAway, WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.load.guard import as_message, concerns_all_files
from sales_warehouse.load.load_file import describe_unreadable

FILE = InboxFile(Feed("shop", "lines", "raw", "shop__lines", "*", ("a",)), Path("a.csv"), "a.csv", 1, 1)


def server_error(state: str) -> psycopg2.Error:
    """Return an error as the server sends it."""
    kind: type[psycopg2.Error] = type(f"Sent{state}", (errors.lookup(state),), {"pgcode": state})
    return kind("said")


OF_ALL = (
    "08006", "25006", "28000", "40P01", "42501", "42P01", "53100", "53200", "55P03", "57014", "57P01", "58030", "XX001",
)  # fmt: skip
OF_ONE = ("22003", "22021", "22P05", "23505", "42701", "42601", "54000", "55000", "54011", "P0001", "XX000")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "error",
    [
        *map(server_error, OF_ALL),
        psycopg2.OperationalError("server closed the connection unexpectedly"),
        psycopg2.InterfaceError("connection already closed"),
        psycopg2.DatabaseError("could not receive data from server"),
        MemoryError(),
        ServerAway("away"),
        ConfigurationError("wrong"),
    ],
    ids=repr,
)
def test_server_disk_rights_and_locks_concern_all_files(error: Exception) -> None:
    assert concerns_all_files(error)


@pytest.mark.parametrize(
    "error",
    [
        *map(server_error, OF_ONE),
        psycopg2.ProgrammingError("can't adapt type"),
        ValueError("A string literal cannot contain NUL (0x00) characters."),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        RecursionError("maximum recursion depth exceeded"),
        OverflowError("int too big to convert"),
        OSError("Invalid data stream"),
        WarehouseError("3 records were sent and 2 rows arrived"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_other_error_concerns_one_file(error: Exception) -> None:
    assert not concerns_all_files(error)


def test_a_message_has_no_character_that_the_ledger_cannot_keep() -> None:
    assert as_message("a\0b\ud800\x1b é\n") == r"a\x00b\ud800\x1b é" + "\n"
    assert len(as_message("x" * 100_000)) == 4_001


def test_an_unexpected_error_is_logged_without_a_traceback_for_the_person(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def app(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect\nof two lines")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.run(["status"])
    said = capfd.readouterr().err
    log = home / "logs" / "errors.log"
    assert (ended.value.code, len(said.splitlines())) == (1, 1)
    assert f"ZeroDivisionError: a defect. Its traceback is in {log}. Please report it." in said
    assert all(text in log.read_text(encoding="utf-8") for text in ("warehouse status", "Traceback", "of two lines"))


def test_what_a_library_prints_goes_to_the_log(home: Path) -> None:
    """psycopg2 prints a traceback when the server ends a COPY, beside the error that it raises."""
    program = (
        "import threading; from sales_warehouse.error_log import log_instead_of_print as hook; hook()\n"
        "def fail(): raise ValueError('in a thread')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "raise ValueError('of nobody')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    log = (home / "logs" / "errors.log").read_text(encoding="utf-8")
    assert all(text in log for text in ("ValueError: in a thread", "ValueError: of nobody"))


def test_a_name_beyond_the_encoding_of_the_terminal_is_escaped() -> None:
    program = (
        "from sales_warehouse.cli import main\n"
        "main.app = lambda *_, **__: main.out.print('日.csv')\n"
        "main.run(['status'])"
    )
    variables = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables, check=True)
    assert (done.stdout, done.stderr) == ("\\u65e5.csv\n", "")


def test_a_log_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "logs").write_text("no folder", encoding="utf-8")
    assert "Its traceback could not be written to" in log_unexpected(ValueError("x"), "a.csv")


def test_the_log_keeps_its_last_megabytes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sales_warehouse.error_log._MAX_BYTES", 1_000)
    for number in range(20):
        log_unexpected(ValueError(f"defect {number}"), "a.csv")
    kept = [path.read_text(encoding="utf-8") for path in (home / "logs").iterdir()]
    assert len(kept) <= 2
    assert any("defect 19" in text for text in kept)
    assert sum(map(len, kept)) < 3_000


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "the right to read it"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.EIO, "tries again"),
    ],
)
def test_an_unreadable_file_is_reported_with_what_helps(number: int, advice: str) -> None:
    message = str(describe_unreadable(FILE, OSError(number, os.strerror(number))).message)
    assert message.startswith(f"cannot be read: {os.strerror(number)}. ")
    assert advice in message
