"""Pick the rows of a JSON object: one, or one for each of its items. What is not declared is kept as JSON."""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

from sales_warehouse.feeds.declare import Feed, Steps
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_object import Pairs, Unfit, as_json, as_text, describe

Row = list[str | None]
_Found = dict[str, tuple[str, Any]]  # the key and the value of a column

_KEYS_TOLD = 20
_KEYS_IGNORED = 100  # named in the ledger; a sender may invent any number of keys
_ABSENT = object()
_TAKEN = ""  # in place of a column: the key that a path leads to


class RowPicker:
    """Picks the values of the declared columns, and notes which columns and which other keys the objects had."""

    def __init__(self, feed: Feed) -> None:
        nesting, contract = feed.nesting, feed.contract
        self._columns = feed.file_columns
        self._column_of = feed.column_of
        self._by_key = frozenset(feed.file_columns) - {column for column, _ in nesting.paths}
        self._written = {*self._by_key, *(text for _, texts in contract.aliases for text in texts)}
        self._on_new_column = contract.on_new_column
        self._items = nesting.items
        depth = len(nesting.items)
        self._of_item = [(c, path[depth:]) for c, path in nesting.paths if depth and path[:depth] == nesting.items]
        self._of_record = [(c, path) for c, path in nesting.paths if not depth or path[:depth] != nesting.items]
        # Keys that a path leads to are no columns by their name; keys that a path begins with are not new ones.
        taken = {path[0] for _, path in self._of_record if len(path) == 1}
        taken_of_item = {path[0] for _, path in self._of_item if len(path) == 1}
        self._known = {path[0] for _, path in (*self._of_record, *self._of_item)} | set(nesting.items[:1])
        self._key_of_record = self._make_finder(taken, nesting.items[:1])
        self._key_of_item = self._make_finder(taken_of_item)
        self._objects = 0
        self._absent = set(feed.file_columns)  # declared columns that no object has had so far
        self._has_objects = False
        self._has_items = not nesting.items
        self._keys: dict[str, None] = {}  # some of the keys that were found, for the message
        self._ignored: dict[str, None] = {}

    @property
    def ignored(self) -> tuple[str, ...]:
        """The keys that were left out so far, as columns would be called; the first of them when there are many."""
        return tuple(self._ignored)

    @property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that no object had so far; none when there were no objects."""
        return tuple(column for column in self._columns if column in self._absent) if self._objects else ()

    @property
    def found_keys(self) -> str:
        """The first keys that objects had, for a message."""
        return ", ".join(self._keys)[:1000]

    @property
    def lacks_items(self) -> bool:
        """Say whether objects were read and none had the list of items, empty or not."""
        return self._has_objects and not self._has_items

    def pick(self, record: Pairs, line_number: int) -> list[Row]:
        """Return the rows of an object, with the item number in front where the feed has items; none without items.

        Raises `Unfit` for an object that cannot become rows, and `FileRefused` for one with refused keys.
        """
        if self._absent or not self._has_items:
            self._note_keys(record)
        found, extra = self._sort(record, self._key_of_record)
        if self._of_record:
            _add_nested(found, record, self._of_record)
        if not self._items:
            row = self._write(found, extra, line_number)
            self._count(found)
            return [row]
        rows: list[Row] = []
        all_found: _Found = {}
        for number, item in enumerate(self._find_items(record), 1):
            if not isinstance(item, Pairs):
                raise Unfit("bad_json", f"item {number:,} is {describe(item)} instead of an object")
            of_item, rest = self._sort(item, self._key_of_item)
            _add_nested(of_item, item, self._of_item)
            # A value of the record that the item has too is in no column, so it is kept beside them.
            hidden = [pair for column, pair in found.items() if column in of_item and column in self._by_key]
            kept = Pairs(pair for pair in (*extra, *hidden) if pair[0] != self._items[0])
            new = [key for key, _ in (*extra, *rest)]
            all_extra = _put(record, self._items, rest, kept)
            rows.append([str(number), *self._write(found | of_item, all_extra, line_number, new)])
            all_found |= found | of_item
        if rows:
            self._count(all_found)
        return rows

    def _note_keys(self, record: Pairs) -> None:
        self._has_objects = True
        for key, _ in record:
            if len(self._keys) < _KEYS_TOLD:
                self._keys[key] = None

    def _count(self, found: _Found) -> None:
        """Note which columns a sound object had."""
        self._objects += 1
        if self._absent:
            self._absent -= found.keys()

    def _make_finder(self, taken: Collection[str], left_out: Collection[str] = ()) -> Callable[[str], str | None]:
        """Return a function that gives the column of a key: None for one that is no column, `_TAKEN` for a path's."""

        def find(key: str) -> str | None:
            if key in taken:
                return _TAKEN
            column = self._column_of(key)
            return column if column in self._by_key and key not in left_out else None

        return lru_cache(maxsize=4096)(find)

    def _sort(self, pairs: Pairs, column_of: Callable[[str], str | None]) -> tuple[_Found, Pairs]:
        """Return the declared columns among the keys, and the other keys.

        Of two keys that mean one column, the one that is written as it is declared is the column.
        """
        found: _Found = {}
        rivals: dict[str, list[tuple[str, Any]]] = {}
        extra = Pairs()
        for pair in pairs:
            column = column_of(pair[0])
            if column is None:
                extra.append(pair)
            elif column not in found:
                found[column] = pair
            elif column is not _TAKEN:
                rivals.setdefault(column, [found[column]]).append(pair)
        for column, rival in rivals.items():
            declared = [pair for pair in rival if pair[0] in self._written]
            if len(declared) != 1:
                (one, _), (other, _), *_ = declared or rival
                raise Unfit("bad_json", f"the keys {one!r} and {other!r} both mean {column}")
            [found[column]] = declared
            extra.extend(pair for pair in rival if pair is not declared[0])
        return found, extra

    def _find_items(self, record: Pairs) -> list[Any]:
        """Return the items; an object in the place of the list is one item."""
        items = _find(record, self._items)
        if items is _ABSENT:
            return []
        self._has_items = True
        if items is None or (isinstance(items, list) and not isinstance(items, Pairs)):
            return items or []
        if not isinstance(items, Pairs):
            raise Unfit("bad_json", f"{'.'.join(self._items)} is {describe(items)} instead of a list")
        return [items]

    def _write(self, found: _Found, extra: Pairs, line_number: int, new: Sequence[str] | None = None) -> Row:
        values = [as_text(found[column][1]) if column in found else None for column in self._columns]
        if self._on_new_column == "add":
            return [*values, as_json(extra) if extra else None]
        keys = [key for key, _ in extra] if new is None else new
        if keys := [key for key in keys if key not in self._known]:
            self._note_new(keys, line_number)
        return values

    def _note_new(self, keys: Sequence[str], line_number: int) -> None:
        if self._on_new_column == "refuse":
            raise FileRefused(
                f"line {line_number:,} has new keys, refused by on_new_column: refuse: "
                f"{', '.join(keys)[:1000]}. Correct the file, or the columns or aliases of the feed's declaration."
            )
        for key in keys:
            if len(self._ignored) < _KEYS_IGNORED:
                self._ignored[(self._column_of(key) or key)[:MAX_IDENTIFIER_BYTES]] = None


def _add_nested(found: _Found, pairs: Pairs, paths: Sequence[tuple[str, Steps]]) -> None:
    for column, steps in paths:
        if (value := _find(pairs, steps)) is not _ABSENT:
            found[column] = (".".join(steps), value)


def _find(value: Any, steps: Steps) -> Any:
    """Return the value at the end of a path, `_ABSENT` where a key is missing."""
    for step in steps:
        if not isinstance(value, Pairs):
            return _ABSENT
        value = next((inner for key, inner in value if key == step), _ABSENT)
    return value


def _put(record: Pairs, steps: Steps, item: Pairs, beside: Pairs) -> Pairs:
    """Return `beside` with what an item holds beside the columns, in the place of the list of items in the record."""
    inner = item
    for depth in range(len(steps) - 1, 0, -1):
        siblings = Pairs(pair for pair in _find(record, steps[:depth]) if pair[0] != steps[depth])
        inner = Pairs([*siblings, (steps[depth], inner)] if inner else siblings)
    return Pairs([*beside, (steps[0], inner)] if inner else beside)
