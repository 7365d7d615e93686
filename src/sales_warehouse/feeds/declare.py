"""A feed as the rest of the program sees it: small frozen dataclasses, cheap to import and to hand to a worker.

`validate` makes them from a declaration and is the only place that checks one.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property

from sales_warehouse.feeds.locations import compile_location
from sales_warehouse.feeds.messages import Messages
from sales_warehouse.feeds.names import (
    as_nfc,
    as_written,
    decode_folder_value,
    find_period,
    fold_case,
    is_archive,
    name_of,
    normalise_header,
    place_of,
    without_compression,
)

TEXT_FORMATS = ("csv", "aligned", "fixed")  # lines of text, read as the dialect says
JSON_FORMATS = ("jsonl", "json")  # an object a line, or documents with lists of objects
# Brackets in each other in a JSON record, its own included. Loader and verify parse with recursive functions, of up to
# three frames a level: at this depth both are far from Python's limit of 1,000 frames, so they agree on every record.
MAX_JSON_DEPTH = 200
WORKBOOK_FORMATS = ("xlsx", "xls")
FILE_FORMATS = (*TEXT_FORMATS, *JSON_FORMATS, "parquet", *WORKBOOK_FORMATS)
OBJECT_FORMATS = (*JSON_FORMATS, "avro")  # records are objects; avro is a format of messages alone
ITEM_COLUMN = "_item_number"  # of the raw table of a feed with items
# further columns of the raw table of a topic: where its message was, and what came with its value
MESSAGE_COLUMNS = {
    "_topic": "text",
    "_partition": "integer",
    "_offset": "bigint",
    "_key": "text",
    "_headers": "jsonb",
    "_sent_at": "timestamptz",
}
LINEAGE_COLUMNS = {"_file_id": "bigint", "_row_number": "bigint", ITEM_COLUMN: "integer", **MESSAGE_COLUMNS}
EXTRA_COLUMN = "_extra"
RECORDS = "records"  # the group of a control pattern that is no column: the number of records
# Options that came later, by the part of a feed they are in. Their usual values leave the fingerprint as it was:
# refused files are not read again after an upgrade.
_ADDED: dict[str, tuple[str, ...]] = {
    "": ("delivery_key_from", "delivery_key_case", "order_number", "folder_columns", "nesting", "topic"),
    "dialect": (
        *("short_records", "null_text", "blanks", "trailing_delimiter", "on_encoding_drift"),
        *("bytes_of", "record_types"),
    ),
    "workbook": ("merged_cells", "stale_results", "encoding"),
}
_PART = re.compile("^part=[0-9]+ ")  # in front of a delivery key that unrelated files have, from the second on
SIDE_FILE_PARTS = re.compile(r"\{(name|stem)\}")


@dataclass(frozen=True)
class RecordTypes:
    """Which lines of a file of several record types are records of the feed; each pattern is searched in a line."""

    own: str  # records of the feed
    header: str | None = None  # records whose fields are carried to the own records behind them
    carry: tuple[tuple[str, tuple[int, int]], ...] = ()  # column and its field (twice), or its first and last place
    other: str | None = None  # records of other feeds, which are skipped

    @property
    def columns(self) -> tuple[str, ...]:
        """The carried columns: the last ones of each record."""
        return tuple(column for column, _ in self.carry)


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
    short_records: str = "reject"  # or "null": empty fields at the end of a record may be left out
    null_text: tuple[str, ...] = ()  # a field without quotes that is one of these is NULL
    blanks: str = "text"  # or "delimiter": blanks beside a delimiter belong to it, also in front of a quote
    trailing_delimiter: str = "field"  # or "ignore": a delimiter behind the last field begins no further field
    on_encoding_drift: str = "refuse"  # or "warn": how a file in UTF-8 is handled where another encoding is declared
    bytes_of: str | None = None  # the encoding whose bytes fixed positions count; None: they count characters
    record_types: RecordTypes | None = None  # None: every line is a record of the feed

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
        """The declared column each alias means, by the normalised alias; none for one that several columns have."""
        found: dict[str, set[str]] = {}
        for column, texts in self.aliases:
            for text in texts:
                found.setdefault(normalise_header(text), set()).add(column)
        return {name: columns.pop() for name, columns in found.items() if name and len(columns) == 1}

    @cached_property
    def written(self) -> dict[str, str]:
        """The declared column each alias means, by the alias as it is written."""
        return {as_written(text): column for column, texts in self.aliases for text in texts}


@dataclass(frozen=True)
class Workbook:
    """Where the table of a workbook is, and which of its rows are not records."""

    sheet: str | int = 1  # its name, or its number from 1
    header_row: int = 1
    total_rows: str | None = None  # a regular expression, searched for in the first cell of a row that holds a value
    merged_cells: str = "first"  # or "fill": the value of merged cells is in the first of their rows, or in each
    stale_results: str = "refuse"  # or "load": results of formulas that the workbook does not vouch for
    encoding: str | None = None  # of the texts of an xls that has no code page


Steps = tuple[str, ...]  # the keys on the way to a value in an object; none: the value itself


@dataclass(frozen=True)
class Nesting:
    """Where in JSON the records are, and in a record its items and the values that are not found by key."""

    records: Steps = ()  # the list of records in a document
    items: Steps = ()  # the list in a record of which each item gives a row
    paths: tuple[tuple[str, Steps], ...] = ()  # declared columns and their values in the record


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
class Topic:
    """The topics of a Kafka cluster whose messages are the records of a feed."""

    cluster: str  # a name for the cluster; the environment says where it is
    name: str  # of one topic, or of several with * for any part of it
    keep_messages: str = "yes"  # or "until_published" or "no": how long the ledger keeps messages as they were sent
    messages: Messages = field(default_factory=Messages)  # how they are decoded
    dead_letter_topic: str | None = None  # of the same cluster, to which rejects are sent too

    @property
    def is_pattern(self) -> bool:
        """Say whether several topics may have this name."""
        return "*" in self.name

    def matches(self, topic: str) -> bool:
        """Say whether the messages of a topic are records of the feed."""
        return re.fullmatch(re.escape(self.name).replace(r"\*", ".*"), topic) is not None


def part_key(key: str, number: int) -> str:
    """Return the delivery key of the `number`-th of the unrelated files that have this key."""
    return key if number == 1 else f"part={number} {key}"


@dataclass(frozen=True)
class Repeats:
    """How a file is handled whose records another delivery has too."""

    on_same_records: str = "auto"  # or "hold", "load" or "duplicate": all records, under another delivery key
    max_shared_records: Decimal = Decimal("0.2")  # a file that shares more with another active file is reported
    on_unrelated_version: str = "replace"  # or "keep": a new version without any record of the one before it


@dataclass(frozen=True)
class Variant:
    """Files of a feed that are read in another way: those at a location, those from a day on, or both."""

    feed: "Feed"  # as these files are read
    location: str | None = None
    first_day: date | None = None  # of the period that the delivery key names

    def has(self, uri: str) -> bool:
        """Say whether the file at `uri` is read so."""
        if self.location is not None and not compile_location(self.location).fullmatch(as_nfc(place_of(uri))):
            return False
        if self.first_day is None:
            return True
        period = find_period(self.feed.delivery_key_of(uri))
        return period is not None and period[0] >= self.first_day


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
    delivery_key_from: str = "name"  # or "path": what the pattern of the delivery key is searched in
    delivery_key_case: str = "exact"  # or "fold": keys that differ in letter case alone are one key
    order_number: str | None = None  # finds a number in the name that orders versions with one modification time
    folder_columns: tuple[str, ...] = ()  # declared columns whose values are in the folders, such as day=2024-05-03
    nesting: Nesting = field(default_factory=Nesting)
    repeats: Repeats = field(default_factory=Repeats)
    topic: Topic | None = None  # where the records are messages of a topic and not files below the inbox
    # columns with meta personal or person_key: what `warehouse erase` replaces in the rows of a person
    personal: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()  # of one file the last one that has it counts

    @property
    def full_name(self) -> str:
        """The feed's name in the ledger: ``<source>.<feed>``."""
        return f"{self.source}.{self.name}"

    @property
    def locations(self) -> tuple[str, ...]:
        """All locations of its files: its own, and those of its variants."""
        return (self.location, *(it.location for it in self.variants if it.location is not None))

    @property
    def ways(self) -> tuple["Feed", ...]:
        """The feed as each of its files may be read: as declared, and by each variant."""
        return (self, *(it.feed for it in self.variants))

    def for_file(self, uri: str) -> "Feed":
        """Return the feed as the file at `uri` is read."""
        return next((it.feed for it in reversed(self.variants) if it.has(uri)), self)

    @property
    def extra_column(self) -> str | None:
        """The column of the raw table that keeps what a JSON object holds beside the declared columns."""
        return EXTRA_COLUMN if self.file_format in OBJECT_FORMATS and self.contract.on_new_column == "add" else None

    @property
    def lineage_columns(self) -> tuple[str, ...]:
        """The columns of the raw table that say from which record a row comes, and from which item of it."""
        left_out = [] if self.topic else list(MESSAGE_COLUMNS)
        left_out += [] if self.nesting.items else [ITEM_COLUMN]
        return tuple(column for column in LINEAGE_COLUMNS if column not in left_out)

    @cached_property
    def file_columns(self) -> tuple[str, ...]:
        """The declared columns whose values are in the file itself."""
        return tuple(column for column in self.columns if column not in self.folder_columns)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The declared columns every file must have."""
        return tuple(column for column in self.file_columns if column not in self.contract.optional)

    def column_of(self, header: str) -> str:
        """Return the column a header text means, as an alias or under its own name; empty when it has no name."""
        if column := self.contract.written.get(as_written(header)):
            return column
        name = normalise_header(header)
        return name if name in self.columns else self.contract.meanings.get(name, name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides how a file is read; a refused file is tried again when it changes."""
        told = asdict(self)
        # the ledger holds fingerprints made with the old name: files refused before the upgrade are not tried again
        told["business_key"] = told.pop("delivery_key")
        del told["personal"]  # of values, not of how a file is read
        del told["variants"]  # a file of a variant has the fingerprint of that
        if self.topic:
            del told["topic"]["dead_letter_topic"]  # no message is read in another way
        usual = asdict(Feed("", "", "", "", "", ()))
        for part, names in _ADDED.items():
            told_part, usual_part = (told[part], usual[part]) if part else (told, usual)
            for name in names:
                if told_part[name] == usual_part[name]:
                    del told_part[name]
        if told.pop("repeats")["on_same_records"] != "auto":
            told["on_same_records"] = self.repeats.on_same_records  # a held file is judged again when it changes
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

    def whole_key(self, key: str) -> str:
        """Return a delivery key without the number that tells unrelated versions apart, where the feed keeps them."""
        return _PART.sub("", key) if self.repeats.on_unrelated_version == "keep" else key

    def order_number_of(self, uri: str) -> int:
        """Return the number by which the delivery at `uri` follows others with its time, -1 without one."""
        found = re.search(as_nfc(self.order_number), as_nfc(name_of(uri))) if self.order_number else None
        return int(found["number"]) if found is not None and (found["number"] or "").isdecimal() else -1

    def delivery_key_of(self, uri: str) -> str | None:
        """Return what the delivery at `uri` is about, such as ``business_date=2011-01-04``.

        Without a declared pattern the path itself is the key, compressed or not. None when the pattern does
        not fit. An archive as a whole, which is in the ledger only when it cannot be opened, is known by its path.
        Keys are in Unicode's form NFC, so that two spellings of one name are one key.
        """
        if self.delivery_key is None or is_archive(uri):
            key = without_compression(uri)
        else:
            is_path = self.delivery_key_from == "path"
            found = re.search(as_nfc(self.delivery_key), as_nfc(place_of(uri) if is_path else name_of(uri)))
            if found is None:
                return None
            values = ((group, value) for group, value in found.groupdict().items() if value is not None)
            key = " ".join(f"{group}={decode_folder_value(value) if is_path else value}" for group, value in values)
        key = fold_case(key) if self.delivery_key_case == "fold" else as_nfc(key)
        return key or None
