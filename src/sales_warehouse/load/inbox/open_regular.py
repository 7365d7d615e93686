"""Open a regular file of the inbox; it may have been replaced since the folder was listed."""

import errno
import io
import os
import stat
from pathlib import Path

# Do not follow a link, and do not wait for another process to write into a pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path) -> io.FileIO:
    """Open the regular file at `path` for reading; raise `OSError` for a link, a pipe, a device, a socket, a folder."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP):
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_regular(path)
    return os.fdopen(handle, "rb", buffering=0)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is now a link, a pipe or a device, and these are never opened", path)
