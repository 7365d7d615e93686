"""Create the data directory of a home at the first start, or find that of a home that was moved or copied."""

import os
import secrets
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.account import Account
from sales_warehouse.server.locate import (
    CONFIGURATION_FILE,
    belongs_to,
    choose_base,
    is_elsewhere,
    make_base,
    note_home,
    noted_home,
    pg_ctl,
    programs_for,
)
from sales_warehouse.server.observe import choose_port, find_postmaster
from sales_warehouse.server.record import ServerRecord, read_record, record_file, server_directory, write_record
from sales_warehouse.settings import DEFAULT_DATABASE, DEFAULT_USER


def initialise(home: Path, account: Account, lock: int) -> tuple[ServerRecord, tuple[str, ...]]:
    """Make the data directory of `home`, or finish what a killed run began. The caller holds `lock`.

    Returns its record and notes for the person.
    Raises ConfigurationError when there is a data directory already that we did not make, or initdb fails.
    """
    record = read_record(home)
    base = choose_base(home, account)
    directory = base / "data"
    notes: tuple[str, ...] = ()
    # else a run was killed between the rename of the directory and the record that it is complete
    if record is None or record.data_directory != directory or not directory.is_dir():
        if directory.exists():
            if not is_elsewhere(directory):
                raise ConfigurationError(
                    f"{directory} exists, but was not made by this warehouse (there is no {record_file(home)}). "
                    "Move it away, or set WAREHOUSE_HOME to another folder."
                )
            notes = (_set_aside(directory, home, account),)
        make_base(base, home)
        record = ServerRecord(
            port=choose_port(),
            user=DEFAULT_USER,
            database=DEFAULT_DATABASE,
            data_directory=directory,
            # a letter first, so that YAML and JSON do not read it as a number
            password=f"w{secrets.token_hex(20)}",
            initialised=False,
        )
        # written before the directory gets its name: a complete one without a known password could not be used
        write_record(home, record)
        _run_initdb(directory, record, account, lock)
    record = replace(record, initialised=True)
    write_record(home, record)
    return record, notes


def settle_record(home: Path, record: ServerRecord) -> ServerRecord:
    """Return the record of a home, corrected if the home was moved, or copied from another.

    A moved home gets a new port, because a copy must not use the port of its original.
    Raises ConfigurationError when the data directory is missing or belongs to another home.
    """
    directory = record.data_directory
    if belongs_to(home, directory) and directory.is_dir():
        return record
    own = server_directory(home) / "data"
    if own.is_dir():
        moved = replace(record, data_directory=own, port=choose_port())
        write_record(home, moved)
        return moved
    noted = noted_home(directory) if is_elsewhere(directory) and directory.is_dir() else None
    if noted is None:
        raise ConfigurationError(
            f"The data directory {directory} is gone. Bring it back from a backup, or delete {record_file(home)} "
            "to begin with an empty database."
        )
    if record_file(noted).exists():
        raise ConfigurationError(
            f"{home} is a copy of {noted}, whose database is in {directory}. "
            f"Delete {server_directory(home)} to begin with an empty database there."
        )
    note_home(directory, home)
    return record


def _run_initdb(directory: Path, record: ServerRecord, account: Account, lock: int) -> None:
    fresh = directory.with_name("data.new")
    password_file = directory.with_name("password.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account.own(fresh)
    password_file.unlink(missing_ok=True)
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(record.password)
        account.own(password_file)
        made = account.run(
            [
                programs_for(account) / "initdb",
                f"--pgdata={fresh}",
                f"--username={record.user}",
                f"--pwfile={password_file}",
                # initdb's own default trusts every local user
                "--auth-local=scram-sha-256",
                "--auth-host=scram-sha-256",
                # Many iterations make up for passwords that can be guessed, and cost each connection 4 ms, of which a
                # build makes two hundred. Ours has 160 random bits; passwords made later have the usual number.
                "--set=scram_iterations=1",
                "--data-checksums",
                "--encoding=UTF8",
                # the same order and character classes on every system, with no locale installed
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            # if this process is killed while initdb runs, the next `up` waits for it instead of deleting its files
            keep_open=[lock],
        )
    finally:
        password_file.unlink(missing_ok=True)
    if made.returncode != 0:
        raise ConfigurationError(
            f"The data directory {directory} could not be made. initdb says: {made.stdout.strip()} "
            "Correct that and run the command again."
        )
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude '{CONFIGURATION_FILE}'\n")
    fresh.rename(directory)


def _set_aside(directory: Path, home: Path, account: Account) -> str:
    # The home was deleted and made again, but its data directory is outside of it and still exists, without a known
    # password. A new home must be empty, and a program must not delete sales: so the old directory is renamed.
    if find_postmaster(directory) is not None:
        pg_ctl(account, "stop", directory)
    aside = directory.with_name(f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    directory.rename(aside)
    return (
        f"An earlier warehouse in {server_directory(home)} was deleted; its database is still in {aside}. "
        "Delete that folder when it is not needed."
    )
