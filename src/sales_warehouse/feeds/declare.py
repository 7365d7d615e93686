"""A feed as the rest of the program sees it: small frozen dataclasses, cheap to import and to hand to a worker.

`validate` makes them from a declaration and is the only place that checks one.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property

from sales_warehouse.feeds.names import ARCHIVE_SUFFIX, name_of, normalise_header, without_compression

TEXT_FORMATS = ("csv", "aligned", "fixed")  # lines of text, read as the dialect says
FILE_FORMATS = (*TEXT_FORMATS, "jsonl", "parquet", "xlsx", "xls")
LINEAGE_COLUMNS = {"_file_id": "bigint", "_row_number": "bigint"}
EXTRA_COLUMN = "_extra"
RECORDS = "records"  # the group of a control pattern that is no column: the number of records
SIDE_FILE_PARTS = re.compile(r"\{(name|stem)\}")


@dataclass(frozen=True)
class Dialect:
    """How the text of a file is read: its lines, and how a line is cut into fields."""

    delimiter: str = ","
    quote: str = '"'  # empty: no field is quoted
    encoding: str = "utf-8"
    escape: str | None = None  # None: a quote inside a quoted field is written twice
    stray_quotes: str = "reject"  # or "text": inside a field that does not begin with one, a quote is a character
    line_end: str = "lf"  # or "cr"
    preamble_lines: int = 0  # lines in front of the header
    header_lines: int = 1  # 0: no header, the fields are in the order of the declared columns
    repeated_header: str = "load"  # or "refuse": a record that repeats the header means that the file is two files
    comment: str | None = None  # a regular expression; lines that match are skipped
    trailer: str | None = None  # a regular expression; lines that match are skipped too, but sum the file up

    @property
    def line_end_text(self) -> str:
        """The character every line ends with."""
        return "\r" if self.line_end == "cr" else "\n"


@dataclass(frozen=True)
class Control:
    """Where a delivery's expected figures are: in its trailer line, or in a control file beside it."""

    pattern: str  # a regular expression; its groups are `records` and declared columns, whose values are summed
    file: str | None = None  # name of the control file with {name} or {stem} in it; None: the figures are in a trailer
    decimal: str = "."  # or ",": the decimal mark of the figures and of the summed values

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The names of the expected figures: `RECORDS` and columns."""
        return tuple(re.compile(self.pattern).groupindex)

    def side_file_of(self, name: str) -> str:
        """Return the name of the control file of the delivery called `name`; only for a control with `file`."""
        assert self.file is not None
        plain = without_compression(name)
        parts = {"name": name, "stem": plain.rpartition(".")[0] or plain}
        return SIDE_FILE_PARTS.sub(lambda found: parts[found[1]], self.file)


@dataclass(frozen=True)
class Contract:
    """How a feed handles missing, renamed and new columns, and the figures a delivery must agree with."""

    optional: tuple[str, ...] = ()  # declared columns that a file may lack
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # declared columns and other header texts that mean them
    on_new_column: str = "add"  # or "ignore" or "refuse": how a column that is not declared is handled
    control: Control | None = None

    @cached_property
    def meanings(self) -> dict[str, str]:
        """The declared column each alias means, by the normalised alias."""
        return {normalise_header(text): column for column, texts in self.aliases for text in texts}


@dataclass(frozen=True)
class Workbook:
    """Where the table of a workbook is, and which of its rows are not records."""

    sheet: str | int = 1  # its name, or its number from 1
    header_row: int = 1
    total_rows: str | None = None  # a regular expression, searched for in the first cell of a row that holds a value


@dataclass(frozen=True)
class Unpacking:
    """The limits of unpacking a compressed file; None: the loader's default."""

    max_bytes: int | None = None
    max_ratio: int | None = None  # of unpacked bytes to packed bytes


USUAL_UNPACKING = Unpacking()


@dataclass(frozen=True)
class MaxRejects:
    """How many records of a file may be rejected before the whole file is refused."""

    count: int = 0
    share: Decimal | None = None

    @classmethod
    def parse(cls, value: object) -> "MaxRejects":
        """Read ``25`` (records) or ``"1%"`` (share of the records read); raises `ValueError`."""
        text = str(value).strip()
        try:
            if re.fullmatch("[0-9]+", text):
                return cls(count=int(text))
            share = Decimal(text.removesuffix("%")) / 100
            if text.endswith("%") and 0 <= share <= 1:
                return cls(share=share)
        except InvalidOperation:
            pass
        raise ValueError(f"{value!r} is no limit")

    def allows(self, rejected: int, read: int) -> bool:
        """Say whether a file with so many rejected of so many read records may be loaded."""
        if self.share is not None:
            return rejected <= self.share * read
        return rejected <= self.count

    def __str__(self) -> str:
        if self.share is not None:
            return f"{(self.share * 100).normalize():f}%"
        return str(self.count)


@dataclass(frozen=True)
class Repeats:
    """How a file is handled whose records another delivery has too."""

    on_same_records: str = "auto"  # or "hold", "load" or "duplicate": all records, under another delivery key
    max_shared_records: Decimal = Decimal("0.2")  # a file that shares more with another active file is reported


@dataclass(frozen=True)
class Feed:
    """One kind of file from a source: where its files are, how they are read, and the raw table they fill."""

    source: str
    name: str
    schema: str
    identifier: str
    location: str
    columns: tuple[str, ...]
    dialect: Dialect = field(default_factory=Dialect)
    delivery_key: str | None = None
    max_rejects: MaxRejects = field(default_factory=MaxRejects)
    file_format: str = "csv"
    workbook: Workbook = field(default_factory=Workbook)
    # of a fixed-width feed: for each of its columns, in their order, its first and last character in the line, from 1
    positions: tuple[tuple[int, int], ...] = ()
    contract: Contract = field(default_factory=Contract)
    unpacking: Unpacking = field(default_factory=Unpacking)
    repeats: Repeats = field(default_factory=Repeats)

    @property
    def full_name(self) -> str:
        """The feed's name in the ledger: ``<source>.<feed>``."""
        return f"{self.source}.{self.name}"

    @property
    def extra_column(self) -> str | None:
        """The column of the raw table that keeps what a JSON object holds beside the declared columns."""
        return EXTRA_COLUMN if self.file_format == "jsonl" and self.contract.on_new_column == "add" else None

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The declared columns every file must have."""
        return tuple(column for column in self.columns if column not in self.contract.optional)

    def column_of(self, header: str) -> str:
        """Return the column a header text means, under its own name or as an alias; empty when it has no name."""
        name = normalise_header(header)
        return self.contract.meanings.get(name, name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides how a file is read; a refused file is tried again when it changes."""
        told = asdict(self)
        # the ledger holds fingerprints made with the old name: files refused before the upgrade are not tried again
        told["business_key"] = told.pop("delivery_key")
        if told.pop("repeats")["on_same_records"] != "auto":
            told["on_same_records"] = self.repeats.on_same_records  # a held file is judged again when it changes
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

    def delivery_key_of(self, uri: str) -> str | None:
        """Return what the delivery at `uri` is about, such as ``business_date=2011-01-04``.

        Without a declared pattern the path itself is the key, compressed or not. None when the pattern does
        not fit. An archive as a whole, which is in the ledger only when it cannot be opened, is known by its path.
        """
        if self.delivery_key is None or uri.endswith(ARCHIVE_SUFFIX):
            return without_compression(uri)
        found = re.search(self.delivery_key, name_of(uri))
        if found is None:
            return None
        parts = [f"{group}={value}" for group, value in found.groupdict().items() if value is not None]
        return " ".join(parts) or None
