"""Check the declaration of a feed and make the feed of it.

The models have the shape of the YAML; the text of a field says what is allowed there, and the messages show it.
"""

import codecs
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import (
    EXTRA_COLUMN,
    FILE_FORMATS,
    LINEAGE_COLUMNS,
    RECORDS,
    SIDE_FILE_PARTS,
    TEXT_FORMATS,
    Contract,
    Control,
    Dialect,
    Feed,
    MaxRejects,
    Nesting,
    RecordTypes,
    Repeats,
    Topic,
    Unpacking,
    Variant,
    Workbook,
)
from sales_warehouse.feeds.expect import DAY, EVERY, Day, Expected, check_expected
from sales_warehouse.feeds.messages import MESSAGE_OPTIONS, MessageOptions, check_messages
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, SYSTEM_COLUMNS, as_written, has_signs, normalise_header
from sales_warehouse.feeds.strict_model import (
    Invalid,
    Pattern,
    PatternWithGroups,
    StrictModel,
    check,
    field,
    groups_of,
    require,
)

_OWN_COLUMNS = {**LINEAGE_COLUMNS, EXTRA_COLUMN: "jsonb"}
_RENAMED = {"business_key": "delivery_key"}

_LINES = (
    *("encoding", "line_end", "preamble_lines", "header", "comment", "trailer"),
    *("short_records", "null_text", "on_encoding_drift", "record_types"),
)
_MARKED = ("delimiter", "quote", "escape", "stray_quotes", "blanks", "trailing_delimiter")
_BY_NAME = ("optional", "aliases", "on_new_column")  # for columns that are found by name
_PATH_OPTIONS = ("delivery_key_from", "delivery_key_case", "order_number", "folder_columns")
_REPEATS = ("on_same_records", "max_shared_records", "on_unrelated_version")
_JUDGED = ("kind", "sorted_by", "max_quarantined", "on_quarantined")  # for the models; the loader only checks them
_ANY = (
    *("delivery_key", "max_rejects", "control", "max_unpacked_bytes", "max_unpacked_ratio", "expected"),
    *_PATH_OPTIONS,
    *_REPEATS,
    *_JUDGED,
)
_JSON = ("encoding", "items", "paths")
_WORKBOOK = ("sheet", "header_row", "total_rows", "merged_cells", "stale_results", *_ANY, *_BY_NAME)
_OPTIONS: dict[str, tuple[str, ...]] = {
    "csv": (*_MARKED, "repeated_header", *_LINES, *_ANY, *_BY_NAME),
    "aligned": (*_LINES, "repeated_header", *_ANY, *_BY_NAME),
    "fixed": (*_LINES, "positions", "positions_in", *_ANY),
    "jsonl": (*_JSON, *_ANY, *_BY_NAME),
    "json": ("records", *_JSON, *_ANY, *_BY_NAME),
    "parquet": (*_ANY, *_BY_NAME),
    "xlsx": _WORKBOOK,
    "xls": ("encoding", *_WORKBOOK),
}

# of the messages of a topic, each of which is one record
_MESSAGES = (
    *("aliases", "on_new_column", "max_rejects", "kind", "max_quarantined", "on_quarantined"),
    *("keep_messages", "dead_letter_topic"),
)
_TOPIC_OPTIONS: dict[str, tuple[str, ...]] = {
    "json": ("items", "paths", *_MESSAGES, *MESSAGE_OPTIONS["json"]),
    "avro": ("items", "paths", *_MESSAGES, *MESSAGE_OPTIONS["avro"]),
    "csv": (*_MARKED, "short_records", "null_text", *_MESSAGES[2:], *MESSAGE_OPTIONS["csv"]),
}
_TOPIC = re.compile(r"kafka://(?P<cluster>[a-z0-9][a-z0-9_-]*)/(?P<name>[A-Za-z0-9._*-]+)")
_SCHEME = "kafka://"

_FIGURES = r"a regular expression with named groups, such as ^T;(?P<records>\d+);(?P<amount>[-0-9.]+)$"
_MARK = "one character that is no letter, digit, blank, line end or NUL"
_MARK_PATTERN = r"^[^\p{L}\p{N}\r\n\x00 ]?$"
_PATTERN = "a regular expression such as "
_PATH = "keys joined by dots, as they are written in the files, such as order.lines"
_IDENTIFIER = f"1 to {MAX_IDENTIFIER_BYTES} bytes"


def split_topic(location: str) -> tuple[str, str]:
    """Return cluster and topic of a location such as ``kafka://main/orders``. Raises `ConfigurationError`."""
    found = _TOPIC.fullmatch(location)
    if found is None:
        raise ConfigurationError(f"{location} is no topic: write kafka://<cluster>/<topic>.")
    return found["cluster"], found["name"]


class InvalidFeed(ValueError):
    """A declaration with mistakes: a message for each, by the path of the key below the table."""

    def __init__(self, mistakes: dict[tuple[str | int, ...], str]) -> None:
        super().__init__("\n".join(mistakes.values()))
        self.mistakes = mistakes


def validate_feed(source: Mapping[str, Any], table: Mapping[str, Any]) -> Feed:
    """Return the feed that a table of a dbt source declares. Raises `InvalidFeed` with all mistakes."""
    schema = source.get("name") if source.get("schema") is None else source["schema"]
    given = {**table, "source": source.get("name"), "schema": schema, "columns": table.get("columns") or []}
    declared = _validate(given)
    feed, mistakes = declared.feed(), dict[tuple[str | int, ...], str]()
    variants = []
    for number, variant in enumerate(declared.external.variants):
        external = variant.merge(given["external"])
        if variant.first and not _names_period(feed.delivery_key):
            mistakes["external", "variants", number, "from"] = (
                "external.variants.from: delivery_key does not name the day of a file; allowed: a delivery_key with "
                "business_date, or with year, month and day"
            )
        try:
            as_read = _validate({**given, "external": external}).feed()
        except InvalidFeed as invalid:
            for path, message in invalid.mistakes.items():
                below = ("external", "variants", number, *path[1:])
                mistakes[below] = message.replace("external.", "external.variants.", 1)
        else:
            variants.append(Variant(as_read, variant.location, variant.first))
    if mistakes:
        raise InvalidFeed(mistakes)
    return replace(feed, variants=tuple(variants))


def _names_period(delivery_key: str | None) -> bool:
    return bool({"business_date", "year"} & set(groups_of(delivery_key) if delivery_key else ()))


def _validate(given: dict[str, Any]) -> "_Table":
    """Return the checked declaration. Raises `InvalidFeed`."""
    try:
        return _Table.model_validate(given)
    except ValidationError as error:
        mistakes: dict[tuple[str | int, ...], str] = {}
        # missing keys come last: a misspelled key explains them
        for detail in sorted(error.errors(), key=lambda detail: detail["type"] == "missing"):
            path, message = _explain(detail, given)
            mistakes.setdefault(path, message)
        raise InvalidFeed(mistakes) from None


def _check_given(value: object) -> object:
    require(value is not None, "has no value")
    return value


def _is_side_file(value: str) -> bool:
    rest = SIDE_FILE_PARTS.sub("", value)
    return rest not in ("", value) and not re.search(r"[/\\{}\0]", rest)


def _has_lines(encoding: str) -> bool:
    """Say whether line ends are written alike everywhere and are as wide as a letter: lines are found by their ends."""
    try:
        mark, one, two, letter = (text.encode(encoding) for text in ("", "\n", "\n\n", "a"))
    except (LookupError, ValueError):
        return False
    return two == one + one[len(mark) :] and len(one) == len(letter)


def _may_be_json(encoding: str) -> bool:
    """Say whether any bytes can be decoded and encoded again, so that the place of a record in a document is known."""
    name = codecs.lookup(encoding).name
    every = bytes(range(256))
    return name.startswith("utf-") or len(every.decode(name, "surrogateescape")) == len(every)


def _read_share(value: object) -> Decimal:
    """Return the share that a text such as ``20%`` means."""
    share = MaxRejects.parse(value).share
    require(share is not None, f"{value!r} is no share")
    return share or Decimal(0)


def _is_below_inbox(location: str) -> bool:
    if location.startswith(_SCHEME):
        return _TOPIC.fullmatch(location) is not None
    return bool(location) and not location.startswith("/") and ".." not in location.split("/")


def _read_place(value: object) -> tuple[int, int]:
    """Return the first and last character of a column, from a text such as ``1-6``."""
    found = re.fullmatch("([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?", str(value))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    require(first <= last, f"{value!r} is not a place in a line")
    return first, last


def _has_bytes(encoding: str) -> bool:
    """Say whether each character is a number of bytes of its own: no shift codes, and an ASCII character is one."""
    name = codecs.lookup(encoding).name
    return len("a".encode(name)) == 1 and not name.startswith(("iso2022", "hz", "utf-7"))


def _name_texts(value: object) -> object:
    """Return a list of texts; one text is a list of one."""
    return [value] if isinstance(value, str) else value


Identifier = Annotated[str, check(lambda name: 0 < len(name.encode()) <= MAX_IDENTIFIER_BYTES, "cannot be a name")]
Path = Annotated[str, check(lambda path: all(path.split(".")), "is no path")]
Place = Annotated[tuple[int, int], BeforeValidator(_read_place)]


class _Control(StrictModel):
    trailer: PatternWithGroups | None = field(_FIGURES, None)
    file: Annotated[str, check(_is_side_file, "is not the name of a file beside each delivery")] | None = field(
        "{name} (the delivery's name) or {stem} (without its suffixes) and more, such as '{name}.ctl'", None
    )
    pattern: PatternWithGroups | None = field(_FIGURES, None)
    decimal: Literal[".", ","] = field("'.' or ','", ".")

    _is_given = field_validator("*", mode="before")(_check_given)

    @model_validator(mode="after")
    def _is_one_kind(self) -> "_Control":
        names = self.model_fields_set - {"decimal"}
        is_one = names in ({"trailer"}, {"file", "pattern"})
        require(is_one, f"{', '.join(sorted(names)) or 'nothing'} is given", "trailer alone, or file and pattern")
        return self

    def build(self) -> Control:
        return Control(self.trailer or self.pattern or "", self.file, self.decimal)


class _RecordTypes(StrictModel):
    own: Pattern = field(_PATTERN + r"^D\|")
    header: Pattern | None = field(_PATTERN + r"^H\|", None)
    carry: dict[str, Place] = field("the field of the header record of each carried column: {order_no: 2}", {})
    other: Pattern | None = field(_PATTERN + r"^T\|", None)

    _is_given = field_validator("*", mode="before")(_check_given)

    @model_validator(mode="after")
    def _carries(self) -> "_RecordTypes":
        problem = "header and carry belong together"
        require((self.header is None) == (not self.carry), problem, "both, or none of them")
        return self

    def build(self) -> RecordTypes:
        return RecordTypes(self.own, self.header, tuple(self.carry.items()), self.other)


def _split_path(path: str | None) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


class Options(MessageOptions):
    """`external.options`, of all formats."""

    delimiter: str = field(
        "one or more characters, not all of them letters and digits, without line end or NUL",
        ",",
        pattern=r"^[^\r\n\x00]*[^\p{L}\p{N}\r\n\x00][^\r\n\x00]*$",
    )
    quote: str = field(_MARK, '"', pattern=_MARK_PATTERN, validate_default=True)
    escape: str | None = field(_MARK, None, pattern=_MARK_PATTERN)
    stray_quotes: Literal["reject", "text"] = field("reject or text", "reject")
    blanks: Literal["text", "delimiter"] = field("text or delimiter", "text")
    trailing_delimiter: Literal["field", "ignore"] = field("field or ignore", "field")
    short_records: Literal["reject", "null"] = field("reject or null", "reject")
    null_text: Annotated[list[Annotated[str, field("", min_length=1)]], BeforeValidator(_name_texts)] = field(
        r"a text such as '\N', or a list of texts", []
    )
    on_encoding_drift: Literal["refuse", "warn"] = field("refuse or warn", "refuse")
    record_types: _RecordTypes | None = field("{own: …, header: …, carry: …, other: …}", None)
    repeated_header: Literal["load", "refuse"] = field("load or refuse", "load")
    encoding: Annotated[str, check(_has_lines, "is not an encoding of text in lines")] = field(
        "a name such as utf-8, cp1252, latin-1, utf-16 (Python's standard encodings of text in lines)", "utf-8"
    )
    line_end: Literal["lf", "cr"] = field(r"lf (\r\n is a line end too) or cr", "lf")
    preamble_lines: int = field("how many lines, from 0", 0, ge=0)
    header: bool | Annotated[int, field("", ge=0)] = field("true, false, or how many lines it has", True)
    comment: Pattern | None = field(_PATTERN + "^#", None)
    trailer: Pattern | None = field(_PATTERN + "^TOTAL;", None)
    sheet: Annotated[int, field("", ge=1)] | Annotated[str, field("", min_length=1)] = field(
        "its name in quotes, or its number from 1", 1
    )
    header_row: int = field("its number, from 1", 1, ge=1)
    total_rows: Pattern | None = field(_PATTERN + "^(Grand )?Total", None)
    merged_cells: Literal["first", "fill"] = field("first or fill", "first")
    stale_results: Literal["refuse", "load"] = field("refuse or load", "refuse")
    positions: dict[str, Place] = field("first and last character of each declared column: {order_id: 1-6}", {})
    positions_in: Literal["characters", "bytes"] = field("characters or bytes", "characters")
    records: Path | None = field(_PATH, None)
    items: Path | None = field(_PATH, None)
    paths: dict[str, Path] = field("declared columns and their paths: {customer_id: customer.id}", {})
    delivery_key: PatternWithGroups | None = field(
        r"a regular expression with named groups such as (?P<business_date>\d{4}-\d{2}-\d{2})", None
    )
    delivery_key_from: Literal["name", "path"] = field("name or path", "name")
    delivery_key_case: Literal["exact", "fold"] = field("exact or fold", "exact")
    order_number: PatternWithGroups | None = field(
        r"a regular expression with the group number, such as _v(?P<number>\d+)", None
    )
    folder_columns: list[str] = field("a list of declared columns: [day, store] for day=2024-05-03/store=paris", [])
    max_rejects: Annotated[MaxRejects, PlainValidator(MaxRejects.parse)] = field(
        "a number of records such as 25, or a share such as 1% (0% to 100%)", MaxRejects()
    )
    on_same_records: Literal["auto", "hold", "load", "duplicate"] = field("auto, hold, load, duplicate", "auto")
    max_shared_records: Annotated[Decimal, PlainValidator(_read_share)] = field(
        "a share of the records such as 20% (0% to 100%)", Repeats.max_shared_records
    )
    on_unrelated_version: Literal["replace", "keep"] = field("replace or keep", "replace")
    kind: Literal["sales", "lookup"] = field("sales, or lookup for what lines are joined with", "sales")
    sorted_by: Literal["date"] | None = field("date", None)
    max_quarantined: Annotated[MaxRejects, PlainValidator(MaxRejects.parse)] | None = field(
        "a number of rows such as 25, or a share such as 5% (0% to 100%)", None
    )
    on_quarantined: Literal["hold", "fail", "accept"] = field("hold, fail or accept", "hold")
    control: _Control | None = field("{trailer: …}, or {file: …, pattern: …}", None)
    max_unpacked_bytes: int | None = field("a whole number of bytes: 21474836480 for 20 GiB", None, ge=1)
    max_unpacked_ratio: int | None = field("a whole number of times: 1000", None, ge=1)
    keep_messages: Literal["yes", "until_published", "no"] = field("'yes', until_published or 'no'", "yes")
    dead_letter_topic: Annotated[str, field("", pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = field(
        "the name of a topic of the same cluster, such as orders.rejects", None
    )
    expected: Expected | None = field(f"{{every: …}}: {EVERY}", None)
    optional: list[str] = field("a list of declared columns: [discount]", [])
    aliases: dict[str, list[str]] = field("a list of header texts: ['Order No', 'Bestell-Nr']", {})
    on_new_column: Literal["add", "ignore", "refuse"] = field("add, ignore, refuse", "add")

    @field_validator("*", mode="before")
    @classmethod
    def _is_given(cls, value: object, info: ValidationInfo) -> object:
        # `short_records: null` without quotes is None in YAML
        return "null" if value is None and info.field_name == "short_records" else _check_given(value)

    @field_validator("keep_messages", mode="before")
    @classmethod
    def _is_no_truth(cls, value: object) -> object:
        # without quotes YAML reads yes and no as True and False
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value

    @field_validator("quote", "escape")
    @classmethod
    def _is_not_used_twice(cls, value: str, info: ValidationInfo) -> str:
        is_delimiter = value and value in info.data.get("delimiter", "")
        require(not is_delimiter, f"{value!r} is the delimiter too", "a character of its own")
        if info.field_name == "escape":
            is_own = value not in ("", info.data.get("quote"))
            require(is_own, f"{value!r} cannot be the escape", "a character of its own; without it a quote is doubled")
        return value

    def repeats(self) -> Repeats:
        """Return what happens to records that come again; a lookup is usually sent as a whole, changed or not."""
        repeats = Repeats(**{name: getattr(self, name) for name in _REPEATS})
        whole: dict[str, Any] = {"on_same_records": "load", "max_shared_records": Decimal(1)}
        usual = whole if self.kind == "lookup" else {}
        return replace(repeats, **{name: usual[name] for name in usual.keys() - self.model_fields_set})

    def nesting(self) -> Nesting:
        """Return where in JSON records, items and nested values are."""
        paths = tuple((column, _split_path(path)) for column, path in self.paths.items())
        return Nesting(_split_path(self.records), _split_path(self.items), paths)

    def dialect(self) -> Dialect:
        """Return how the text of a file is read."""
        alike = (
            *("delimiter", "quote", "encoding", "escape", "stray_quotes", "line_end", "preamble_lines"),
            *("repeated_header", "comment", "short_records", "blanks", "trailing_delimiter", "on_encoding_drift"),
        )
        return Dialect(
            **{name: getattr(self, name) for name in alike},
            header_lines=int(self.header),
            trailer=self.trailer or (self.control.trailer if self.control else None),
            null_text=tuple(self.null_text),
            bytes_of=self.encoding if self.positions_in == "bytes" else None,
            record_types=self.record_types.build() if self.record_types else None,
        )

    def workbook(self, file_format: str) -> Workbook:
        """Return where the table of a workbook is, and how its cells are read."""
        encoding = self.encoding if file_format == "xls" and "encoding" in self.model_fields_set else None
        names = ("sheet", "header_row", "total_rows", "merged_cells", "stale_results")
        return Workbook(**{name: getattr(self, name) for name in names}, encoding=encoding)


Location = Annotated[str, check(_is_below_inbox, "is neither below the inbox nor a topic")]
Format = Literal["csv", "aligned", "fixed", "jsonl", "json", "parquet", "xlsx", "xls", "avro"]


class _Variant(StrictModel):
    """Files of the feed that are read in another way; its options are checked with those of the feed."""

    location: Location | None = field("a relative path with * and **, such as shop/*.xlsx", None)
    first: Day | None = field(DAY, None, alias="from")
    file_format: Format | None = field(", ".join(FILE_FORMATS), None)
    options: dict[str, Any] = field("options of how these files are read", {})

    _is_given = field_validator("*", mode="before")(_check_given)

    @field_validator("options")
    @classmethod
    def _are_of_reading(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            require(name not in _ANY, "is an option of the whole feed", "declare it in options of the feed", (name,))
        return value

    @model_validator(mode="after")
    def _says_which_and_how(self) -> "_Variant":
        which, how = self.location is not None or self.first, self.file_format or self.options
        is_topic = str(self.location).startswith(_SCHEME)
        require(not is_topic, "is a topic", "a relative path such as shop/*.xlsx", ("location",))
        require(which, "no file is named", "location, from (a day), or both")
        require(how, "it reads its files as the feed does", "file_format, options, or both")
        return self

    def merge(self, external: Mapping[str, Any]) -> dict[str, Any]:
        """Return how its files are declared: options of the feed's format do not hold for another one."""
        usual = external.get("file_format", "csv")
        file_format = self.file_format or usual
        kept = _OPTIONS.get(file_format, ())
        if file_format != usual:
            kept = tuple(name for name in kept if name in (*_ANY, *_BY_NAME))
        given = {name: value for name, value in (external.get("options") or {}).items() if name in kept}
        location = external["location"] if self.location is None else self.location
        return {"location": location, "file_format": file_format, "options": {**given, **self.options}}


class _External(StrictModel):
    location: Location = field(
        "a relative path with * for any part of a name and ** for any folders, such as shop/*.csv, or "
        "kafka://<cluster>/<topic>, with * for any part of the topic's name"
    )
    file_format: Format = field(f"{', '.join(FILE_FORMATS)}; of a topic {', '.join(_TOPIC_OPTIONS)}", "csv")
    options: Options = field("a mapping", {}, validate_default=True)
    variants: list[_Variant] = field("a list of {location: …, from: …, file_format: …, options: …}", [])

    @field_validator("options", mode="before")
    @classmethod
    def _knows_options(cls, value: object, info: ValidationInfo) -> object:
        file_format = info.data.get("file_format", "")
        is_topic = str(info.data.get("location")).startswith(_SCHEME)
        known = _TOPIC_OPTIONS if is_topic else _OPTIONS
        allowed = known.get(file_format, ())
        what = f"{file_format} of a topic" if is_topic else file_format
        for name in value if allowed and isinstance(value, dict) else ():
            others = [other for other, names in known.items() if name in names]
            problem = f"is an option of file_format {' and '.join(others)}, not of {what}"
            if not others and any(name in names for names in (*_OPTIONS.values(), *_TOPIC_OPTIONS.values())):
                others, problem = [""], f"is an option of {'files' if is_topic else 'topics'}"
            require(name in allowed, problem if others else _unknown(name, allowed), ", ".join(allowed), (str(name),))
        return value or {}


class _Meta(StrictModel, extra="ignore"):
    personal: bool = field("true or false", False)
    person_key: bool = field("true or false", False)


class _Config(StrictModel, extra="ignore"):
    meta: _Meta = field("a mapping", _Meta())


class _Column(StrictModel, extra="ignore"):
    name: str = field("{name: …, data_type: text}", min_length=1)
    data_type: object = field("text", "text")
    config: _Config = field("a mapping", _Config())

    @model_validator(mode="after")
    def _can_be_found(self) -> "_Column":
        name, normal = self.name, normalise_header(self.name)
        wanted = _OWN_COLUMNS.get(name, "text")
        if "data_type" in self.model_fields_set:
            problem = f"{self.data_type!r}: the raw table holds what was delivered"
            allowed = f"{wanted} (casts belong into the staging model)"
            require(self.data_type == wanted, problem, allowed, ("data_type",))
        if name not in _OWN_COLUMNS:
            hint = normal.encode()[:MAX_IDENTIFIER_BYTES].decode(errors="ignore") or "invoice_no"
            allowed = f"lower-case words joined by _, at most {MAX_IDENTIFIER_BYTES} bytes, such as {hint}"
            is_normal = name == normal and len(name.encode()) <= MAX_IDENTIFIER_BYTES
            require(is_normal, "no header can have this name", allowed)
            problem = f"PostgreSQL has a column {name} of its own in every table"
            require(name not in SYSTEM_COLUMNS, problem, f"another name, and {name} among its aliases")
        return self


class _Table(StrictModel, extra="ignore"):
    source: str = field("a name for source and table", min_length=1)
    name: str = field("a name for source and table", min_length=1)
    schema_name: Identifier = field(_IDENTIFIER, alias="schema")
    identifier: Identifier | None = field(_IDENTIFIER, None)
    columns: list[_Column] = field("one entry a column of the file")
    external: _External = field("location, file_format, options")

    @model_validator(mode="after")
    def _parts_fit(self) -> "_Table":
        columns = self.file_columns
        require(columns, "none is declared", key=("columns",))
        twice = sorted({column for column in columns if columns.count(column) > 1})
        require(not twice, f"{', '.join(twice)} is declared twice", "each column once", ("columns",))
        if self.external.location.startswith(_SCHEME):
            _check_topic(self.external)
        else:
            is_of_files = self.external.file_format in FILE_FORMATS
            require(is_of_files, "is a format of messages", ", ".join(FILE_FORMATS), ("external", "file_format"))
        _check_format(self.external)
        _check_columns(self.external.options, columns)
        return self

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns of the file; those of the loader may be declared too, to be described in the docs."""
        return tuple(column.name for column in self.columns if column.name not in _OWN_COLUMNS)

    def feed(self) -> Feed:
        columns, options = self.file_columns, self.external.options
        topic = _TOPIC.fullmatch(self.external.location)
        return Feed(
            source=self.source,
            name=self.name,
            schema=self.schema_name,
            identifier=self.identifier or self.name,
            location=self.external.location,
            columns=columns,
            dialect=options.dialect(),
            delivery_key=options.delivery_key,
            delivery_key_from=options.delivery_key_from,
            delivery_key_case=options.delivery_key_case,
            order_number=options.order_number,
            folder_columns=tuple(options.folder_columns),
            max_rejects=options.max_rejects,
            file_format=self.external.file_format,
            workbook=options.workbook(self.external.file_format),
            positions=tuple(options.positions[column] for column in columns if column in options.positions),
            contract=Contract(
                optional=tuple(options.optional),
                aliases=tuple((column, tuple(texts)) for column, texts in options.aliases.items()),
                on_new_column=options.on_new_column,
                control=options.control.build() if options.control else None,
            ),
            unpacking=Unpacking(options.max_unpacked_bytes, options.max_unpacked_ratio),
            nesting=options.nesting(),
            repeats=options.repeats(),
            topic=_make_topic(topic["cluster"], topic["name"], options) if topic else None,
            personal=tuple(it.name for it in self.columns if it.config.meta.personal or it.config.meta.person_key),
        )


def _make_topic(cluster: str, name: str, options: Options) -> Topic:
    return Topic(cluster, name, options.keep_messages, options.messages(), options.dead_letter_topic)


def _at(*names: str) -> tuple[str, ...]:
    return ("external", "options", *names)


def _check_topic(external: _External) -> None:
    """Raise `Invalid` where a topic has a format that only files have."""
    problem = "is not the format of a message" if "file_format" in external.model_fields_set else "is missing"
    is_given = "file_format" in external.model_fields_set and external.file_format in _TOPIC_OPTIONS
    allowed = f"{', '.join(_TOPIC_OPTIONS)}, as the messages of a topic are"
    require(is_given, problem, allowed, ("external", "file_format"))
    options, topic = external.options, external.location.rpartition("/")[2]
    problem = "is the topic of the feed itself: its rejects would be read again and again"
    require(options.dead_letter_topic != topic, problem, "another topic", _at("dead_letter_topic"))
    require(not external.variants, "messages are read in one way", "leave it out", ("external", "variants"))
    check_messages(options, external.file_format, tuple(options.paths.values()), options.items)


def _check_format(external: _External) -> None:
    """Raise `Invalid` where options do not fit the format or one another."""
    options, file_format = external.options, external.file_format
    is_text = file_format in TEXT_FORMATS
    for name in _BY_NAME if is_text and not options.header else ():
        is_usual = getattr(options, name) in ([], {}, "add")
        problem = "the files have no header to find columns by"
        require(is_usual, problem, "leave it out, or declare a header", _at(name))
    require(file_format != "fixed" or options.positions, "are missing for file_format fixed", key=_at("positions"))
    problem = f"bytes of {options.encoding} have no fixed place: a character can change those after it"
    is_fixed = options.positions_in == "characters" or _has_bytes(options.encoding)
    require(is_fixed, problem, "positions_in: characters", _at("positions_in"))
    marks = {"csv": f"{options.delimiter}{options.quote}", "aligned": " \t"}.get(file_format, "") + "\n\r\0"
    for text in options.null_text:
        used = next((mark for mark in marks if mark in text), None)
        problem = f"{text!r} has {used!r}, which no field without quotes can have"
        require(used is None, problem, "a text without it", _at("null_text"))
        require(text == text.strip(" \t"), f"{text!r} has blanks around it", key=_at("null_text"))
    for column, (first, last) in options.record_types.carry.items() if options.record_types else ():
        is_field = file_format == "fixed" or first == last
        allowed = "the number of its field in the header record: 2"
        require(is_field, f"'{first}-{last}' is not a field", allowed, _at("record_types", "carry", column))
    if file_format == "json":
        allowed = "utf-8, utf-16, utf-32, or an encoding with one byte a character"
        require(_may_be_json(options.encoding), "is not an encoding of JSON", allowed, _at("encoding"))
    if trailer := options.control and options.control.trailer:
        allowed = "file and pattern: the figures are in a file beside the delivery"
        require(is_text, f"a file of {file_format} has no trailer line", allowed, _at("control", "trailer"))
        problem = "is not the pattern of control.trailer, which finds the trailer lines"
        is_one = options.trailer in (None, trailer)
        require(is_one, problem, "leave it out beside control.trailer", _at("trailer"))
    problem = "means nothing without delivery_key"
    require(options.delivery_key or options.delivery_key_from == "name", problem, key=_at("delivery_key_from"))
    if options.order_number:
        allowed = r"the group number, such as _v(?P<number>\d+)"
        require(groups_of(options.order_number) == ["number"], "has other groups", allowed, _at("order_number"))
        require(options.delivery_key, problem, key=_at("order_number"))
    if options.expected:
        check_expected(options.expected, options.delivery_key, _at("expected"))


def _check_columns(options: Options, columns: tuple[str, ...]) -> None:
    """Raise `Invalid` where an option does not fit the declared columns."""
    listed = ", ".join(columns)
    in_file = [column for column in columns if column not in options.folder_columns]
    for column in options.folder_columns:
        require(column in columns, _unknown(column, columns), f"some of {listed}", _at("folder_columns"))
    if options.folder_columns:
        problem = "needs a delivery_key: files that differ in their folders alone are several deliveries"
        allowed = "with delivery_key_from: path, and a pattern such as day=(?P<business_date>[^/]+)/"
        require(options.delivery_key, problem, allowed, _at("folder_columns"))
        require(in_file, "no column is left that a file has", "all but one of the columns", _at("folder_columns"))
    for column in options.optional:
        require(column in columns, f"{column!r} is no declared column", f"some of {listed}", _at("optional"))
    allowed = "all but one of the columns at most: otherwise any file would fit"
    require(set(in_file) - set(options.optional), "no column is left that a file must have", allowed, _at("optional"))
    for column in options.positions:
        require(column in in_file, _unknown(column, in_file), ", ".join(in_file), _at("positions", column))
    carried = options.record_types.carry if options.record_types else {}
    for column in carried:
        require(column in in_file, _unknown(column, in_file), listed, _at("record_types", "carry", column))
        is_once = column not in options.positions
        require(is_once, f"{column} is carried from another record", "leave it out", _at("positions", column))
    require(set(carried) < set(in_file), "no column is left for its own records", key=_at("record_types", "carry"))
    for column in in_file if options.positions else ():
        require(column in options.positions or column in carried, f"{column} has none", key=_at("positions"))
    for column, path in options.paths.items():
        require(column in in_file, _unknown(column, in_file), listed, _at("paths", column))
        problem = f"{path!r} is the list of items itself"
        require(path != options.items, problem, f"a value of an item: {path}.sku", _at("paths", column))
    seen: dict[str, str] = {}
    for column, text in [(column, text) for column, texts in options.aliases.items() for text in texts]:
        name, key = normalise_header(text), _at("aliases", column)
        require(column in columns, _unknown(column, columns), listed, key)
        require(as_written(text), f"{text!r} is empty", key=key)
        # signs make a text of its own: `Discount %` beside `Discount`, or `#`
        if has_signs(text):
            name = as_written(text)
        else:
            require(name, f"{text!r} has no letter or digit", key=key)
            is_other = name == column or name not in columns
            require(is_other, f"{text!r} is the declared column {name}", "other header texts", key)
        require(name not in seen, f"{text!r} is an alias of {seen.get(name)} already", "each header text once", key)
        seen[name] = column
    for part in ("trailer", "pattern"):
        pattern = getattr(options.control, part, None)
        for group in groups_of(pattern) if pattern else ():
            allowed = f"{RECORDS} (their number), or a column whose values are summed: {listed}"
            is_known = group in (RECORDS, *columns)
            require(is_known, f"the group {group!r} is no declared column", allowed, _at("control", part))


_MODELS: dict[str, type[StrictModel]] = {
    "table": _Table,
    "columns": _Column,
    "external": _External,
    "options": Options,
    "control": _Control,
    "record_types": _RecordTypes,
    "variants": _Variant,
    "expected": Expected,
}
_PROBLEMS = {
    "missing": "is missing",
    "string_type": "{!r} is not text",
    "dict_type": "{!r} is not a mapping",
    "model_type": "{!r} is not a mapping",
    "list_type": "{!r} is not a list",
}


def _explain(detail: ErrorDetails, table: Mapping[str, Any]) -> tuple[tuple[str | int, ...], str]:
    """Return the path of a mistake below the table, and a message with the key, the problem and what is allowed."""
    path, kind, cause = detail["loc"], detail["type"], detail.get("ctx", {}).get("error")
    problem = str(cause or _PROBLEMS.get(kind, "{!r} is not allowed").format(detail["input"]))
    if isinstance(cause, Invalid):
        path += cause.key
    kept: list[str | int] = []
    allowed, model = "", _MODELS.get("table")
    for step in path:
        if isinstance(step, str) and model is not None:
            fields = {known.alias or name: known for name, known in model.model_fields.items()}
            if kind == "extra_forbidden" and step not in fields:
                problem = _unknown(step, fields)
            allowed = str(fields[step].description) if step in fields else ", ".join(fields)
            model = _MODELS.get(step)
        elif isinstance(step, str) and kept[-1] not in ("aliases", "positions", "carry", "paths"):
            break  # not a key, but the name that pydantic gives to one of several types
        kept.append(step)
    if isinstance(cause, Invalid) and cause.allowed:
        allowed = cause.allowed
    elif kind == "string_type":
        allowed = f"text in quotes: {allowed}"
        if isinstance(detail["input"], bool):
            allowed += "; without quotes YAML reads no, off and false as False, and yes, on and true as True"
    shown = [step for step in kept if isinstance(step, str)]
    if kept[0] == "columns" and len(kept) > 1:
        column = table["columns"][kept[1]]
        shown.insert(1, str(column.get("name", kept[1]) if isinstance(column, dict) else kept[1]))
    return tuple(kept), f"{'.'.join(shown)}: {problem}; allowed: {allowed}"


def _unknown(name: object, names: Collection[str]) -> str:
    if name in _RENAMED:
        return f"was renamed to {_RENAMED[str(name)]}"
    near = difflib.get_close_matches(str(name), names, n=1)
    return f"is not known (did you mean {near[0]}?)" if near else "is not known"
