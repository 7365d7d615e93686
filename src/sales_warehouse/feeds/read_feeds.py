"""Read the feeds from where dbt reads its sources: `models/**/_*__sources.yml`."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.contract import Contract, Control
from sales_warehouse.feeds.declare import (
    EXTRA_COLUMN,
    FILE_FORMATS,
    LINEAGE_COLUMNS,
    Dialect,
    Feed,
    MaxRejects,
    Unpacking,
    Workbook,
)
from sales_warehouse.feeds.expect import read_expectation
from sales_warehouse.feeds.invalid import Invalid

# Every command reads every YAML file below models/: a tenth of a second in C, more than one in Python.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

OWN_COLUMNS = {**LINEAGE_COLUMNS, EXTRA_COLUMN: "jsonb"}

_EXTERNAL_KEYS = ("location", "file_format", "options")
_LINE_KEYS = ("encoding", "line_end", "preamble_lines", "comment", "trailer")
_DIALECT_KEYS = ("delimiter", "quote", "escape", "stray_quotes", "repeated_header", *_LINE_KEYS)
_WORKBOOK_KEYS = ("sheet", "header_row", "total_rows")
_CONTROL_KEYS = ("trailer", "file", "pattern", "decimal")
_FIXED_KEYS = ("delivery_key", "max_rejects", "control", "max_unpacked_bytes", "max_unpacked_ratio", "expected")
_COMMON_KEYS = (*_FIXED_KEYS, "optional", "aliases", "on_new_column")
_OPTION_KEYS = {
    "csv": (*_DIALECT_KEYS, "header", *_COMMON_KEYS),
    "aligned": (*_LINE_KEYS, "header", "repeated_header", *_COMMON_KEYS),
    "fixed": (*_LINE_KEYS, "header", "positions", *_FIXED_KEYS),
    "jsonl": _COMMON_KEYS,
    "parquet": _COMMON_KEYS,
    "xlsx": (*_WORKBOOK_KEYS, *_COMMON_KEYS),
    "xls": (*_WORKBOOK_KEYS, *_COMMON_KEYS),
}


def read_feeds(project: Path) -> tuple[Feed, ...]:
    """Return every declared feed of the dbt project at `project`, ordered by name.

    A source table is a feed when it has `external`. Raises `ConfigurationError` naming file, line, key and
    what is allowed there.
    """
    feeds: list[Feed] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in sorted((project / "models").rglob("*.y*ml")):
        for feed in _read_file(path, project):
            for kind, name in (("feed", feed.full_name), ("table", f"{feed.schema}.{feed.identifier}")):
                if (kind, name) in seen:
                    raise ConfigurationError(
                        f"{path.relative_to(project)}: {name} is declared already in "
                        f"{seen[kind, name].relative_to(project)}. Rename or remove one of the two."
                    )
                seen[kind, name] = path
            feeds.append(feed)
    if not feeds:
        raise ConfigurationError(
            f"No feed is declared below {project / 'models'}. docs/adding-a-feed.md tells how to declare one."
        )
    return tuple(sorted(feeds, key=lambda feed: feed.full_name))


def _read_file(path: Path, project: Path) -> Iterable[Feed]:
    shown = path.relative_to(project)
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506  it is a safe one
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{shown}: not readable as YAML: {error}") from None
    if not isinstance(content, dict):
        return
    for s, source in enumerate(_list(content.get("sources"))):
        if not isinstance(source, dict):
            continue
        for t, table in enumerate(_list(source.get("tables"))):
            if not isinstance(table, dict) or "external" not in table:
                continue
            try:
                yield _read_table(source, table)
            except Invalid as invalid:
                where: list[str | int] = ["sources", s, "tables", t, *invalid.key.split(".")]
                root = yaml.compose(text, Loader=_LOADER)
                raise ConfigurationError(
                    f"{shown}:{_line_of(root, where)}: {source.get('name')}.{table.get('name')}: {invalid}"
                ) from None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_table(source: dict[str, Any], table: dict[str, Any]) -> Feed:
    if not source.get("name") or not table.get("name"):
        raise Invalid("name", "source or table has none", "a name for both")
    external = _mapping(table["external"], "external", _EXTERNAL_KEYS)
    file_format = external.get("file_format", "csv")
    if file_format not in FILE_FORMATS:
        raise Invalid("external.file_format", f"{file_format!r} cannot be read", ", ".join(FILE_FORMATS))
    options = _read_options(external.get("options") or {}, file_format)
    for key in (*_DIALECT_KEYS, "delivery_key", "total_rows", "on_new_column"):
        if key in options and key != "preamble_lines" and not isinstance(options[key], str):
            raise Invalid(f"external.options.{key}", f"{options[key]!r} is no text", "text in quotes")
    columns = tuple(_read_columns(table.get("columns") or ()))
    dialect = {key: options[key] for key in _DIALECT_KEYS if key in options}
    if "header" in options:
        header = options["header"]
        dialect["header_lines"] = int(header) if isinstance(header, bool) else header
    contract = _read_contract(options, columns)
    if contract.control is not None and contract.control.file is None:
        dialect.setdefault("trailer", contract.control.pattern)
    feed = Feed(
        source=str(source["name"]),
        name=str(table["name"]),
        schema=str(source.get("schema") or source["name"]),
        identifier=str(table.get("identifier") or table["name"]),
        location=str(external.get("location") or ""),
        columns=columns,
        dialect=Dialect(**dialect),
        delivery_key=options.get("delivery_key"),
        max_rejects=MaxRejects.parse(options.get("max_rejects", 0)),
        file_format=file_format,
        workbook=Workbook(**{key: options[key] for key in _WORKBOOK_KEYS if key in options}),
        positions=_read_positions(options.get("positions"), columns),
        contract=contract,
        unpacking=Unpacking(options.get("max_unpacked_bytes"), options.get("max_unpacked_ratio")),
    )
    if "expected" not in options:
        return feed
    # last, as it is read beside a delivery key that is known to be sound
    return replace(feed, expected=read_expectation(options["expected"], feed.delivery_key))


def _read_contract(options: dict[str, Any], columns: tuple[str, ...]) -> Contract:
    aliases = _mapping(options.get("aliases", {}), "external.options.aliases", columns)
    return Contract(
        optional=_read_texts(options.get("optional", []), "external.options.optional", "declared columns: [discount]"),
        aliases=tuple(
            (
                column,
                _read_texts(texts, f"external.options.aliases.{column}", "header texts: ['Order No', 'Bestell-Nr']"),
            )
            for column, texts in aliases.items()
        ),
        on_new_column=options.get("on_new_column", "add"),
        control=_read_control(options["control"]) if "control" in options else None,
    )


def _read_texts(value: Any, key: str, example: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Invalid(key, f"{value!r} is no list of texts", f"a list of {example}")
    return tuple(value)


def _read_control(value: Any) -> Control:
    key = "external.options.control"
    control = _mapping(value, key, _CONTROL_KEYS)
    for name, text in control.items():
        if not isinstance(text, str):
            raise Invalid(f"{key}.{name}", f"{text!r} is no text", "text in quotes")
    names = set(control) - {"decimal"}
    if names not in ({"trailer"}, {"file", "pattern"}):
        raise Invalid(key, f"{', '.join(sorted(names)) or 'nothing'} is given", "trailer alone, or file and pattern")
    pattern = control["trailer"] if "trailer" in control else control["pattern"]
    return Control(pattern, control.get("file"), control.get("decimal", "."))


def _read_positions(value: Any, columns: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return first and last character of each column in its order, from a mapping such as ``{order_id: 1-6}``."""
    if value is None:
        return ()
    key = "external.options.positions"
    for name in _mapping(value, key, columns):
        if not re.fullmatch("[1-9][0-9]{0,5}(-[1-9][0-9]{0,5})?", str(value[name])):
            raise Invalid(f"{key}.{name}", f"{value[name]!r} is no place in a line", "first and last character: 1-6")
    places = []
    for column in columns:
        if column not in value:
            raise Invalid(key, f"{column} has none", "first and last character of each declared column: 1-6")
        first, _, last = str(value[column]).partition("-")
        if int(last or first) < int(first):
            raise Invalid(f"{key}.{column}", f"{value[column]!r} ends before it begins", "such as 1-6")
        places.append((int(first), int(last or first)))
    return tuple(places)


def _read_options(value: Any, file_format: str) -> dict[str, Any]:
    """Check the names of the options; one of another file format is told to be that."""
    allowed = _OPTION_KEYS[file_format]
    for name in value if isinstance(value, dict) else ():
        others = [other for other, keys in _OPTION_KEYS.items() if name in keys]
        if others and file_format not in others:
            raise Invalid(
                f"external.options.{name}",
                f"is an option of file_format {' and '.join(others)}, not of {file_format}",
                ", ".join(allowed),
            )
    return _mapping(value, "external.options", allowed)


def _read_columns(columns: Iterable[Any]) -> Iterable[str]:
    """Yield the names of the file's columns; the loader's own may be declared too, to be described in the docs."""
    if not isinstance(columns, list | tuple):
        raise Invalid("columns", f"{columns!r} is no list", "one entry a column of the file")
    for number, column in enumerate(columns):
        if not isinstance(column, dict) or not column.get("name"):
            raise Invalid(f"columns.{number}", "has no name", "{name: …, data_type: text}")
        name = str(column["name"])
        wanted = OWN_COLUMNS.get(name, "text")
        if column.get("data_type", wanted) != wanted:
            raise Invalid(
                f"columns.{name}.data_type",
                f"{column['data_type']!r}: the raw table holds what was delivered",
                f"{wanted} (casts belong into the staging model)",
            )
        if name not in OWN_COLUMNS:
            yield name


def _mapping(value: Any, key: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(key, f"{value!r} is no mapping", ", ".join(allowed))
    for name in value:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise Invalid(f"{key}.{name}", f"is not known{hint}", ", ".join(allowed))
    return value


def _line_of(node: yaml.Node | None, where: list[str | int]) -> int:
    """Return the 1-based line of the deepest part of the path `where` that the document has."""
    line = 1
    for step in where:
        if isinstance(node, yaml.SequenceNode):
            if isinstance(step, str):
                entries = [entry for entry in node.value if _name_of(entry) == step]
                if not entries and step.isdigit() and int(step) < len(node.value):
                    entries = [node.value[int(step)]]
            else:
                entries = node.value[step : step + 1]
            if not entries:
                break
            node = entries[0]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if pair[0].value == step]
            if not pairs:
                break
            line = pairs[0][0].start_mark.line + 1
            node = pairs[0][1]
        else:
            break
    return line


def _name_of(node: yaml.Node) -> str | None:
    """Return the value of `name` in a column entry, as it stands in the document."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "name":
                return str(value.value)
    return None
