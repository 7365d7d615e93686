"""Check the declaration of a feed and make the feed of it.

The models have the shape of the YAML; the text of a field says what is allowed there, and the messages show it.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails

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
    Unpacking,
    Workbook,
)
from sales_warehouse.feeds.expect import EVERY, Expected, check_expected
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, normalise_header
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

_LINES = ("encoding", "line_end", "preamble_lines", "header", "comment", "trailer")
_BY_NAME = ("optional", "aliases", "on_new_column")  # for columns that are found by name
_JUDGED = ("sorted_by", "max_quarantined", "on_quarantined")  # for the models; the loader only checks them
_ANY = ("delivery_key", "max_rejects", "control", "max_unpacked_bytes", "max_unpacked_ratio", "expected", *_JUDGED)
_WORKBOOK = ("sheet", "header_row", "total_rows", *_ANY, *_BY_NAME)
_OPTIONS: dict[str, tuple[str, ...]] = {
    "csv": ("delimiter", "quote", "escape", "stray_quotes", "repeated_header", *_LINES, *_ANY, *_BY_NAME),
    "aligned": (*_LINES, "repeated_header", *_ANY, *_BY_NAME),
    "fixed": (*_LINES, "positions", *_ANY),
    "jsonl": (*_ANY, *_BY_NAME),
    "parquet": (*_ANY, *_BY_NAME),
    "xlsx": _WORKBOOK,
    "xls": _WORKBOOK,
}

_FIGURES = r"a regular expression with named groups, such as ^T;(?P<records>\d+);(?P<amount>[-0-9.]+)$"
_MARK = "one character that is no letter, digit, blank, line end or NUL"
_MARK_PATTERN = r"^[^\p{L}\p{N}\r\n\x00 ]?$"
_PATTERN = "a regular expression such as "
_IDENTIFIER = f"1 to {MAX_IDENTIFIER_BYTES} bytes"


class InvalidFeed(ValueError):
    """A declaration with mistakes: a message for each, by the path of the key below the table."""

    def __init__(self, mistakes: dict[tuple[str | int, ...], str]) -> None:
        super().__init__("\n".join(mistakes.values()))
        self.mistakes = mistakes


def validate_feed(source: Mapping[str, Any], table: Mapping[str, Any]) -> Feed:
    """Return the feed that a table of a dbt source declares. Raises `InvalidFeed` with all mistakes."""
    schema = source.get("name") if source.get("schema") is None else source["schema"]
    given = {**table, "source": source.get("name"), "schema": schema, "columns": table.get("columns") or []}
    try:
        return _Table.model_validate(given).feed()
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


def _is_below_inbox(location: str) -> bool:
    return bool(location) and not location.startswith("/") and ".." not in location.split("/")


def _read_place(value: object) -> tuple[int, int]:
    """Return the first and last character of a column, from a text such as ``1-6``."""
    found = re.fullmatch("([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?", str(value))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    require(first <= last, f"{value!r} is not a place in a line")
    return first, last


Identifier = Annotated[str, check(lambda name: 0 < len(name.encode()) <= MAX_IDENTIFIER_BYTES, "cannot be a name")]
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


class Options(StrictModel):
    """`external.options`, of all formats."""

    delimiter: str = field(
        "one or more characters, not all of them letters and digits, without line end or NUL",
        ",",
        pattern=r"^[^\r\n\x00]*[^\p{L}\p{N}\r\n\x00][^\r\n\x00]*$",
    )
    quote: str = field(_MARK, '"', pattern=_MARK_PATTERN, validate_default=True)
    escape: str | None = field(_MARK, None, pattern=_MARK_PATTERN)
    stray_quotes: Literal["reject", "text"] = field("reject or text", "reject")
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
    positions: dict[str, Place] = field("first and last character of each declared column: {order_id: 1-6}", {})
    delivery_key: PatternWithGroups | None = field(
        r"a regular expression with named groups such as (?P<business_date>\d{4}-\d{2}-\d{2})", None
    )
    max_rejects: Annotated[MaxRejects, PlainValidator(MaxRejects.parse)] = field(
        "a number of records such as 25, or a share such as 1% (0% to 100%)", MaxRejects()
    )
    sorted_by: Literal["date"] | None = field("date", None)
    max_quarantined: Annotated[MaxRejects, PlainValidator(MaxRejects.parse)] | None = field(
        "a number of rows such as 25, or a share such as 5% (0% to 100%)", None
    )
    on_quarantined: Literal["hold", "fail", "accept"] = field("hold, fail or accept", "hold")
    control: _Control | None = field("{trailer: …}, or {file: …, pattern: …}", None)
    max_unpacked_bytes: int | None = field("a whole number of bytes: 21474836480 for 20 GiB", None, ge=1)
    max_unpacked_ratio: int | None = field("a whole number of times: 1000", None, ge=1)
    expected: Expected | None = field(f"{{every: …}}: {EVERY}", None)
    optional: list[str] = field("a list of declared columns: [discount]", [])
    aliases: dict[str, list[str]] = field("a list of header texts: ['Order No', 'Bestell-Nr']", {})
    on_new_column: Literal["add", "ignore", "refuse"] = field("add, ignore, refuse", "add")

    _is_given = field_validator("*", mode="before")(_check_given)

    @field_validator("quote", "escape")
    @classmethod
    def _is_not_used_twice(cls, value: str, info: ValidationInfo) -> str:
        is_delimiter = value and value in info.data.get("delimiter", "")
        require(not is_delimiter, f"{value!r} is the delimiter too", "a character of its own")
        if info.field_name == "escape":
            is_own = value not in ("", info.data.get("quote"))
            require(is_own, f"{value!r} cannot be the escape", "a character of its own; without it a quote is doubled")
        return value

    def dialect(self) -> Dialect:
        """Return how the text of a file is read."""
        names = ("delimiter", "quote", "encoding", "escape", "stray_quotes", "line_end", "preamble_lines")
        return Dialect(
            **{name: getattr(self, name) for name in (*names, "repeated_header", "comment")},
            header_lines=int(self.header),
            trailer=self.trailer or (self.control.trailer if self.control else None),
        )


class _External(StrictModel):
    location: Annotated[str, check(_is_below_inbox, "is not below the inbox")] = field(
        "a relative path with * for any part of a name and ** for any folders, such as shop/*.csv"
    )
    file_format: Literal["csv", "aligned", "fixed", "jsonl", "parquet", "xlsx", "xls"] = field(
        ", ".join(FILE_FORMATS), "csv"
    )
    options: Options = field("a mapping", {}, validate_default=True)

    @field_validator("options", mode="before")
    @classmethod
    def _knows_options(cls, value: object, info: ValidationInfo) -> object:
        file_format = info.data.get("file_format", "")
        allowed = _OPTIONS.get(file_format, ())
        for name in value if allowed and isinstance(value, dict) else ():
            others = [other for other, names in _OPTIONS.items() if name in names]
            problem = f"is an option of file_format {' and '.join(others)}, not of {file_format}"
            require(name in allowed, problem if others else _unknown(name, allowed), ", ".join(allowed), (str(name),))
        return value or {}


class _Column(StrictModel, extra="ignore"):
    name: str = field("{name: …, data_type: text}", min_length=1)
    data_type: object = field("text", "text")

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
        _check_format(self.external)
        _check_columns(self.external.options, columns)
        return self

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns of the file; those of the loader may be declared too, to be described in the docs."""
        return tuple(column.name for column in self.columns if column.name not in _OWN_COLUMNS)

    def feed(self) -> Feed:
        columns, options = self.file_columns, self.external.options
        return Feed(
            source=self.source,
            name=self.name,
            schema=self.schema_name,
            identifier=self.identifier or self.name,
            location=self.external.location,
            columns=columns,
            dialect=options.dialect(),
            delivery_key=options.delivery_key,
            max_rejects=options.max_rejects,
            file_format=self.external.file_format,
            workbook=Workbook(options.sheet, options.header_row, options.total_rows),
            positions=tuple(options.positions[column] for column in columns) if options.positions else (),
            contract=Contract(
                optional=tuple(options.optional),
                aliases=tuple((column, tuple(texts)) for column, texts in options.aliases.items()),
                on_new_column=options.on_new_column,
                control=options.control.build() if options.control else None,
            ),
            unpacking=Unpacking(options.max_unpacked_bytes, options.max_unpacked_ratio),
        )


def _at(*names: str) -> tuple[str, ...]:
    return ("external", "options", *names)


def _check_format(external: _External) -> None:
    """Raise `Invalid` where options do not fit the format or one another."""
    options, file_format = external.options, external.file_format
    is_text = file_format in TEXT_FORMATS
    for name in _BY_NAME if is_text and not options.header else ():
        is_usual = getattr(options, name) in ([], {}, "add")
        problem = "the files have no header to find columns by"
        require(is_usual, problem, "leave it out, or declare a header", _at(name))
    require(file_format != "fixed" or options.positions, "are missing for file_format fixed", key=_at("positions"))
    if trailer := options.control and options.control.trailer:
        allowed = "file and pattern: the figures are in a file beside the delivery"
        require(is_text, f"a file of {file_format} has no trailer line", allowed, _at("control", "trailer"))
        problem = "is not the pattern of control.trailer, which finds the trailer lines"
        is_one = options.trailer in (None, trailer)
        require(is_one, problem, "leave it out beside control.trailer", _at("trailer"))
    if options.expected:
        check_expected(options.expected, options.delivery_key, _at("expected"))


def _check_columns(options: Options, columns: tuple[str, ...]) -> None:
    """Raise `Invalid` where an option does not fit the declared columns."""
    listed = ", ".join(columns)
    for column in options.optional:
        require(column in columns, f"{column!r} is no declared column", f"some of {listed}", _at("optional"))
    allowed = "all but one of the columns at most: otherwise any file would fit"
    require(set(options.optional) < set(columns), "no column is left that a file must have", allowed, _at("optional"))
    for column in options.positions:
        require(column in columns, _unknown(column, columns), listed, _at("positions", column))
    for column in columns if options.positions else ():
        require(column in options.positions, f"{column} has none", key=_at("positions"))
    seen: dict[str, str] = {}
    for column, text in [(column, text) for column, texts in options.aliases.items() for text in texts]:
        name, key = normalise_header(text), _at("aliases", column)
        require(column in columns, _unknown(column, columns), listed, key)
        require(name, f"{text!r} has no letter or digit", key=key)
        require(name not in columns, f"{text!r} is the declared column {name}", "other header texts", key)
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
        elif isinstance(step, str) and kept[-1] not in ("aliases", "positions"):
            break  # not a key, but the name that pydantic gives to one of several types
        kept.append(step)
    if isinstance(cause, Invalid) and cause.allowed:
        allowed = cause.allowed
    elif kind == "string_type":
        allowed = f"text in quotes: {allowed}"
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
