"""Read the records of the samples with the loader's own readers, so that a draft sees what a load would."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sales_warehouse.draft.evidence import Records
from sales_warehouse.draft.see_text import is_total
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.names import normalise_header
from sales_warehouse.load.readers.choose_reader import choose_reader, open_content

MOST_RECORDS = 1_000_000
_SHOWN_REJECTS = 5


@dataclass
class _Gathered:
    headers: list[str] = field(default_factory=list)
    columns: list[list[str | None]] = field(default_factory=list)
    files: list[tuple[str, int]] = field(default_factory=list)
    blank: int = 0
    repeated: int = 0
    totals: int = 0
    rejected: int = 0
    rejects: list[str] = field(default_factory=list)
    missing: dict[str, None] = field(default_factory=dict)  # headers that not every file has
    is_cut: bool = False


def read_records(files: Sequence[InboxFile], headers: Sequence[str]) -> tuple[Records, list[str]]:
    """Return the records of the files by column, each read as its feed says, and the headers that a file lacks.

    `headers` are those of the first file, in the order of the feed's columns. Raises `FileRefused` when a file cannot
    be read by the declaration.
    """
    found = _Gathered(list(headers), [[] for _ in headers])
    known: dict[str, str] = {}  # each text once: most are repeated
    for file in files:
        _read_file(file.feed, file, found, known)
        if found.is_cut:
            break
    records = Records(
        headers=tuple(found.headers),
        values=tuple(map(tuple, found.columns)),
        files=tuple(found.files),
        blank=found.blank,
        repeated_headers=found.repeated,
        totals=found.totals,
        rejects=tuple(found.rejects),
        rejected=found.rejected,
        is_cut=found.is_cut,
    )
    return records, list(found.missing)


def _read_file(feed: Feed, file: InboxFile, found: _Gathered, known: dict[str, str]) -> None:
    reader = choose_reader(feed, 1)
    count = before = len(found.columns[0]) if found.columns else 0
    with open_content(file) as content:
        blocks = content.blocks()
        header = reader.read_header(blocks)
        texts = header.texts if feed.file_format not in ("jsonl", "json") else list(found.headers)
        places = _place(texts, found)
        normal = [normalise_header(text) for text in texts]
        delimiter, quote = (mark.decode() for mark in (reader.grammar.copy_delimiter, reader.grammar.copy_quote))
        for block in reader.read(blocks, [True] * len(texts)):
            found.rejected += len(block.rejects)
            for reject in block.rejects[: max(0, _SHOWN_REJECTS - len(found.rejects))]:
                line = reject.raw.decode("utf-8", "replace")[:60]
                found.rejects.append(f"{reject.reason}: {reject.detail} (line {reject.line_number:,}: {line})")
            for row in _rows(block.copy_data, delimiter, quote):
                values = row[len(feed.lineage_columns) + len(reader.front_columns) :][: len(texts)]
                if not any(value.strip(" \t\r\n\u00a0") for value in values):
                    found.blank += 1
                elif [normalise_header(value) for value in values[:1]] == normal[:1] and (
                    [normalise_header(value) for value in values] == normal
                ):
                    found.repeated += 1
                elif is_total(values):
                    found.totals += 1
                else:
                    for place, value in zip(places, values, strict=True):
                        found.columns[place].append(known.setdefault(value, value) if value else None)
                    count += 1
            if count >= MOST_RECORDS:
                found.is_cut = True
                break
    for column in found.columns:  # of headers that this file lacks
        column.extend([None] * (count - len(column)))
    found.files.append((file.uri, count - before))


def _place(texts: Sequence[str], found: _Gathered) -> list[int]:
    """Return the place of each column of a file among all; add those that are new."""
    before = len(found.columns[0]) if found.columns else 0
    names = {normalise_header(text): place for place, text in enumerate(found.headers)}
    places = []
    for number, text in enumerate(texts):
        name = normalise_header(text)
        same = number if number < len(found.headers) and found.headers[number] == text else names.get(name)
        if same is None or same in places:
            same = len(found.headers)
            found.headers.append(text)
            found.columns.append([None] * before)
            found.missing[text] = None
        places.append(same)
    if len(places) < len(found.headers) and found.files:
        found.missing |= {text: None for place, text in enumerate(found.headers) if place not in places}
    return places


def _rows(data: bytes, delimiter: str, quote: str) -> Iterator[list[str]]:
    if data:
        yield from csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter, quotechar=quote)
