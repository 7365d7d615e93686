"""What can become of a file and of a record."""

from dataclasses import dataclass, field

from sales_warehouse.errors import WarehouseError


class FileRefused(WarehouseError):
    """The file as a whole cannot be taken in; the message says why and what to do. It goes on the books."""


class FileChanged(WarehouseError):
    """The file was written to while it was read; it is left alone until the next run."""


@dataclass(frozen=True)
class Reject:
    """A record the loader could not take in."""

    row_number: int  # position among all records of the file, from 1
    line_number: int  # physical line of the file, from 1, the header included
    byte_offset: int  # of its first byte in the uncompressed content
    reason: str  # too_few_fields, too_many_fields, unbalanced_quote, stray_quote, encoding, nul
    detail: str
    raw: bytes  # as delivered, without the line end


@dataclass
class Tally:
    """Records of one file by fate. `read` is always the sum of the others."""

    loaded: int = 0
    rejected: int = 0
    skipped: int = 0

    @property
    def read(self) -> int:
        """Number of records seen so far, whatever became of them."""
        return self.loaded + self.rejected + self.skipped


@dataclass(frozen=True)
class Outcome:
    """What became of one file of the inbox."""

    uri: str
    feed: str
    status: str  # active, duplicate, refused (as on the books), unchanged, growing
    size_bytes: int = 0
    file_id: int | None = None
    version: int | None = None
    tally: Tally = field(default_factory=Tally)
    message: str | None = None
    seconds: float = 0.0
