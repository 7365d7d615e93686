"""Look at sample files of one feed, and gather the evidence of a draft."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sales_warehouse.draft.evidence import Evidence, list_some
from sales_warehouse.draft.find_samples import choose_location, find_samples
from sales_warehouse.draft.look_tables import look_at_json, look_at_parquet, look_at_workbook
from sales_warehouse.draft.look_text import look_at_text
from sales_warehouse.draft.name_columns import name_columns
from sales_warehouse.draft.plan_staging import plan_staging
from sales_warehouse.draft.read_records import MOST_RECORDS, read_records
from sales_warehouse.draft.see_columns import see_columns
from sales_warehouse.draft.see_encoding import see_encoding
from sales_warehouse.draft.see_names import see_names
from sales_warehouse.draft.see_orders import see_repeats
from sales_warehouse.draft.see_text import TOTAL_WORDS
from sales_warehouse.draft.split_samples import JSON, Sample, split_samples, tell_apart
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import (
    JSON_FORMATS,
    TEXT_FORMATS,
    WORKBOOK_FORMATS,
    Contract,
    Dialect,
    Feed,
    MaxRejects,
    Workbook,
)
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, SYSTEM_COLUMNS, compression_of, normalise_header
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.inbox.recognise import formats_of, refuse_other_format, refuse_other_packing
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_in_subprocess import ParserBroken
from sales_warehouse.stores.address import Inbox

_SIGNS = {"%": "pct", "#": "no", "€": "eur", "$": "usd", "£": "gbp"}  # in headers that give the same name
_CONTENT_BYTES = 8 * 1024 * 1024  # of each sample, for its encoding and dialect
_DOCUMENT_BYTES = 256 * 1024 * 1024  # of a document of JSON, which is read as a whole
_OF_A_WAY = ("format", "encoding", "delimiter", "sheet", "preamble", "header")  # facts that describe one


@dataclass(frozen=True)
class Samples:
    """The files of one feed, and the inbox below which it expects them."""

    paths: Sequence[Path]
    inbox: Inbox
    columns: tuple[str, ...] = ()  # of files without a header
    are_objects: bool = False  # one in each line, also where there is one line


def look_at_samples(source: str, name: str, samples: Samples) -> Evidence:
    """Return what the samples show of the feed `source`.`name`.

    Raises `ConfigurationError` when a sample is no file, or not of a format that a feed can have.
    """
    location = choose_location(samples.paths, samples.inbox, source)
    feed = Feed(source, name, "raw", f"{source}__{name}", location, (), max_rejects=MaxRejects.parse("1%"))
    feed = replace(feed, file_format="jsonl") if samples.are_objects else feed
    files = find_samples(samples.paths, samples.inbox, feed)
    members = [file.member for file in files if file.member]
    if members and len(members) == len(files):
        feed = replace(feed, location=choose_location(samples.paths, samples.inbox, source, members))
    evidence = Evidence(feed)
    try:
        headers = _look(evidence, files)
        if samples.columns:
            headers = _name_columns(evidence, headers, samples.columns)
        if not headers:
            raise FileRefused(f"{files[0].uri}: no header was found.")
        _read(evidence, files, headers)
    except FileRefused as refused:
        raise ConfigurationError(refused.message) from None
    except ParserBroken as broken:
        raise ConfigurationError(f"A sample cannot be read: {broken}. Is it damaged?") from None
    _see_delivery(evidence, files)
    if evidence.ways:
        own = [file for file in files if not any(file in some for _, some in evidence.ways)]
        try:
            ways = [(_as_read(way, evidence.feed), some) for way, some in evidence.ways]
            evidence.feed = tell_apart(evidence.feed, own, ways)
        except FileRefused as refused:
            raise ConfigurationError(refused.message) from None
    evidence.plan = plan_staging(evidence)
    return evidence


def _look(evidence: Evidence, files: Sequence[InboxFile]) -> list[str]:
    """See the format of the files; return the header texts of the first."""
    evidence.see("samples", f"{len(files):,}", list_some([file.uri for file in files], 3, 60))
    packed = sorted({suffix for file in files if (suffix := compression_of(file.uri))})
    if packed:
        evidence.see("compression", ", ".join(packed), "the suffix, and the first bytes")
    samples = [(file, _read_content(evidence.feed, file)) for file in files]
    first, *others = split_samples(samples)
    headers = _look_at(evidence, first)
    for way in others:
        _look_at_variant(evidence, way, headers)
    return headers


def _look_at_variant(evidence: Evidence, samples: Sequence[Sample], headers: Sequence[str]) -> None:
    """See how samples are read that the way of the others does not fit; they must have columns of these headers."""
    files = [file for file, _ in samples]
    seen = Evidence(replace(evidence.feed, file_format="csv", dialect=Dialect(), workbook=Workbook(), positions=()))
    texts = _look_at(seen, samples)
    if {normalise_header(text) for text in texts}.isdisjoint(map(normalise_header, headers)):
        raise FileRefused(
            f"{files[0].uri} and the first sample have no column in common, so they are no files of one feed. Draft a "
            "feed for each kind."
        )
    told = ", ".join(f"{fact.name}: {fact.value}" for fact in seen.facts if fact.name in _OF_A_WAY)
    evidence.see("variant", told, list_some([file.uri for file in files], 3, 60))
    for question in seen.questions:
        evidence.ask("variants", f"{question.about} of {files[0].uri}: {question.text}")
    evidence.ways.append((seen.feed, files))


def _look_at(evidence: Evidence, samples: Sequence[Sample]) -> list[str]:
    """See the format of samples that are read in one way; return the header texts of the first."""
    files, contents = [file for file, _ in samples], [content for _, content in samples]
    formats = formats_of(contents[0][:4096])
    if formats is None:
        if JSON.match(contents[0]):
            encoding = see_encoding(contents)
            evidence.feed = replace(evidence.feed, dialect=replace(evidence.feed.dialect, encoding=encoding.name))
            evidence.see("encoding", encoding.name, encoding.evidence)
            return look_at_json(evidence, contents[0])
        for content, file in zip(contents, files, strict=True):
            refuse_other_format(content[:4096], file.uri, replace(evidence.feed, dialect=_wide(content, evidence.feed)))
        return look_at_text(evidence, contents)
    if not formats:
        refuse_other_format(contents[0][:4096], files[0].uri, evidence.feed)
    evidence.feed = replace(evidence.feed, file_format=formats[0])
    evidence.see("format", formats[0], "the first bytes")
    if formats[0] in WORKBOOK_FORMATS:
        return look_at_workbook(evidence, files[0])
    return look_at_parquet(evidence, files[0])


def _name_columns(evidence: Evidence, headers: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the given names of the columns of files without a header. Raises `ConfigurationError`."""
    if evidence.feed.file_format not in TEXT_FORMATS or len(given) != len(headers):
        raise ConfigurationError(f"The files have {len(headers)} columns, and --columns names {len(given)}.")
    evidence.feed = replace(evidence.feed, dialect=replace(evidence.feed.dialect, header_lines=0))
    evidence.questions = [question for question in evidence.questions if question.about != "header"]
    return list(given)


def _wide(content: bytes, feed: Feed) -> Dialect:
    """Return the dialect in whose encoding the content is, so that UTF-16 is not refused."""
    name = see_encoding([content[:4096]]).name
    is_wide = codecs.lookup(name).name.startswith(("utf-16", "utf-32"))
    return replace(feed.dialect, encoding=name if is_wide else "utf-8")


def _read_content(feed: Feed, file: InboxFile) -> bytes:
    blocks, size = [], 0
    with ContentReader(file.path, file.member) as content:
        try:
            first = content.peek()
        except FileRefused:
            refuse_other_packing(content.delivered.read_head(), file.uri, feed)
            raise
        if not first:
            raise FileRefused(f"{file.uri} is empty.")
        for block in content.blocks():
            blocks.append(block)
            size += len(block)
            if size > (_DOCUMENT_BYTES if JSON.match(first) else _CONTENT_BYTES):
                break
    return b"".join(blocks)


def _read(evidence: Evidence, files: Sequence[InboxFile], headers: Sequence[str]) -> None:
    """Read all records, and see the columns."""
    names, aliases = _name_raw(headers)
    feed = replace(evidence.feed, columns=tuple(names), contract=Contract(aliases=aliases))
    if any(not normalise_header(text) for text in headers) and feed.file_format not in JSON_FORMATS:
        feed = replace(feed, contract=replace(feed.contract, on_new_column="ignore"))
        evidence.ask("on_new_column", "a column without a name is left out (ignore)")
    # a sample in UTF-8 beside others is read too: that is asked
    reading = replace(feed, dialect=replace(feed.dialect, on_encoding_drift="warn"))
    ways = {file.uri: way for way, some in evidence.ways for file in some}
    files = [replace(file, feed=_as_read(ways[file.uri], feed) if file.uri in ways else reading) for file in files]
    records, missing = read_records(files, headers)
    if len(records.headers) > len(headers):
        names, aliases = _name_raw(records.headers)
        feed = replace(feed, columns=tuple(names), contract=replace(feed.contract, aliases=aliases))
    if len(missing) == len(records.headers):
        raise FileRefused(
            "The samples have no column in common, so they are no files of one feed. Draft a feed for each kind."
        )
    if missing:
        optional = tuple(name for name, text in zip(names, records.headers, strict=True) if text in missing)
        feed = replace(feed, contract=replace(feed.contract, optional=optional))
        evidence.see("columns not in every file", f"{len(missing)}", list_some(missing))
        evidence.ask("optional", f"not every sample has {list_some(missing)}: may a file lack them?")
    evidence.feed, evidence.records = feed, records
    cut = f", the first {MOST_RECORDS:,}" if records.is_cut else ""
    evidence.see(
        "records",
        f"{records.count:,}{cut}",
        f"{records.blank:,} blank, {records.repeated_headers:,} repeated headers besides",
    )
    if records.totals:
        _leave_out_totals(evidence, records.totals)
    if records.rejected:
        evidence.see("rejects", f"{records.rejected:,}", list_some(records.rejects, 2, 120))
        share = max(1, -(-100 * records.rejected // max(1, records.count + records.rejected)))
        evidence.ask(
            "max_rejects",
            f"rejected records: {records.rejected:,}, {share}% or less. The first is {records.rejects[0][:90]}",
        )
    evidence.columns = [
        column
        for column in see_columns(records, names)
        if normalise_header(column.header) or feed.file_format in JSON_FORMATS
    ]
    evidence.places = {name: place for place, name in enumerate(names)}
    evidence.feed = replace(evidence.feed, columns=tuple(column.name for column in evidence.columns))
    evidence.roles = name_columns(evidence.columns)
    repeats = see_repeats(records)
    evidence.see(
        "records that come again", f"{repeats.in_a_file:,} in their file", "they count; row:exact_duplicate flags them"
    )
    if repeats.in_several_files:
        evidence.see("records in several files", f"{repeats.in_several_files:,}", " and ".join(repeats.files))
        evidence.ask(
            "overlap",
            f"records that an earlier sample has too: {repeats.in_several_files:,}, in {' and '.join(repeats.files)}. "
            "Do the exports overlap (rule row:delivered_before)?",
        )


def _as_read(way: Feed, feed: Feed) -> Feed:
    """Return how files of another way are read, with the columns of the feed."""
    dialect = replace(way.dialect, on_encoding_drift="warn")
    return replace(feed, file_format=way.file_format, dialect=dialect, workbook=way.workbook, positions=way.positions)


def _leave_out_totals(evidence: Evidence, totals: int) -> None:
    """Declare rows that look like sums of others as such, and ask."""
    feed, pattern = evidence.feed, rf"(?i)^\W*({TOTAL_WORDS})\b"
    evidence.see("total rows", f"{totals:,}", "the first value says total, and most others are empty")
    option = "total_rows" if feed.file_format in WORKBOOK_FORMATS else "trailer"
    if feed.file_format in WORKBOOK_FORMATS:
        evidence.feed = replace(feed, workbook=replace(feed.workbook, total_rows=pattern))
    elif feed.file_format in TEXT_FORMATS:
        evidence.feed = replace(feed, dialect=replace(feed.dialect, trailer=pattern))
    evidence.ask(option, f"rows that look like sums of others are left out ({totals:,}). Keep the option, or remove it")


def _name_raw(headers: Sequence[str]) -> tuple[list[str], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return the raw columns of header texts, and the aliases that those need whose plain name is not possible."""
    names: list[str] = []
    aliases: list[tuple[str, tuple[str, ...]]] = []
    for place, text in enumerate(headers, 1):
        plain = normalise_header(text) or f"column_{place}"
        name = _make_possible(plain)
        if name in names:
            words = [word for sign, word in _SIGNS.items() if sign in text]
            tried = [
                *(f"{name}_{word}" for word in words),
                *(f"{name}_{number}" for number in range(2, len(headers) + 2)),
            ]
            name = next(one for one in tried if one not in names)
        if name != plain and normalise_header(text):
            aliases.append((name, (text,)))
        names.append(name)
    return names, tuple(aliases)


def _make_possible(name: str) -> str:
    """Return the name of a raw column, changed if PostgreSQL or SQL without quotes does not take it."""
    if name in SYSTEM_COLUMNS:
        return f"{name}_value"
    if name[0].isdigit():
        name = f"column_{name}"
    return (
        name.encode()[: MAX_IDENTIFIER_BYTES - 4].decode("utf-8", "ignore")
        if len(name.encode()) > MAX_IDENTIFIER_BYTES
        else name
    )


def _see_delivery(evidence: Evidence, files: Sequence[InboxFile]) -> None:
    """See what in the names of the files is the delivery key."""
    keys = see_names([file.uri for file in files])
    if not keys:
        evidence.see("delivery key", "the path", "no date in every name")
        if len(files) > 1:
            evidence.ask(
                "delivery_key",
                "no date is in every name: what in it says what a file is about? Now a file of the same name "
                "replaces the earlier one",
            )
        return
    best = keys[0]
    evidence.feed = replace(evidence.feed, delivery_key=best.pattern)
    evidence.see(
        "delivery key",
        best.pattern,
        f"{best.meaning}; {best.keys:,} keys for {best.files:,} files, such as {best.example}",
    )
    if len(keys) > 1:
        evidence.ask(
            "delivery_key",
            f"{best.meaning} fits every name, and so does {' and '.join(key.meaning for key in keys[1:])}: "
            f"{keys[1].pattern}",
        )
    if best.is_shared:
        evidence.ask(
            "delivery_key", f"several files have the key {best.example}: the later one would replace the earlier one"
        )
    if "(?P<part>" in best.pattern:
        evidence.ask(
            "delivery_key",
            "what differs in the names beside the date is the group `part`: give it its name, such as store",
        )
