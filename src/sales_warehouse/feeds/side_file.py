"""The control file beside a delivery."""

import os
import stat
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MAX_BYTES = 64 * 1024  # a few figures take a few lines


class NoSideFile(Exception):
    """There is no control file to be had; the text says why, to go on behind its name."""


@dataclass(frozen=True)
class SideFile:
    """A control file as it lies beside its delivery: in the same folder, or in the same folder of the same archive."""

    path: Path  # the archive's for a member
    uri: str
    member: str | None = None

    @cached_property
    def content(self) -> bytes | None:
        """Its bytes, read once; None when they cannot be had, `problem` says why."""
        return self._found[0]

    @cached_property
    def problem(self) -> str:
        """Why there is no content: ``is not there``."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[bytes | None, str]:
        try:
            content = self._read_member(self.member) if self.member is not None else self._read_file()
        except NoSideFile as problem:
            return None, str(problem)
        if len(content) > MAX_BYTES:
            return None, f"is larger than {MAX_BYTES:,} bytes, so it holds something else than control figures"
        return content, ""

    def _read_file(self) -> bytes:
        try:
            # neither following a link out of the inbox nor waiting at a pipe
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise NoSideFile("is no file")
                return file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise NoSideFile("is not there") from None
        except OSError as error:
            if self.path.is_symlink():
                raise NoSideFile("is a symbolic link, which is not followed") from None
            raise NoSideFile(f"cannot be read: {error.strerror}") from None

    def _read_member(self, member: str) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.namelist().count(member) != 1:
                    raise NoSideFile("is not there" if member not in archive.namelist() else "stands there twice")
                with archive.open(member) as file:
                    return file.read(MAX_BYTES + 1)
        except NoSideFile:
            raise
        except Exception as error:  # whatever a damaged or encrypted member raises
            raise NoSideFile(f"cannot be read: {error}") from None
