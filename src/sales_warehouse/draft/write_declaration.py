"""Write the declaration of a drafted feed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sales_warehouse.draft.evidence import Column, Evidence
from sales_warehouse.draft.write_text import todo_lines, yaml_text
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import LINEAGE_COLUMNS, TEXT_FORMATS, WORKBOOK_FORMATS, Dialect, Feed, Topic

# where a question is beside an option; all others are in the staging model
OPTION_QUESTIONS = (
    *(
        "encoding",
        "delimiter",
        "header",
        "trailer",
        "short_records",
        "positions",
        "sheet",
        "total_rows",
        "items",
        "optional",
        "tombstones",
        "variants",
    ),
    *("max_rejects", "on_new_column", "delivery_key"),
)
_DIALECT = (
    *("delimiter", "quote", "escape", "blanks", "trailing_delimiter", "stray_quotes", "line_end", "preamble_lines"),
    *("comment", "trailer"),
)
_ALWAYS = {"csv": ("delimiter", "quote")}
_OF_THE_FEED = ("delivery_key", "aliases", "optional", "on_new_column", "max_rejects")  # options of all variants
_SHOWN_CHARACTERS = 40
_LINEAGE = {  # columns of the loader that no doc block describes
    "_item_number": "Position of the item in its record, from 1.",
    "_key": "Key of the message.",
    "_headers": "Headers of the message.",
    "_sent_at": "Time of the message.",
}


def write_declaration(evidence: Evidence, path: Path) -> str:
    """Return the new text of the source's declarations, with the feed at the end of its tables.

    Raises `ConfigurationError` when the file has the feed already, or has another shape.
    """
    feed, table = evidence.feed, _write_table(evidence)
    if not path.exists():
        return (
            "sources:\n"
            f"  - name: {feed.source}\n"
            f"    description: {yaml_text(f'Files of {feed.source}, as delivered.')}\n"
            "    schema: raw\n"
            f"    tables:\n{table}"
        )
    before = path.read_text(encoding="utf-8")
    text = before.rstrip("\n") + "\n" + table
    tables = [one for source in _sources(before) if source["name"] == feed.source for one in source["tables"]]
    if any(one["name"] == feed.name for one in tables):
        raise ConfigurationError(f"{path} declares {feed.full_name} already.")
    after = [one["name"] for source in _sources(text) if source["name"] == feed.source for one in source["tables"]]
    if after != [*(one["name"] for one in tables), feed.name]:
        raise ConfigurationError(
            f"{path} does not end with the tables of {feed.source}. Put the feed into a source of its own, or move its "
            "tables to the end of the file."
        )
    return text


def _sources(text: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = yaml.safe_load(text)["sources"]
    except (yaml.YAMLError, TypeError, KeyError):
        return []
    return found


def _write_table(evidence: Evidence) -> str:
    feed = evidence.feed
    lines = [
        f"      - name: {feed.name}\n",
        f"        identifier: {feed.identifier}\n",
        f"        description: {yaml_text(f'One row per record of a file of {feed.full_name}, as delivered.')}\n",
        "        external:\n",
        f"          location: {yaml_text(feed.location)}\n",
        f"          file_format: {feed.file_format}\n",
    ]
    lines += _write_variants(feed)
    options = dict(_options(feed))
    questions = [question for question in evidence.questions if question.about in OPTION_QUESTIONS]
    if options or questions:
        lines.append("          options:\n")
    for name, value in options.items():
        lines += [todo_lines(question, "#", " " * 12) for question in questions if question.about == name]
        lines += [_write_option(name, value)]
    lines += [todo_lines(question, "#", " " * 12) for question in questions if question.about not in options]
    lines.append("        columns:\n")
    lines += [_write_column(evidence, column) for column in evidence.columns]
    for name in feed.lineage_columns:
        lines += [f"          - name: {name}\n", f"            data_type: {LINEAGE_COLUMNS[name]}\n"]
        described = _LINEAGE.get(name, f"'{{{{ doc(\"{name}\") }}}}'")
        lines.append(f"            description: {described}\n")
    return "".join(lines)


def _options(feed: Feed) -> Iterator[tuple[str, Any]]:
    """Yield the options that the feed needs, in the order of the reference."""
    usual, dialect = Dialect(), feed.dialect
    if feed.topic is not None:
        yield from _options_of_topic(feed, feed.topic)
    elif feed.file_format in TEXT_FORMATS:
        for name in _DIALECT:
            value = getattr(dialect, name)
            if value != getattr(usual, name) or name in _ALWAYS.get(feed.file_format, ()):
                yield name, value
        if dialect.null_text:
            yield "null_text", list(dialect.null_text)
        if feed.positions:
            yield (
                "positions",
                {name: f"{first}-{last}" for name, (first, last) in zip(feed.columns, feed.positions, strict=True)},
            )
        if dialect.bytes_of:
            yield "positions_in", "bytes"
        yield "encoding", dialect.encoding
        yield "header", bool(dialect.header_lines) if dialect.header_lines < 2 else dialect.header_lines
    elif feed.file_format in WORKBOOK_FORMATS:
        for name in ("sheet", "header_row", "total_rows"):
            value = getattr(feed.workbook, name)
            if value != getattr(Feed("", "", "", "", "", ()).workbook, name):
                yield name, value
    elif feed.file_format in ("json", "jsonl"):
        if dialect.encoding != "utf-8":
            yield "encoding", dialect.encoding
        yield from _nesting_options(feed)
    if feed.delivery_key is not None:
        yield "delivery_key", feed.delivery_key
    contract = feed.contract
    if contract.aliases:
        yield "aliases", {name: list(texts) for name, texts in contract.aliases}
    if contract.optional:
        yield "optional", list(contract.optional)
    if contract.on_new_column != "add":
        yield "on_new_column", contract.on_new_column
    yield "max_rejects", str(feed.max_rejects)


def _write_variants(feed: Feed) -> Iterator[str]:
    """Yield the variants of a feed, each with the options in which it differs."""
    own = dict(_options(feed))
    for number, variant in enumerate(feed.variants):
        if number == 0:
            yield "          variants:\n"
        keys: dict[str, Any] = {}
        if variant.location is not None:
            keys["location"] = variant.location
        if variant.first_day is not None:
            keys["from"] = str(variant.first_day)
        if variant.feed.file_format != feed.file_format:
            keys["file_format"] = variant.feed.file_format
        options = {name: value for name, value in _options(variant.feed) if name not in _OF_THE_FEED}
        if variant.feed.file_format == feed.file_format:
            usual = {name: getattr(Dialect(), name) for name in own if name in _DIALECT and name not in options}
            options = usual | {name: value for name, value in options.items() if value != own.get(name)}
        told = [f"{name}: {yaml_text(value)}" for name, value in keys.items()]
        pairs = ", ".join(f"{name}: {yaml_text(value)}" for name, value in options.items())
        told += [f"options: {{{pairs}}}"] if options else []
        yield "".join(f"            {'  ' if line else '- '}{text}\n" for line, text in enumerate(told))


def _nesting_options(feed: Feed) -> Iterator[tuple[str, Any]]:
    if feed.nesting.records:
        yield "records", ".".join(feed.nesting.records)
    if feed.nesting.items:
        yield "items", ".".join(feed.nesting.items)
    if feed.nesting.paths:
        yield "paths", {name: ".".join(path) for name, path in feed.nesting.paths}


def _options_of_topic(feed: Feed, topic: Topic) -> Iterator[tuple[str, Any]]:
    """Yield the options of how the messages of a topic are read."""
    usual, dialect = Dialect(), feed.dialect
    if feed.file_format == "csv":
        for name in ("delimiter", "quote", "escape", "blanks", "trailing_delimiter", "stray_quotes"):
            value = getattr(dialect, name)
            if value != getattr(usual, name) or name in _ALWAYS["csv"]:
                yield name, value
        if dialect.null_text:
            yield "null_text", list(dialect.null_text)
        return
    if topic.messages.envelope:
        yield "envelope", topic.messages.envelope
    if topic.messages.registry:
        yield "registry", topic.messages.registry
    yield from _nesting_options(feed)


def _write_option(name: str, value: Any) -> str:
    if isinstance(value, dict):
        pairs = "".join(f"              {key}: {yaml_text(one)}\n" for key, one in value.items())
        return f"            {name}:\n{pairs}"
    written = "1%" if (name, value) == ("max_rejects", "1%") else yaml_text(value)
    return f"            {name}: {written}\n"


def _write_column(evidence: Evidence, column: Column) -> str:
    meta = ""
    if column.personal:
        meta = "            config: {meta: {personal: true}}\n"
    elif column.name in evidence.roles.get("customer_id", []):
        meta = "            config: {meta: {person_key: true}}\n"
    return (
        f"          - name: {yaml_text(column.name)}\n{meta}"
        "            data_type: text\n"
        f"            description: {yaml_text(describe_column(column))}\n"
    )


def describe_column(column: Column) -> str:
    """Return a description of a delivered column: its header, and an example where it is not personal."""
    told = f"{column.header}, as delivered"
    examples = [text for text in column.examples if text.isprintable()]
    if examples and not column.personal:
        example = examples[0]
        told += f", such as {example[:_SHOWN_CHARACTERS]}" + ("…" if len(example) > _SHOWN_CHARACTERS else "")
    return without_jinja(f"{told}.")


def without_jinja(text: str) -> str:
    """Return a text that dbt does not take for Jinja."""
    return text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
