"""Choose how the value of a message becomes rows: JSON of an object, or one record of delimited text."""

from collections.abc import Callable

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import describe_undecodable
from sales_warehouse.load.readers.grammar import Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.parse_record import MAX_RECORD_BYTES, RecordGrammar, describe_too_long
from sales_warehouse.load.readers.pick_rows import Row, RowPicker

# Returns the rows of a decoded message, none where it has no items; raises `Unfit` for a reject. A row begins with its
# item number where the feed has items.
Picker = Callable[[str], list[Row]]
# Returns the JSON text of an object for the value of a message, or None for a message that is skipped.
Decoder = Callable[[bytes | None], str | None]


def choose_decoder(feed: Feed) -> Decoder:  # noqa: ARG001, other formats look at it
    """Return the function that makes the JSON of an object of a value; it raises `Unfit` for a reject."""
    return decode_text


def decode_text(value: bytes | None) -> str:
    """Return a value as text; raise `Unfit` for one that cannot be kept as such."""
    if value is None:
        raise Unfit("tombstone", "the message has a key and no value")
    if len(value) > MAX_RECORD_BYTES:
        raise Unfit("too_long", describe_too_long(value))
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Unfit("encoding", f"not utf-8: {describe_undecodable(error)}") from None


def choose_picker(feed: Feed) -> Picker:
    """Return the function that picks the rows of a decoded message; it raises `Unfit` for a reject."""
    if feed.file_format == "csv":
        return _RecordPicker(feed).pick
    picker = RowPicker(feed)

    def pick(text: str) -> list[Row]:
        try:
            return picker.pick(parse_object(text, "message"), 1)
        except FileRefused as refused:  # on_new_column: refuse
            raise Unfit("new_column", refused.message) from None

    return pick


class _RecordPicker:
    """Cuts a value into the fields of the declared columns, in their order."""

    def __init__(self, feed: Feed) -> None:
        self._grammar = RecordGrammar(feed.dialect)
        self._width = len(feed.columns)

    def pick(self, text: str) -> list[Row]:
        """Return the row of a record; raise `Unfit`."""
        if "\0" in text:
            raise Unfit("nul", f"a NUL character, character {text.index(chr(0)) + 1} of the message")
        lines = text.removesuffix("\n").removesuffix("\r").encode().split(b"\n")
        found = self._grammar.parse(lines, 0)
        if isinstance(found, Unclosed):
            raise Unfit("unbalanced_quote", "a quoted field is not closed")
        if isinstance(found, Unsound):
            raise Unfit(found.reason, found.detail)
        if found.end < len(lines):
            raise Unfit("too_many_fields", f"{len(lines) - found.end + 1:,} lines, a message is one record")
        found = self._grammar.fit(found, self._width)
        self._check_width(found)
        pairs = zip(found.values, found.quoted, strict=True)
        return [[value.decode() if value or quoted else None for value, quoted in pairs]]

    def _check_width(self, found: Parsed) -> None:
        there = len(found.values)
        if there != self._width:
            reason = "too_few_fields" if there < self._width else "too_many_fields"
            raise Unfit(reason, f"{there:,} fields, {self._width:,} are declared")
