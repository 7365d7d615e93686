"""What a feed is: frozen, self-validating dataclasses.

They know nothing of YAML: a wrong value raises `Invalid`, which names the key and what is allowed;
`read_feeds` adds the file and the line.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property

from sales_warehouse.feeds.contract import Contract
from sales_warehouse.feeds.expect import Expectation
from sales_warehouse.feeds.invalid import Invalid as Invalid
from sales_warehouse.feeds.invalid import check_pattern
from sales_warehouse.feeds.name_file import ARCHIVE_SUFFIX, name_of, without_compression
from sales_warehouse.feeds.normalise import MAX_IDENTIFIER_BYTES, normalise_header

TEXT_FORMATS = ("csv", "aligned", "fixed")  # lines of text, read as the dialect says
FILE_FORMATS = (*TEXT_FORMATS, "jsonl", "parquet", "xlsx", "xls")
LINE_ENDS = ("lf", "cr")
STRAY_QUOTES = ("reject", "text")
REPEATED_HEADERS = ("load", "refuse")
LINEAGE_COLUMNS = {"_file_id": "bigint", "_row_number": "bigint"}
EXTRA_COLUMN = "_extra"


@dataclass(frozen=True)
class Dialect:
    """How the text of a file is to be read: its lines, and how a line is cut into fields."""

    delimiter: str = ","
    quote: str = '"'  # empty: no field stands in quotes
    encoding: str = "utf-8"
    escape: str | None = None  # None: a quote inside a quoted field is written twice
    stray_quotes: str = "reject"  # or "text": inside a field that does not begin with one, a quote is a character
    line_end: str = "lf"  # one of LINE_ENDS
    preamble_lines: int = 0  # lines in front of the header
    header_lines: int = 1  # 0: none, the declared columns stand in their order
    repeated_header: str = "load"  # or "refuse": a record like the header says that the file is two
    comment: str | None = None  # a regular expression; lines it fits are no records
    trailer: str | None = None  # a regular expression; lines it fits are no records either, but sum the file up

    def __post_init__(self) -> None:
        if not self.delimiter or any(mark in self.delimiter for mark in "\r\n\0") or self.delimiter.isalnum():
            raise Invalid(
                "external.options.delimiter",
                f"{self.delimiter!r} cannot separate anything",
                "one or more characters, not all of them letters and digits, without line end or NUL",
            )
        for key, value in (("quote", self.quote), ("escape", self.escape or "")):
            if value and (len(value) != 1 or value.isalnum() or value in "\r\n\0 "):
                raise Invalid(
                    f"external.options.{key}",
                    f"{value!r} cannot mark anything",
                    "one character that is no letter, digit, blank, line end or NUL",
                )
        if self.quote and self.quote in self.delimiter:
            raise Invalid("external.options.quote", f"{self.quote!r} is the delimiter too", "a character of its own")
        if self.escape is not None and (not self.escape or self.escape in self.delimiter):
            raise Invalid("external.options.escape", f"{self.escape!r} is no escape", "a character of its own")
        if self.escape == self.quote:
            raise Invalid(
                "external.options.escape", f"{self.escape!r} is the quote", "leave it out: then it is doubled"
            )
        if self.stray_quotes not in STRAY_QUOTES:
            raise Invalid(
                "external.options.stray_quotes", f"{self.stray_quotes!r} is not known", " or ".join(STRAY_QUOTES)
            )
        if self.repeated_header not in REPEATED_HEADERS:
            raise Invalid(
                "external.options.repeated_header",
                f"{self.repeated_header!r} is not known",
                " or ".join(REPEATED_HEADERS),
            )
        if self.line_end not in LINE_ENDS:
            raise Invalid(
                "external.options.line_end", f"{self.line_end!r} ends no line", "lf (\\r\\n ends one too) or cr"
            )
        _check_number("external.options.preamble_lines", self.preamble_lines, "how many lines, from 0")
        _check_number("external.options.header", self.header_lines, "true, false, or how many lines it has")
        for key, pattern in (("comment", self.comment), ("trailer", self.trailer)):
            if pattern is not None:
                check_pattern(f"external.options.{key}", pattern, "^#")
        try:
            mark, one, two, letter = (text.encode(self.encoding) for text in ("", "\n", "\n\n", "a"))
            # lines are found by their ends, so these must be written alike everywhere and as wide as a letter
            has_lines = two == one + one[len(mark) :] and len(one) == len(letter)
        except (LookupError, ValueError):
            has_lines = False
        if not has_lines:
            raise Invalid(
                "external.options.encoding",
                f"{self.encoding!r} is no encoding of text in lines",
                "a name such as utf-8, cp1252, latin-1, utf-16 (Python's standard encodings, those of lines)",
            )

    @property
    def line_end_text(self) -> str:
        """The character every line ends with."""
        return "\r" if self.line_end == "cr" else "\n"


@dataclass(frozen=True)
class Workbook:
    """Where the table of a workbook stands, and which of its rows are none of its records."""

    sheet: str | int = 1  # its name, or its number from 1
    header_row: int = 1
    total_rows: str | None = None  # a regular expression, searched for in the first cell of a row that holds a value

    def __post_init__(self) -> None:
        if type(self.sheet) not in (int, str) or not self.sheet or (isinstance(self.sheet, int) and self.sheet < 1):
            raise Invalid(
                "external.options.sheet", f"{self.sheet!r} is no sheet", "its name in quotes, or its number from 1"
            )
        if isinstance(self.header_row, bool) or not isinstance(self.header_row, int) or self.header_row < 1:
            raise Invalid("external.options.header_row", f"{self.header_row!r} is no row", "its number, from 1")
        if self.total_rows is not None:
            check_pattern("external.options.total_rows", self.total_rows, "^(Grand )?Total")


@dataclass(frozen=True)
class Unpacking:
    """How much a packed file may unpack to, where it is not what the loader lets any file; None where it is."""

    max_bytes: int | None = None
    max_ratio: int | None = None  # of bytes that come out to bytes that go in

    def __post_init__(self) -> None:
        for key, value in (("max_unpacked_bytes", self.max_bytes), ("max_unpacked_ratio", self.max_ratio)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                example = "bytes: 21474836480 for 20 GiB" if key.endswith("bytes") else "times: 1000"
                raise Invalid(f"external.options.{key}", f"{value!r} is no limit", f"a whole number of {example}")


USUAL_UNPACKING = Unpacking()


@dataclass(frozen=True)
class MaxRejects:
    """How many records of a file may be rejected before the whole file is refused."""

    count: int = 0
    share: Decimal | None = None

    @classmethod
    def parse(cls, value: object) -> "MaxRejects":
        """Read ``25`` (records) or ``"1%"`` (share of the records read); raises `Invalid`."""
        text = str(value).strip()
        try:
            if text.endswith("%"):
                share = Decimal(text[:-1]) / 100
                if not 0 <= share <= 1:
                    raise ValueError(text)
                return cls(share=share)
            if not re.fullmatch("[0-9]+", text):
                raise ValueError(text)
            return cls(count=int(text))
        except (ValueError, InvalidOperation):
            raise Invalid(
                "external.options.max_rejects",
                f"{value!r} is no limit",
                "a number of records such as 25, or a share such as 1% (0% to 100%)",
            ) from None

    def allows(self, rejected: int, read: int) -> bool:
        """Say whether a file with so many rejected of so many read records may be taken in."""
        if self.share is not None:
            return rejected <= self.share * read
        return rejected <= self.count

    def __str__(self) -> str:
        if self.share is not None:
            return f"{(self.share * 100).normalize():f}%"
        return str(self.count)


@dataclass(frozen=True)
class Feed:
    """One kind of file from a source: where its files lie, how they read, and the raw table they fill."""

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
    expected: Expectation | None = None

    def __post_init__(self) -> None:
        if self.file_format not in FILE_FORMATS:
            raise Invalid("external.file_format", f"{self.file_format!r} cannot be read", ", ".join(FILE_FORMATS))
        if (self.file_format == "fixed") != bool(self.positions):
            raise Invalid("external.options.positions", "are those of file_format fixed", "one entry a declared column")
        for key, value in (("schema", self.schema), ("identifier", self.identifier)):
            if not value or len(value.encode()) > MAX_IDENTIFIER_BYTES:
                raise Invalid(key, f"{value!r} is no name", f"1 to {MAX_IDENTIFIER_BYTES} bytes")
        if not self.location or self.location.startswith("/") or ".." in self.location.split("/"):
            raise Invalid(
                "external.location",
                f"{self.location!r} does not lie below the inbox",
                "a relative path with * for any part of a name and ** for any folders, such as shop/*.csv",
            )
        if not self.columns:
            raise Invalid("columns", "none is declared", "one entry a column of the file")
        for column in self.columns:
            if column != normalise_header(column) or len(column.encode()) > MAX_IDENTIFIER_BYTES:
                raise Invalid(
                    f"columns.{column}",
                    "no header can ever be found under this name",
                    f"lower-case words joined by _, at most {MAX_IDENTIFIER_BYTES} bytes, "
                    f"such as {_shorten(normalise_header(column)) or 'invoice_no'}",
                )
        if twice := {c for c in self.columns if self.columns.count(c) > 1}:
            raise Invalid("columns", f"{', '.join(sorted(twice))} is declared twice", "each column once")
        self._check_contract()
        if self.delivery_key is not None:
            try:
                groups = re.compile(self.delivery_key).groupindex
            except (re.error, OverflowError, RecursionError) as error:
                groups = {}
                problem = f"{self.delivery_key!r} is no regular expression ({error})"
            else:
                problem = f"{self.delivery_key!r} names no part of the file's name"
            if not groups:
                raise Invalid(
                    "external.options.delivery_key",
                    problem,
                    r"a regular expression with named groups such as (?P<business_date>\d{4}-\d{2}-\d{2})",
                )

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

    @property
    def has_header(self) -> bool:
        """Say whether the columns of a file are found by name; without, they stand in the declared order."""
        return self.file_format != "fixed" and (self.file_format not in TEXT_FORMATS or self.dialect.header_lines > 0)

    def column_of(self, header: str) -> str:
        """Return the column a header text means, under its own name or as an alias; empty when it has no name."""
        name = normalise_header(header)
        return self.contract.meanings.get(name, name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides how a file is read; a refused file is tried again when it changes."""
        told = asdict(self)
        del told["expected"]  # when files come says nothing of how they are read
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

    def _check_contract(self) -> None:
        contract = self.contract
        contract.check(self.columns)
        if not self.has_header:
            for key, is_given in (
                ("optional", contract.optional),
                ("aliases", contract.aliases),
                ("on_new_column", contract.on_new_column != "add"),
            ):
                if is_given:
                    raise Invalid(
                        f"external.options.{key}",
                        "the files have no header to find columns by",
                        "leave it out, or declare a header",
                    )
        if contract.control is not None and contract.control.file is None:
            if self.file_format not in TEXT_FORMATS:
                raise Invalid(
                    "external.options.control.trailer",
                    f"a file of {self.file_format} has no trailer line",
                    "file and pattern: the figures stand in a file beside the delivery",
                )
            if self.dialect.trailer != contract.control.pattern:
                raise Invalid(
                    "external.options.trailer",
                    "is not the pattern of control.trailer, whose lines are the trailer lines",
                    "leave it out beside control.trailer",
                )


def _check_number(key: str, value: object, allowed: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Invalid(key, f"{value!r} is no number of lines", allowed)


def _shorten(name: str) -> str:
    return name.encode()[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")
