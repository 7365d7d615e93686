"""What a long operation reports while it runs: messages and progress."""

from typing import Any


class Reporter:
    """Receives the messages and the progress of a load, a verification, a restore or a build; this one is quiet."""

    def say(self, message: str) -> None:
        """Show a message at once."""

    def start(self, items: int, size_bytes: int = 0) -> None:
        """Begin work on so many files or dbt nodes; `size_bytes` are to be read in all."""

    def begin(self, item: str) -> None:
        """Name the item that is in work now."""

    def advance(self, size_bytes: int, records: int) -> None:
        """Count bytes and records that were read."""

    def finish(self, outcome: Any) -> None:
        """Count a finished item; the loader passes the `Outcome` of a file, others None."""
