"""The operating-system account of the embedded server, and programs that run as that account."""

import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sales_warehouse.errors import ConfigurationError

SYSTEM_USER = "sales-warehouse"


@dataclass(frozen=True)
class Account:
    """The user that runs the server. `switch` says whether programs must change to that user, which only root can."""

    uid: int
    gid: int
    switch: bool

    def own(self, path: Path) -> None:
        """Make the account the owner of `path`, which this process made."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def reaches(self, directory: Path) -> bool:
        """Say whether the account can enter `directory`; found out by a program that enters it."""
        if not self.switch:
            return os.access(directory, os.X_OK)
        # by the shell: the account may not be able to reach this Python
        return self.run(["/bin/sh", "-c", 'cd "$1" 2>/dev/null', "sh", str(directory)]).returncode == 0

    def run(
        self, command: Sequence[str | Path], *, output: IO[bytes] | None = None, keep_open: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as the account, in `/`, without a terminal and in a new session.

        Returns the finished process, standard output and error together in `stdout`, or in the file `output`, which
        is required for a daemon: the reader of a pipe would wait until the daemon ends. The program inherits the file
        descriptors `keep_open`. Raises PermissionError when the account may not execute the program.
        """
        return subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
            env=_clean_environment(),
            start_new_session=True,
            pass_fds=tuple(keep_open),
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
            check=False,
        )


def server_account() -> Account:
    """Return the current user, or for root an unprivileged system user, which is made when missing.

    PostgreSQL refuses to run as root. Raises ConfigurationError when the user cannot be made.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    entry = _find_system_user() or _make_one_system_user()
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def user_name(uid: int) -> str:
    """Return the name of a user for messages, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _find_system_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


def _make_one_system_user() -> pwd.struct_passwd:
    # two useradd at once both succeed, and the user number of the first is gone: the second replaces its line
    directory = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        return _find_system_user() or _make_system_user()
    finally:
        os.close(directory)


def _make_system_user() -> pwd.struct_passwd:
    search = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    useradd = shutil.which("useradd", path=search)
    reason = "there is no program useradd to make a user for it"
    if useradd is not None:
        shell = shutil.which("nologin", path=search) or "/bin/false"
        command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", shell, SYSTEM_USER]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = f"useradd could not make a user for it: {made.stderr.strip()}"
    # also after an error, because a person may have made the user first
    entry = _find_system_user()
    if entry is None:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and {reason}. "
            f"Make a system user named {SYSTEM_USER}, or run the command as an ordinary user."
        )
    return entry


def _clean_environment() -> dict[str, str]:
    # no other variables of the person: PGDATA or PGPORT would change the server, and it needs no secrets
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
