"""Choose how a feed's files are opened and read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sales_warehouse.feeds.declare import JSON_FORMATS, TEXT_FORMATS, Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.readers.grammar import AlignedGrammar, FixedGrammar, Grammar
from sales_warehouse.load.readers.parse_in_subprocess import SubprocessContent
from sales_warehouse.load.readers.parse_record import RecordGrammar
from sales_warehouse.load.readers.read_json_documents import JsonDocumentReader
from sales_warehouse.load.readers.read_json_lines import JsonLinesReader
from sales_warehouse.load.readers.reader import Reader
from sales_warehouse.load.readers.split_records import TextReader
from sales_warehouse.load.readers.table_records import TableReader

Content = ContentReader | SubprocessContent


def choose_grammar(feed: Feed) -> Grammar:
    """Return how the lines of a text file of the feed are cut into records and fields."""
    if feed.file_format == "aligned":
        return AlignedGrammar(feed.dialect)
    if feed.file_format == "fixed":
        return FixedGrammar(feed.positions, feed.dialect)
    return RecordGrammar(feed.dialect)


def choose_reader(feed: Feed, file_id: int, counts_by_block: bool = False) -> Reader:
    """Return a new reader for a file of the feed; one for text counts delimiters by the block if it may."""
    if feed.file_format in TEXT_FORMATS:
        dialect = feed.dialect
        if feed.file_format == "fixed":  # the positions are declared, so the header is not read
            before = dialect.preamble_lines + dialect.header_lines
            dialect = replace(dialect, preamble_lines=before, header_lines=0)
        carried = dialect.record_types.columns if dialect.record_types else ()
        columns = [column for column in feed.file_columns if column not in carried]
        return TextReader(dialect, choose_grammar(feed), file_id, columns, counts_by_block)
    if feed.file_format == "jsonl":
        return JsonLinesReader(feed, file_id)
    if feed.file_format == "json":
        return JsonDocumentReader(feed, file_id)
    return TableReader(file_id, lines_before=0 if feed.file_format == "parquet" else feed.workbook.header_row)


@contextmanager
def open_content(file: InboxFile) -> Iterator[Content]:
    """Open a file of the inbox as its feed's format."""
    with ContentReader(file.path, file.member, file.feed.unpacking) as content:
        if file.feed.file_format in (*TEXT_FORMATS, *JSON_FORMATS):
            yield content
        else:
            with SubprocessContent(content, file.feed) as table:
                yield table
