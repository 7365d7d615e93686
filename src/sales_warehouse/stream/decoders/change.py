"""Open the envelope of Debezium: a change becomes the row as it is behind it, or as it was before a deletion."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sales_warehouse.feeds.messages import CHANGE_KEYS, OP_KEY
from sales_warehouse.load.readers.parse_object import Pairs, Unfit, describe
from sales_warehouse.stream.decoders.connect_json import read_connect_json

# the kinds of a change, and where its row is: created, read by a snapshot, updated, deleted
_ROW_KEYS = {"c": "after", "r": "after", "u": "after", "d": "before"}


def make_opener(paths: Collection[str]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes the row of a change, with its kind as `_op`.

    `paths` are the declared paths: other keys of the change are added only where one of them begins with the key. The
    function raises `Unfit` for a value that is no change of a row.
    """
    wanted = [key for key in CHANGE_KEYS if key == OP_KEY or any(path.split(".")[0] == key for path in paths)]

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
        for key in wanted:
            if key[1:] in change:
                if key in row:
                    raise Unfit("bad_envelope", f"the row has a key {key}, which a path of the declaration leads to")
                row[key] = change[key[1:]]
        return row

    return open_change


def _as_dict(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, Mapping | Pairs):
        return dict(value)
    raise Unfit("bad_envelope", f"{what} is {describe(value)} instead of an object")
