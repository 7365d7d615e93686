"""Find what a refused file would fit: another delimiter, encoding, line, row or sheet, or another feed.

Nothing is guessed: each piece of advice is tried on the first bytes with the loader's own readers, and said only if all
columns that the feed requires are found so, or without a header all records have as many fields as there are columns.
Where more than two would fit, none is said.
"""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from sales_warehouse.error_log import log_unexpected
from sales_warehouse.feeds.declare import TEXT_FORMATS, Dialect, Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.inbox.recognise import MARKS, formats_of
from sales_warehouse.load.match_columns import MAX_COLUMNS
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_grammar
from sales_warehouse.load.readers.decode_lines import MARK, LineDecoder
from sales_warehouse.load.readers.find_header import find_header
from sales_warehouse.load.readers.grammar import Parsed
from sales_warehouse.load.readers.parse_in_subprocess import ParserBroken, SubprocessContent

_SAMPLE_BYTES = 64 * 1024  # of the content; a header of 1,500 columns has half of them
_SAMPLE_LINES = 100  # in which the header is searched
_DELIMITERS = (",", ";", "\t", "|", "^", "~", "||", "\x01", "\x1f")
# tried where the bytes are not UTF-8; in a header text they differ, or give the same letters and are both named
_SINGLE_BYTE = ("cp1252", "cp1250", "cp850", "mac-roman")
_LEAST_COLUMNS = 2  # fewer can be found by chance
_MOST_FITS = 2
_SHOWN_FEEDS = 3
_SAMPLER = "sales_warehouse.load.readers.sample_tables"

_Changes = tuple[tuple[str, str], ...]  # options, and their values as a declaration has them
Table = tuple[str, list[list[str]]]  # a sheet of a workbook and its first rows


@dataclass(frozen=True)
class _Fit:
    """Changes of a declaration with which all required columns are found."""

    changes: _Changes
    nameless: int  # header texts without a letter or digit: of `a||b`, the delimiter `|` gives one
    line: int | None = None  # of the header, where it is not the declared one


def advise(file: InboxFile, feeds: Sequence[Feed]) -> list[str]:
    """Return sentences that say what a file would fit that its feed does not take; none if nothing is certain.

    `feeds` are all declared feeds of files. Whatever the file holds, no error is raised.
    """
    feeds = [way for feed in feeds for way in feed.ways]
    try:
        with ContentReader(file.path, file.member, file.feed.unpacking) as content:
            return _advise(content, file.feed, feeds)
    except (FileRefused, ParserBroken, OSError):  # it cannot be read, which the refusal itself says
        return []
    except Exception as error:  # the refusal must be kept in any case
        log_unexpected(error, file.uri)
        return []


def _advise(content: ContentReader, feed: Feed, feeds: Sequence[Feed]) -> list[str]:
    head = content.peek()
    formats = formats_of(head)
    if formats is None:
        content.read()  # the same block again
        return advise_text(head, not content.read(), feed, feeds)
    declared = {feed.file_format, *(other.file_format for other in feeds)}
    for file_format in formats:
        if file_format in declared:
            with SubprocessContent(content, replace(feed, file_format=file_format), _SAMPLER) as tables:
                sample = json.loads(tables.read() or b'{"header": []}')["header"]
            return _advise_tables(sample, file_format, feed, feeds)
    return []


def advise_text(head: bytes, is_whole: bool, feed: Feed, feeds: Sequence[Feed]) -> list[str]:
    """Return advice for the file of text that begins like this, or is this."""
    is_whole = is_whole and len(head) <= _SAMPLE_BYTES
    head, said = head[:_SAMPLE_BYTES], []
    if feed.file_format in ("csv", "aligned") and (feed.dialect.header_lines or feed.dialect.record_types is None):
        fits = _find_fits_of_text(head, is_whole, feed)
        if any(not fit.changes for fit in fits):
            return []  # the columns are there, so it is refused for another reason
        said = _describe_fits(fits, feed)
    begun = _first_lines(head)
    is_whole = is_whole and len(begun) == len(head)
    others = [
        other
        for other in feeds
        if other != feed and other.file_format in TEXT_FORMATS and other.dialect.header_lines
        if _is_header_of(_read_header(begun, other, is_whole), other)
    ]
    return [*said, *_describe_feeds(others, feed)]


def _advise_tables(tables: Sequence[Table], file_format: str, feed: Feed, feeds: Sequence[Feed]) -> list[str]:
    """Return advice for a workbook by the first rows of its sheets, or for a Parquet file by its header."""
    said = []
    if file_format == feed.file_format and file_format != "parquet":
        fits = list(_find_fits_of_sheets(tables, feed))
        if any(not fit.changes for fit in fits):
            return []
        said = _describe_fits(fits, feed)
    others = [
        other
        for other in feeds
        if other != feed and other.file_format == file_format and _is_header_of(_declared_row(tables, other), other)
    ]
    return [*said, *_describe_feeds(others, feed)]


def _find_fits_of_text(head: bytes, is_whole: bool, feed: Feed) -> list[_Fit]:
    declared, fits = feed.dialect, list[_Fit]()
    for encoding in _encodings(head, declared.encoding):
        for line_end in _line_ends(head, replace(declared, encoding=encoding)):
            dialect = replace(declared, encoding=encoding, line_end=line_end)
            begun, text = _cut(head, is_whole, dialect)
            for delimiter in _delimiters(text, feed):
                tried = replace(feed, dialect=replace(dialect, delimiter=delimiter))
                changes = [
                    *([("encoding", encoding)] if _name(encoding) != _name(declared.encoding) else []),
                    *([("line_end", line_end)] if line_end != declared.line_end else []),
                    *([("delimiter", _quote(delimiter))] if delimiter != declared.delimiter else []),
                ]
                if declared.header_lines:
                    fits += _find_lines(begun, text.count(dialect.line_end_text) + 1, tried, tuple(changes))
                elif _have_all_fields(begun, tried):
                    fits.append(_Fit(tuple(changes), 0))
    return fits


def _find_lines(begun: bytes, lines: int, feed: Feed, changes: _Changes) -> Iterator[_Fit]:
    """Yield a fit for each line in which the feed's header is found, without those that repeat one."""
    grammar = choose_grammar(feed)
    found: dict[int, tuple[int, tuple[str, ...]]] = {}  # by the line behind the header: lines in front, and its columns
    declared = None
    for preamble in range(min(lines, _SAMPLE_LINES)):
        try:
            head = find_header(begun, replace(feed.dialect, preamble_lines=preamble), grammar, final=True)
            texts = head.join_texts() if head else []
        except FileRefused:
            continue
        if head and _has_all_columns(texts, feed):
            # blank lines and comments in front do not count, so the last of these numbers is that of the header
            found[head.lines] = preamble, tuple(map(feed.column_of, texts))
            if preamble == feed.dialect.preamble_lines:
                declared = head.lines
    known: set[tuple[str, ...]] = set()
    for behind, (preamble, columns) in found.items():
        if behind == declared:
            yield _Fit(changes, columns.count(""))
        elif columns not in known:
            yield _Fit((*changes, ("preamble_lines", str(preamble))), columns.count(""), preamble + 1)
        known.add(columns)


def _have_all_fields(begun: bytes, feed: Feed) -> bool:
    """Say whether all records of a file without a header have as many fields as the feed has columns."""
    dialect, grammar, columns = feed.dialect, choose_grammar(feed), len(feed.file_columns)
    decoder = LineDecoder(dialect.encoding, dialect.line_end_text)
    _, lines, errors = decoder.to_utf8(begun[decoder.start(begun) :])
    lines = [line.removesuffix(b"\r") if decoder.line_end == b"\n" else line for line in lines]
    others = [re.compile(pattern) for pattern in (dialect.comment, dialect.trailer) if pattern]
    place, records = dialect.preamble_lines, 0
    while place < len(lines):
        line = lines[place]
        if grammar.is_blank(line) or any(other.search(line.decode()) for other in others):
            place += 1
            continue
        found = grammar.parse(lines, place)
        if not isinstance(found, Parsed) or len(grammar.fit(found, columns).values) != columns:
            return False
        records, place = records + 1, found.end
    return records > 0 and not errors and columns >= _LEAST_COLUMNS


def _find_fits_of_sheets(tables: Sequence[Table], feed: Feed) -> Iterator[_Fit]:
    workbook = feed.workbook
    for number, (name, rows) in enumerate(tables, 1):
        is_declared = workbook.sheet in (name, number)
        known: set[tuple[str, ...]] = set()
        for row, texts in enumerate(rows, 1):
            columns = tuple(map(feed.column_of, texts[: MAX_COLUMNS + 1]))
            if not _has_all_columns(texts, feed) or columns in known:
                continue
            known.add(columns)
            sheet = [] if is_declared else [("sheet", _quote(name))]
            place = [] if row == workbook.header_row else [("header_row", str(row))]
            yield _Fit((*sheet, *place), columns.count(""))


def _declared_row(tables: Sequence[Table], feed: Feed) -> list[str]:
    """Return the texts where the feed has its header, none if there is no such place."""
    if feed.file_format == "parquet":
        return tables[0][1][0] if tables else []
    for number, (name, rows) in enumerate(tables, 1):
        if feed.workbook.sheet in (name, number):
            return next(islice(rows, feed.workbook.header_row - 1, None), [])
    return []


def _required(feed: Feed) -> list[str]:
    carried = feed.dialect.record_types.columns if feed.dialect.record_types else ()
    return [column for column in feed.required_columns if column not in carried]


def _has_all_columns(texts: Sequence[str], feed: Feed) -> bool:
    if not _LEAST_COLUMNS <= len(texts) <= MAX_COLUMNS or any("\0" in text for text in texts):
        return False
    columns, required = {feed.column_of(text) for text in texts}, _required(feed)
    return bool(required) and columns.issuperset(required) and len(columns & {*feed.columns}) >= _LEAST_COLUMNS


def _is_header_of(texts: Sequence[str], feed: Feed) -> bool:
    """Say whether a header has all columns that a feed requires, none of them twice and no other."""
    if not _has_all_columns(texts, feed):
        return False
    columns = [feed.column_of(text) for text in texts]
    return len(set(columns)) == len(columns) and set(columns) <= set(feed.file_columns)


def _read_header(begun: bytes, feed: Feed, is_whole: bool) -> list[str]:
    """Return the header of a text file as the feed declares it, none if it has no such header."""
    if feed.file_format == "fixed":  # its header is not read
        return []
    with suppress(FileRefused):
        found = find_header(begun, feed.dialect, choose_grammar(feed), final=is_whole)
        return found.join_texts() if found else []
    return []


def _first_lines(head: bytes) -> bytes:
    end = b"\n" if b"\n" in head else b"\r"
    return end.join(head.split(end, _SAMPLE_LINES)[:_SAMPLE_LINES]) + (end if head.count(end) >= _SAMPLE_LINES else b"")


def _cut(head: bytes, is_whole: bool, dialect: Dialect) -> tuple[bytes, str]:
    """Return the first lines of the content as delivered, without one that is cut, and as text."""
    decoder = LineDecoder(dialect.encoding, dialect.line_end_text)
    start = decoder.start(head)
    content = head[start:] if is_whole else head[start : start + decoder.end_of_last_line(head[start:])]
    begun = decoder.newline.join(decoder.split(content)[:_SAMPLE_LINES])
    text, _, _ = decoder.to_utf8(begun)
    return head[:start] + begun, text.decode("utf-8", "replace")


def _encodings(head: bytes, declared: str) -> list[str]:
    """Return the declared encoding, and those that the bytes themselves suggest."""
    marked = next((name for mark, name in (*MARKS, (MARK, "utf-8")) if head.startswith(mark)), None)
    if marked is not None:
        others: tuple[str, ...] = (marked,)
    elif b"\0" in head:
        others = ("utf-16-le", "utf-16-be")
    else:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
            others = ("utf-8",)
        except UnicodeError:
            others = _SINGLE_BYTE
    return [declared, *(other for other in others if _name(other) != _name(declared))]


def _name(encoding: str) -> str:
    return codecs.lookup(encoding).name.removesuffix("-sig")


def _line_ends(head: bytes, dialect: Dialect) -> list[str]:
    """Return the declared line end; if the file has only the other one, that too."""
    other = "lf" if dialect.line_end == "cr" else "cr"
    ends = {name: LineDecoder(dialect.encoding, "\r" if name == "cr" else "\n").newline for name in ("lf", "cr")}
    is_missing = ends[dialect.line_end] not in head and ends[other] in head
    return [dialect.line_end, *([other] if is_missing else [])]


def _delimiters(text: str, feed: Feed) -> list[str]:
    """Return the declared delimiter, and those that the text has and the dialect allows."""
    dialect = feed.dialect
    if feed.file_format != "csv":
        return [dialect.delimiter]
    taken = {dialect.quote, dialect.escape, *"".join(dialect.null_text)}
    others = [one for one in _DELIMITERS if one != dialect.delimiter and one in text and not taken & {*one}]
    return [dialect.delimiter, *others]


def _describe_fits(fits: Sequence[_Fit], feed: Feed) -> list[str]:
    """Return what is to be declared: the fewest changes, of which two may fit, but not more."""
    least = min(((len(fit.changes), fit.nameless) for fit in fits), default=(0, 0))
    fewest = [fit for fit in fits if (len(fit.changes), fit.nameless) == least]
    if not 0 < len(fewest) <= _MOST_FITS:
        return []
    shown = ", or ".join(" and ".join(f"{option}: {value}" for option, value in fit.changes) for fit in fewest)
    required = len(_required(feed))
    kind = "required columns" if feed.contract.optional else "columns"
    lines = ", or ".join(f"in line {fit.line}" for fit in fewest if fit.line is not None)
    return [f"{shown} would give all {required:,} {kind}" + (f": the header is {lines}." if lines else ".")]


def _describe_feeds(fitting: Sequence[Feed], feed: Feed) -> list[str]:
    if any(one.full_name == feed.full_name for one in fitting):
        return ["Its header fits other files of its feed: see location and from of the feed's variants."]
    feeds = list({one.full_name: one for one in fitting}.values())
    if not feeds:
        return []
    named = [f"{feed.full_name} ({feed.location})" for feed in feeds[:_SHOWN_FEEDS]]
    if len(feeds) > _SHOWN_FEEDS:
        named.append(f"{len(feeds) - _SHOWN_FEEDS:,} more")
    joined = ", ".join(named[:-1]) + (" and " if len(named) > 1 else "") + named[-1]
    return [f"Its header fits the feed{'s' if len(feeds) > 1 else ''} {joined}."]


def _quote(text: str) -> str:
    """Return a text as YAML has it, in one line."""
    return f"'{text}'" if text.isprintable() and "'" not in text else json.dumps(text)
