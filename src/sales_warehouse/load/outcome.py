"""What can become of a file."""

from dataclasses import dataclass, field

from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.outcomes import Tally


class FileRefused(WarehouseError):
    """The file as a whole cannot be taken in; the message says why and what to do. It goes in the ledger."""


class FileChanged(WarehouseError):
    """The file was written to while it was read; it is left alone until the next run."""


class FileWaits(WarehouseError):
    """The file's control file is not there; the file is left for the next run, the message says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file of the inbox."""

    uri: str
    feed: str
    status: str  # active, duplicate, refused (as in the ledger), unchanged, growing, waiting, unreadable
    size_bytes: int = 0
    file_id: int | None = None
    version: int | None = None
    tally: Tally = field(default_factory=Tally)
    message: str | None = None
    seconds: float = 0.0
