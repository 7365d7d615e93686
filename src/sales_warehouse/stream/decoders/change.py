"""Open the envelope of Debezium: a change becomes the row as it is behind it, or as it was before a deletion."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sales_warehouse.feeds.messages import CHANGE_KEYS, OP_KEY
from sales_warehouse.load.readers.parse_object import Pairs, Unfit, describe
from sales_warehouse.stream.decoders.connect_json import read_connect_json

# the kinds of a change, and where its row is: created, read by a snapshot, updated, deleted
_ROW_KEYS = {"c": "after", "r": "after", "u": "after", "d": "before"}


def make_opener(paths: Collection[str]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes the row of a change, with its kind as `_op`.

    `paths` are the declared paths. Of what the change has beside the row, only values that they lead to are added. The
    function raises `Unfit` for a value that is no change of a row.
    """
    steps = sorted((path.split(".") for path in {OP_KEY, *paths}), key=len)
    wanted = [path for path in steps if path[0] in CHANGE_KEYS]

    def open_change(value: Any) -> dict[str, Any]:
        change = _as_dict(value, "the value")
        if change.keys() == {"schema", "payload"}:  # as Connect's JsonConverter writes it with schemas.enable=true
            change = _as_dict(read_connect_json(change["schema"], change["payload"]), "the payload")
        if "op" not in change:
            raise Unfit("bad_envelope", "not a change of Debezium: the key op is missing")
        op = change["op"]
        row_key = _ROW_KEYS.get(op) if isinstance(op, str) else None
        if row_key is None:
            raise Unfit("bad_envelope", f"the change {op!r} is none of a row; known are {', '.join(_ROW_KEYS)}")
        if change.get(row_key) is None:
            advice = ": the table's replica identity does not keep deleted rows" if op == "d" else ""
            raise Unfit("bad_envelope", f"the change {op!r} has no {row_key}{advice}")
        row = _as_dict(change[row_key], row_key)
        for first, *_ in wanted:
            if first in row:
                raise Unfit("bad_envelope", f"the row has a key {first}, which a path of the declaration leads to")
        beside: dict[str, Any] = {}
        for path in wanted:
            _copy(change, path, beside)
        return row | beside

    return open_change


def _copy(change: Mapping[str, Any], path: Sequence[str], beside: dict[str, Any]) -> None:
    """Copy the value at the end of a path, if it is there; the first key of the path has a `_` in front."""
    value: Any = change
    for step in (path[0][1:], *path[1:]):
        value = dict(value) if isinstance(value, Mapping | Pairs) else {}
        if step not in value:
            return
        value = value[step]
    *way, last = path
    parent: Any = beside
    for step in way:
        parent = parent.setdefault(step, {})
        if not isinstance(parent, dict):  # the whole of it is there, by a shorter path
            return
    parent[last] = value


def _as_dict(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, Mapping | Pairs):
        return dict(value)
    raise Unfit("bad_envelope", f"{what} is {describe(value)} instead of an object")
