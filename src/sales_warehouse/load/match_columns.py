"""Match the header of a file with the columns of the raw table, as the feed's contract allows."""

import difflib
from collections import defaultdict
from collections.abc import Sequence

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, SYSTEM_COLUMNS, as_written, has_signs, normalise_header
from sales_warehouse.load.outcome import HeaderRefused

MAX_COLUMNS = 1500  # PostgreSQL allows 1,600, less for wide rows

_SHOWN_CHARACTERS = 80  # of a header text
_SHOWN_OF_ALL = 1000  # characters of all header texts, and of each problem
_SHOWN_NEAR = 3
_SHOWN_LACKING = 5
_SHOWN_COLUMNS = 10  # of the header, and of new ones
_SHOWN_REPEATED = 5
_NEAR_AMONG = 1000  # header texts that are compared; a header of 1 MiB may have half a million


def match_columns(header: Sequence[str], feed: Feed) -> list[str | None]:
    """Return the raw table's column for each header text, None for one left out. Raises `HeaderRefused`."""
    names = [feed.column_of(text) for text in header]
    ignores = feed.contract.on_new_column == "ignore"
    spare_texts = _find_spare(header, names, feed) if ignores else set()
    columns = [
        None if ignores and (name not in feed.file_columns or text in spare_texts) else name
        for text, name in zip(header, names, strict=True)
    ]
    kept = [column for column in columns if column is not None]
    problems = []
    if lacking := [column for column in feed.required_columns if column not in kept]:
        spare = [text for text, name in zip(header, names, strict=True) if name not in feed.file_columns][:_NEAR_AMONG]
        problems.append(f"the header lacks {_describe_lacking(lacking, feed, spare)}")
    if len(kept) > MAX_COLUMNS:
        problems.append(f"{len(kept):,} columns, at most {MAX_COLUMNS:,} can be loaded")
    if nameless := [str(number) for number, column in enumerate(columns, 1) if column == ""]:
        is_last = nameless == [str(len(columns))] and feed.file_format == "csv"
        advice = " (trailing_delimiter: ignore leaves out an empty field behind the last one)" if is_last else ""
        problems.append(f"no name for column {', '.join(nameless)}{advice}")
    if long := [column for column in kept if len(column.encode()) > MAX_IDENTIFIER_BYTES]:
        problems.append(
            f"names over {MAX_IDENTIFIER_BYTES} bytes: {_list_some([name[:80] for name in long], _SHOWN_LACKING)}"
        )
    if system := [column for column in SYSTEM_COLUMNS if column in kept]:
        problems.append(
            f"PostgreSQL has columns called {', '.join(system)} of its own in every table: declare another column with "
            "such a name among its aliases, or on_new_column: ignore"
        )
    if both := [column for column in feed.folder_columns if column in kept]:
        problems.append(
            f"the values of {', '.join(both)} are in the folders of its path: with on_new_column: ignore those of the "
            "file are left out"
        )
    texts_of: dict[str, list[str]] = defaultdict(list)
    for text, name in zip(header, columns, strict=True):
        texts_of[name or ""].append(_shorten(text))
    repeated = sorted(name for name, texts in texts_of.items() if name and len(texts) > 1)
    for column in repeated[:_SHOWN_REPEATED]:
        texts = texts_of[column]
        advice = ": declare a column for each, and its text as an alias" if any(map(has_signs, texts)) else ""
        problems.append(f"more than one column is called {column} ({', '.join(texts)}){advice}")
    if len(repeated) > _SHOWN_REPEATED:
        problems.append(f"{len(repeated) - _SHOWN_REPEATED:,} more columns are repeated")
    if feed.contract.on_new_column == "refuse" and (new := [name for name in kept if name not in feed.file_columns]):
        shown = _list_some([_shorten(name) for name in new if name], _SHOWN_COLUMNS)
        if shown:
            problems.append(f"new columns, refused by on_new_column: refuse: {shown}")
    if problems:
        found = _list_some([_shorten(text) for text in header[: _SHOWN_COLUMNS + 1]], _SHOWN_COLUMNS, len(header))
        joined = "; ".join(_shorten(problem, _SHOWN_OF_ALL) for problem in problems)
        raise HeaderRefused(
            f"{joined}.",
            f"Found in the header: {found}.",
            "Correct the file, or the columns, aliases, delimiter or encoding of the feed's declaration.",
        )
    return columns


def _find_spare(header: Sequence[str], names: Sequence[str], feed: Feed) -> set[str]:
    """Return the texts with signs beside a text without them that gives the same column: `Discount %`, `Discount`.

    A text with signs that is an alias as written is that column.
    """
    spare: set[str] = set()
    for column in feed.file_columns:
        texts = [text for text, name in zip(header, names, strict=True) if name == column]
        vague = {text for text in texts if has_signs(text) and as_written(text) not in feed.contract.written}
        spare.update(vague if len(vague) < len(texts) else ())
    return spare


def name_ignored(header: Sequence[str], columns: Sequence[str | None]) -> tuple[str, ...]:
    """Return the names that the left-out columns would have, or their places in the file: the first of them."""
    names = [
        _shorten(normalise_header(text)) or f"column {number}"
        for number, (text, column) in enumerate(zip(header, columns, strict=False), 1)
        if column is None
    ]
    return tuple(dict.fromkeys(names))[:MAX_COLUMNS]  # each becomes an event of the ledger


def _describe_lacking(lacking: Sequence[str], feed: Feed, spare: Sequence[str]) -> str:
    """Return the first of the columns with the header texts that are most similar to each, or to its aliases."""
    texts = {normalise_header(text): text for text in reversed(spare)}
    described = []
    for column in lacking[:_SHOWN_LACKING]:
        wanted = [column, *(alias for alias, meant in feed.contract.meanings.items() if meant == column)]
        near: dict[str, None] = {}
        for name in wanted:
            near.update(dict.fromkeys(difflib.get_close_matches(name, list(texts), n=_SHOWN_NEAR)))
        shown = [_shorten(texts[name]) for name in list(near)[:_SHOWN_NEAR]]
        described.append(column + (f" (nearest in the file: {', '.join(shown)})" if shown else ""))
    return _list_some(described, _SHOWN_LACKING, len(lacking))


def _list_some(texts: Sequence[str], most: int, count: int | None = None) -> str:
    """Return the first texts, and how many more there are of `count`."""
    count = len(texts) if count is None else count
    if count <= most:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])} and {count - most:,} more"


def _shorten(text: str, characters: int = _SHOWN_CHARACTERS) -> str:
    return text if len(text) <= characters else f"{text[:characters]}…"
