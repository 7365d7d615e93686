"""The operating-system account the embedded server runs under, and running programs as that account."""

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
    """Who runs the server. `switch` says whether programs must change to that user, which only root can."""

    uid: int
    gid: int
    switch: bool

    def own(self, path: Path) -> None:
        """Give `path`, which we have just made, to the account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def reaches(self, directory: Path) -> bool:
        """Whether the account can enter `directory`, tried by really entering it."""
        if not self.switch:
            return os.access(directory, os.X_OK)
        # by the shell: the account may not be able to reach this Python
        return self.run(["/bin/sh", "-c", 'cd "$1" 2>/dev/null', "sh", str(directory)]).returncode == 0

    def run(
        self, command: Sequence[str | Path], *, output: IO[bytes] | None = None, keep_open: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as the account, in `/`, with no terminal and in a session of its own.

        Returns the finished process, standard output and error together in `stdout`, or in the file `output`, which
        is required for a daemon: its reader would wait for a pipe as long as the daemon lives.
        `keep_open` are file descriptors that the program inherits.
        Raises PermissionError when the account may not execute the program.
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
    """The current user, or for root an unprivileged system user, which is made when missing.

    PostgreSQL refuses to run as root. Raises ConfigurationError when the user cannot be made.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _make_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def user_name(uid: int) -> str:
    """The name of a user for messages, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _make_system_user() -> None:
    search = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    useradd = shutil.which("useradd", path=search)
    advice = f"Make a system user named {SYSTEM_USER}, or run the command as an ordinary user."
    if useradd is None:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and there is no useradd here to make a user for it. " + advice
        )
    shell = shutil.which("nologin", path=search) or "/bin/false"
    command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", shell, SYSTEM_USER]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    try:
        # another `up` may have made it first
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and useradd could not make a user for it: {made.stderr.strip()}. "
            + advice
        ) from None


def _clean_environment() -> dict[str, str]:
    # nothing of the person's environment: PGDATA or PGPORT would change the server, and secrets are not its business
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
