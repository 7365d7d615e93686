"""Choose how the value of a message becomes rows: JSON of an object, or one record of delimited text."""

import logging
import time
from collections.abc import Callable

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.grammar import Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.parse_record import RecordGrammar
from sales_warehouse.load.readers.pick_rows import Row, RowPicker
from sales_warehouse.stream.decoders.change import make_opener
from sales_warehouse.stream.decoders.choose import Decode, choose_value_decoder
from sales_warehouse.stream.decoders.registry import Patience
from sales_warehouse.stream.decoders.write_json import write_json

# Returns the rows of a decoded message, none where it has no items; raises `Unfit` for a reject. A row begins with its
# item number where the feed has items.
Picker = Callable[[str], list[Row]]

log = logging.getLogger("sales_warehouse.stream")


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


_PATIENT = Patience(say=log.warning, pause=_sleep)


def choose_decoder(feed: Feed, patience: Patience = _PATIENT) -> Decode:
    """Return the function that makes the JSON of an object of a value; it raises `Unfit` for a reject.

    `patience` says how a schema registry is waited for. Raises `ConfigurationError` where its address is missing.
    """
    assert feed.topic is not None
    return choose_value_decoder(feed.topic.messages, feed.file_format, _paths_of(feed), patience)


def is_sent_as_read(feed: Feed) -> bool:
    """Say whether the value of a message is itself the JSON of its object."""
    return feed.file_format == "json" and feed.topic is not None and not feed.topic.messages.envelope


def make_unwrapper(feed: Feed) -> Callable[[str], str]:
    """Return the function that makes the object of the JSON of a repaired message; it raises `Unfit`."""
    if feed.topic is None or not feed.topic.messages.envelope:
        return str
    open_change = make_opener(_paths_of(feed))
    return lambda text: write_json(open_change(parse_object(text, "message")))


def _paths_of(feed: Feed) -> list[str]:
    return [".".join(path) for _, path in feed.nesting.paths]


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
