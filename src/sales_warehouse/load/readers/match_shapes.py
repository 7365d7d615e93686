"""Read JSON objects that differ from one before in their values only, with one pattern for the whole object.

A sender writes the same keys in the same order again and again. The first object of such a shape is read in full; so is
a copy of it with a mark in the place of each value, which shows where each value goes. Further objects of the shape are
matched, and their values are written as COPY takes them: the text of a JSON string is a field of CSV as it is. What has
an escape, an exponent or another shape is read in full. The rows are the same on both ways; the second takes a tenth.
"""

import re
from collections.abc import Callable, Sequence
from operator import methodcaller

from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.load.readers.reader import write_copy_values

# A longer object is read in full; so no number is longer than what `_extra` can keep.
MAX_BYTES = 16_000

_SHAPES = 8  # that are known at a time
_TRIES = 16  # to learn one between two calls of `begin`: a pattern costs as much as a hundred objects read in full

_STRING = rb'"[^"\\\x00-\x1f]*+"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+"
_BLANK = rb"[ \t\n\r]*+"
# A key, or a value, or what is between them. A number with an exponent does not end there.
_PART = re.compile(
    rb"(?P<key>%b(?=%b:))|(?P<string>%b)|(?P<number>%b(?![0-9.eE]))|(?P<truth>true|false)|(?P<null>null)"
    rb"|[][{}:, \t\n\r]" % (_STRING, _BLANK, _STRING, _NUMBER)
)
# The values that may be there instead of one of the sample.
_VALUES = {
    "string": rb"(%b|null)" % _STRING,
    "number": rb"(%b|null)" % _NUMBER,
    "truth": rb"(true|false|null)",
    "null": rb"(null|%b|%b|true|false)" % (_STRING, _NUMBER),
}
_MARK = "\x7f{}\x7f"
_MARK_ALONE = re.compile(r'"\x7f(\d+)\x7f"')  # as a field of CSV
_MARK_INSIDE = re.compile(r'""\x7f(\d+)\x7f""')  # in JSON that is a field of CSV
_MARKS = re.compile(f"{_MARK_INSIDE.pattern}|{_MARK_ALONE.pattern}")

Pick = Callable[[str], list[list[str | None]]]  # the rows of the text of an object; raises `Unfit`
_PickValues = Callable[[re.Match[bytes]], tuple[bytes, ...]]


class ShapeMatcher:
    """The shapes of the objects of one feed that came last."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self._shapes: list[_Shape] = []  # the one that fitted last comes first
        self._tries = _TRIES

    def begin(self) -> None:
        """Let shapes be learned again, as many as may be learned before the next call."""
        self._tries = _TRIES

    def match(self, value: bytes) -> list[bytes] | None:
        """Return the rows of an object as COPY takes their fields; None for one that must be read in full."""
        if len(value) > MAX_BYTES or not (value.isascii() or _is_utf8(value)):
            return None
        for shape in self._shapes:
            if found := shape.fullmatch(value):
                if shape is not self._shapes[0]:
                    self._shapes.remove(shape)
                    self._shapes.insert(0, shape)
                return shape.write(found)
        return None

    def learn(self, value: bytes) -> None:
        """Learn the shape of an object that was read in full, unless it has none."""
        if self._tries and len(value) <= MAX_BYTES:
            self._tries -= 1
            if shape := _learn(value, self._pick):
                self._shapes = [shape, *self._shapes[: _SHAPES - 1]]


class _Shape:
    """A pattern of objects, and how their rows are written from its groups."""

    def __init__(self, pattern: bytes, rows: Sequence[str]) -> None:
        """`rows` are fields as COPY takes them, with marks in the place of values."""
        self.fullmatch = re.compile(pattern).fullmatch
        self._rows = [_compile(row) for row in rows]

    def write(self, found: re.Match[bytes]) -> list[bytes]:
        """Return the rows of an object."""
        rows = []
        for template, pick, inside in self._rows:
            values = pick(found)
            if inside or b"null" in values:
                values = tuple([_write(value, place in inside) for place, value in enumerate(values)])
            rows.append(template % values)
        return rows


def _write(value: bytes, is_inside: bool) -> bytes:
    """Return a value as COPY takes it, or as JSON that is part of a field."""
    if is_inside:
        return value.replace(b'"', b'""')
    return b"" if value == b"null" else value


def _compile(row: str) -> tuple[bytes, _PickValues, frozenset[int]]:
    """Return a format of bytes, what picks its arguments, and the places of those that are inside of JSON again."""
    groups: list[int] = []
    template, inside = [], set()
    place = 0
    for mark in _MARKS.finditer(row):
        template += [row[place : mark.start()].replace("%", "%%"), "%b"]
        place = mark.end()
        if mark[1] is not None:
            inside.add(len(groups))
        groups.append(1 + int(mark[1] or mark[2]))
    template.append(row[place:].replace("%", "%%"))
    return "".join(template).encode(), _choose_pick(groups), frozenset(inside)


def _choose_pick(groups: Sequence[int]) -> _PickValues:
    """Return what gives the values of these groups as a tuple."""
    if len(groups) > 1:
        return methodcaller("group", *groups)
    return lambda found: tuple([found[group] for group in groups])


def _learn(value: bytes, pick: Pick) -> _Shape | None:
    """Return the shape of a sound object; None where one pattern cannot stand for it."""
    if b"\x7f" in value:
        return None
    pattern, marked, place, count = [], [], 0, 0
    while place < len(value):
        found = _PART.match(value, place)
        if found is None:
            return None
        text, kind = found[0], found.lastgroup
        if kind in _VALUES:
            pattern.append(_VALUES[kind])
            marked.append(f'"{_MARK.format(count)}"'.encode())
            count += 1
        else:
            pattern.append(re.escape(text))
            marked.append(text)
        place = found.end()
    try:
        rows = pick(b"".join(marked).decode())
    except Unfit:  # a value has a place where only an object or a list can be
        return None
    return _Shape(b"".join(pattern), [write_copy_values(row) for row in rows])


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
