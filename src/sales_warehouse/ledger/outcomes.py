"""What the loader found in a file, as the ledger has it: outcomes of its records, and its columns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reject:
    """A record that the loader could not load."""

    row_number: int  # position among all records of the file, from 1
    line_number: int  # physical line of the file, from 1, the header included
    byte_offset: int  # of its first byte in the uncompressed content
    # too_few_fields, too_many_fields, unbalanced_quote, stray_quote, stray_escape, encoding, nul, too_long, bad_json,
    # bad_cell, split_character, unknown_record_type, no_header_record
    reason: str
    detail: str
    raw: bytes  # as delivered, without the line end
    replayed_as: str | None = None  # repaired text that was loaded in its place
    delivered_bytes: int | None = None  # where a person in `raw` was erased
    # of a message, as its rows would have them
    key: str | None = None
    headers: str | None = None  # JSON
    sent_at: str | None = None

    @property
    def size_bytes(self) -> int:
        """Return the length of the record in its file, without the line end."""
        return len(self.raw) if self.delivered_bytes is None else self.delivered_bytes


@dataclass(frozen=True)
class SkippedLine:
    """A line that is no record by the feed's declaration; the ledger keeps its bytes."""

    line_number: int  # physical line of the file, from 1
    row_number: int | None  # position among the records; None in front of the header
    kind: str  # preamble, comment, trailer, no_items
    raw: bytes  # as delivered, without the line end


@dataclass
class Tally:
    """Records of one file by outcome. `read` is always the sum of the others."""

    loaded: int = 0
    rejected: int = 0
    skipped: int = 0
    more_rows: int = 0  # of loaded records with several items: their rows beyond the first

    @property
    def rows(self) -> int:
        """Number of rows of the loaded records."""
        return self.loaded + self.more_rows

    @property
    def read(self) -> int:
        """Number of records read so far, whatever their outcome."""
        return self.loaded + self.rejected + self.skipped


@dataclass(frozen=True)
class Shape:
    """The columns of one file, compared with its feed's declaration."""

    # column of the raw table for each column of the file in its order; None for a column that was left out
    columns: tuple[str | None, ...] = ()
    added: tuple[str, ...] = ()  # new columns of the raw table
    ignored: tuple[str, ...] = ()  # names of the columns that were left out
    missing: tuple[str, ...] = ()  # optional columns that are missing in the file
    notes: tuple[str, ...] = ()  # what a person should know about the text of the file


@dataclass(frozen=True)
class Fingerprint:
    """What is known of a file's records without comparing them."""

    rows: int = 0
    value: int | None = None  # None: there are no rows
    sample: tuple[int, ...] = ()  # hashes of some records, without repetition
