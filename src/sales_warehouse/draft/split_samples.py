"""Samples of one feed that are read in several ways: which belong together, and what tells them apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sales_warehouse.draft.see_encoding import see_encoding
from sales_warehouse.draft.see_names import see_names
from sales_warehouse.draft.see_text import decode_lines, see_text
from sales_warehouse.feeds.declare import Feed, Variant
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.names import find_period, name_of, normalise_header, without_compression
from sales_warehouse.load.inbox.recognise import formats_of
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_grammar
from sales_warehouse.load.readers.find_header import find_header

JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]")
_HEAD_BYTES = 256 * 1024  # of each sample, in which its header is looked for
_ADVICE = (
    "Draft the feed from files of one kind, and declare the others as variants (docs/reference/feed-declaration.md)."
)

Sample = tuple[InboxFile, bytes]  # with the first bytes of its content


def split_samples(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return the samples that are read in one way together, those of the first sample first.

    Text is of one way if the dialect of its first sample finds most of the same header texts. Where several ways have
    one suffix, the first is that of the earliest day. Raises `FileRefused` for JSON beside other formats.
    """
    found = _split(samples)
    suffixes = [_suffix(file) for way in found for file in {_suffix(it): it for it, _ in way}.values()]
    if len(set(suffixes)) == len(suffixes):
        return found
    contents = dict(samples)
    return _split([(file, contents[file]) for file in _in_order_of_days([file for file, _ in samples])])


def _split(samples: Sequence[Sample]) -> list[list[Sample]]:
    ways: dict[str, list[Sample]] = {}
    for sample in samples:
        ways.setdefault(_kind(sample[1]), []).append(sample)
    if len(ways) > 1 and "json" in ways:
        raise FileRefused(f"{ways['json'][0][0].uri} is JSON, and other samples are not. {_ADVICE}")
    return [way for kind, some in ways.items() for way in (_split_text(some) if kind == "text" else [some])]


def _kind(content: bytes) -> str:
    formats = formats_of(content[:4096])
    if formats is None:
        return "json" if JSON.match(content) else "text"
    return formats[0] if formats else "other"


def _split_text(samples: list[Sample]) -> list[list[Sample]]:
    ways: list[list[Sample]] = []
    rest = samples
    while rest:
        first, *others = rest
        way = _see_way(first[1]) if others else None
        alike = [it for it in others if way is None or way.reads(it[1])]
        ways.append([first, *alike])
        rest = [it for it in others if it not in alike]
    return ways


@dataclass(frozen=True)
class _Way:
    """How a text is read, and the names of its columns; none without a header."""

    feed: Feed
    width: int
    names: frozenset[str]

    def reads(self, content: bytes) -> bool:
        """Say whether another text has most of the same header texts, or without a header as many fields."""
        texts = _header_of(content, self.feed)
        if not self.names:
            return len(texts) == self.width
        common = self.names & {normalise_header(text) for text in texts}
        return len(common) * 2 >= min(self.width, len(texts)) and (len(texts) > 1 or self.width == 1)


def _see_way(content: bytes) -> _Way | None:
    """Return how a text is read; None for one in columns without delimiters, which are looked at together."""
    encoding = see_encoding([content]).name
    seen = see_text(decode_lines(content[:_HEAD_BYTES], encoding, "lf"), encoding, "lf")
    if seen.file_format != "csv" or seen.fixed is not None:
        return None
    feed = Feed("", "", "", "", "", (), dialect=replace(seen.dialect, header_lines=1))
    texts = _header_of(content, feed)
    names = {normalise_header(text) for text in texts} if seen.dialect.header_lines else ()
    return _Way(feed, len(texts), frozenset(names))


def _header_of(content: bytes, feed: Feed) -> list[str]:
    dialect = replace(feed.dialect, encoding=see_encoding([content]).name)
    try:
        head = find_header(content[:_HEAD_BYTES], dialect, choose_grammar(replace(feed, dialect=dialect)), final=True)
        return head.join_texts() if head else []
    except FileRefused:
        return []


def _in_order_of_days(files: Sequence[InboxFile]) -> list[InboxFile]:
    """Return the files by the days that their names say; as they are where these say none."""
    keys = see_names([file.uri for file in files])
    return sorted(files, key=lambda file: _day_of(file, keys[0].pattern) or date.min) if keys else list(files)


def tell_apart(feed: Feed, own: Sequence[InboxFile], others: Sequence[tuple[Feed, Sequence[InboxFile]]]) -> Feed:
    """Return the feed with a variant for each other way its files are read, by suffix or else from a day on.

    Raises `FileRefused` where neither tells a way from those before it.
    """
    folder = feed.location.rpartition("/")[0]
    suffixes, before, variants = {_suffix(file) for file in own}, list(own), list[Variant]()
    if len(suffixes) == 1:
        feed = replace(feed, location=f"{folder}/*{next(iter(suffixes))}")
    for way, files in others:
        mine = {_suffix(file) for file in files}
        days = [_day_of(file, feed.delivery_key) for file in files]
        days_before = [_day_of(file, feed.delivery_key) for file in before]
        if mine.isdisjoint(suffixes) and len(mine) == 1 and "" not in mine:
            variants.append(Variant(way, f"{folder}/*{mine.pop()}"))
        elif None not in (*days, *days_before) and min(filter(None, days)) > max(filter(None, days_before)):
            variants.append(Variant(way, first_day=min(filter(None, days))))
        else:
            raise FileRefused(
                f"{files[0].uri} is read in another way than {own[0].uri}, and neither its suffix nor the day in its "
                f"name tells the two kinds apart. {_ADVICE}"
            )
        suffixes |= {_suffix(file) for file in files}
        before += files
    return replace(feed, variants=tuple(variants))


def _suffix(file: InboxFile) -> str:
    return Path(without_compression(name_of(file.uri))).suffix


def _day_of(file: InboxFile, delivery_key: str | None) -> date | None:
    keyed = replace(file.feed, delivery_key=delivery_key)
    period = find_period(keyed.delivery_key_of(file.uri)) if delivery_key else None
    return period[0] if period else None
