"""Open a file of the inbox, and only a file: it may have been replaced since the folder was listed."""

import errno
import io
import os
import stat
from pathlib import Path

# Neither follow a link nor wait for somebody to write into a pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path) -> io.FileIO:
    """Open the regular file at `path` to be read.

    Raises `OSError` for everything else: a symbolic link, a pipe, a device, a socket, a folder.
    """
    try:
        handle = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP):
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _no_file(path)
    return os.fdopen(handle, "rb", buffering=0)


def _no_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is no file any more but a link, a pipe or a device, and these are not read", path)
