"""Addresses of inboxes: a folder of this machine, or a prefix of a bucket in an object store."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from sales_warehouse.errors import ConfigurationError

SCHEMES = ("s3", "gs", "az")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")


@dataclass(frozen=True)
class RemoteInbox:
    """A prefix of a bucket. The paths of its deliveries are their keys without the prefix, as those below a folder."""

    scheme: str
    bucket: str
    prefix: str = ""  # no slash at either end
    # where the store is, once that is known, so that workers need not find it again
    endpoint: str | None = field(default=None, compare=False)
    region: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the address without credentials: it never has any."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def start(self) -> str:
        """How the keys of all deliveries begin: empty, or with a slash at the end."""
        return f"{self.prefix}/" if self.prefix else ""


Inbox = Path | RemoteInbox


def parse_inbox(text: str) -> Inbox:
    """Return the inbox that a person named. Raises `ConfigurationError` for another address than of a known store."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return Path(text)
    scheme, bucket, path = found.groups()
    if scheme.lower() not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigurationError(f"An inbox is a folder, or begins with {known}. {scheme}:// is none of these.")
    if not _BUCKET.fullmatch(bucket):  # not shown: it may have a password in front of an @
        raise ConfigurationError(
            f"The address of the inbox has no name of a bucket behind {scheme}://. Write {scheme}://bucket/prefix; "
            "credentials are never part of it."
        )
    return RemoteInbox(scheme.lower(), bucket, path.strip("/"))


def folder_of(inbox: Inbox) -> Path | None:
    """Return the folder that an inbox is, None for one that is not on this machine."""
    return inbox if isinstance(inbox, Path) else None
