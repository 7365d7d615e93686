"""What happened to a file."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.outcomes import Tally

NEEDS_A_PERSON = {"refused", "held", "waiting", "unreadable"}  # statuses of a file

Progress = Callable[[int, int], None]  # bytes as delivered and records, both since the last call


class FileRefused(WarehouseError):
    """The file as a whole cannot be loaded; the message has the reason and the next step. The ledger keeps it."""


class HeaderRefused(FileRefused):
    """The columns of a file are not those of its feed."""

    def __init__(self, problem: str, found: str, remedy: str) -> None:
        """`remedy` is what may help, for a file of which nothing more certain is known."""
        super().__init__(f"{problem} {found} {remedy}")
        self.problem, self.found = problem, found

    def with_advice(self, advice: str) -> FileRefused:
        """Return the refusal with what certainly helps."""
        return FileRefused(f"{self.problem} {advice} {self.found}")


class FileChanged(WarehouseError):
    """The file was written to while it was read; the next load reads it."""


class JudgedLater(Exception):
    """An earlier file must be judged before this one: it is rolled back, and loaded again later."""


class FileWaits(WarehouseError):
    """The file cannot be loaded before something outside of it changes; the next load looks again."""


@dataclass(frozen=True)
class Outcome:
    """What happened to one file of the inbox."""

    uri: str
    feed: str
    status: str  # active, duplicate, held, refused (as in the ledger), unchanged, growing, waiting, unreadable
    size_bytes: int = 0
    file_id: int | None = None
    version: int | None = None
    tally: Tally = field(default_factory=Tally)
    message: str | None = None
    seconds: float = 0.0
