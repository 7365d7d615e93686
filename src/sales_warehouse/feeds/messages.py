"""How the values of a topic's messages are decoded: the declared options, and their checks."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from sales_warehouse.feeds.strict_model import StrictModel, check, field, require

DEBEZIUM = "debezium"
OP_KEY = "_op"  # where the row of a change has the kind of the change
# Keys of a change beside its row that paths can lead to, behind a `_` so that no column of the table is hidden.
CHANGE_KEYS = (OP_KEY, "_source", "_ts_ms", "_ts_us", "_ts_ns", "_transaction")
# The options of each format of messages.
MESSAGE_OPTIONS: dict[str, tuple[str, ...]] = {
    "csv": ("tombstones",),
    "json": ("tombstones", "envelope"),
    "avro": ("tombstones", "envelope", "registry", "schema_id_bytes", "reader_schema"),
}

_NAME = "a name of lower-case letters, digits and _, such as main; the environment says where it is"
_READER = "the subject and version of a schema in the registry, such as orders-value/3"


@dataclass(frozen=True)
class Messages:
    """How the value of a message becomes a JSON object."""

    envelope: str | None = None  # or "debezium": the value is a change of a row
    tombstones: str = "reject"  # or "skip" or "state": what a message without a value is
    registry: str | None = None  # of Avro: the name of the schema registry
    schema_id_bytes: int = 4  # of Avro, or 8: how long the id of the schema is in front of a value
    reader_schema: tuple[str, int] | None = None  # subject and version; None: each value is read as it was written


def _is_subject_and_version(text: str) -> bool:
    subject, slash, version = text.rpartition("/")
    return bool(slash and subject and version.isascii() and version.isdigit() and 0 < int(version[:10]) < 2**31)


class MessageOptions(StrictModel):
    """The options of `external.options` that only messages have."""

    envelope: Literal["debezium"] | None = field(DEBEZIUM, None)
    tombstones: Literal["reject", "skip", "state"] | None = field("reject, skip or state", None)
    registry: Annotated[str, field("", pattern="^[a-z][a-z0-9_]*$")] | None = field(_NAME, None)
    schema_id_bytes: Literal[4, 8] = field("4, or 8 for ids of Apicurio's own format", 4)
    reader_schema: Annotated[str, check(_is_subject_and_version, "is no schema")] | None = field(_READER, None)

    def messages(self) -> Messages:
        """Return how messages are decoded. Behind a change to `d` Debezium sends a tombstone, which is skipped."""
        subject, _, version = (self.reader_schema or "").rpartition("/")
        return Messages(
            envelope=self.envelope,
            tombstones=self.tombstones or ("skip" if self.envelope else "reject"),
            registry=self.registry,
            schema_id_bytes=self.schema_id_bytes,
            reader_schema=(subject, int(version)) if self.reader_schema else None,
        )


def check_messages(options: MessageOptions, file_format: str, paths: Collection[str], items: str | None) -> None:
    """Raise `Invalid` where the options of messages do not fit one another.

    `paths` are the declared paths, `items` the path of the items.
    """
    if file_format == "avro":
        problem = "is missing: messages in Avro have the id of their schema, not the schema"
        require(options.registry, problem, key=("external", "options", "registry"))
    shows_op = OP_KEY in paths
    allowed = f"a column for it: paths: {{op: {OP_KEY}}}"
    problem = "a deletion would look like a sale: no path leads to the kind of the change"
    require(not options.envelope or shows_op, problem, allowed, ("external", "options", "envelope"))
    if options.tombstones == "state":
        key = ("external", "options", "tombstones")
        require(file_format != "csv", "a record of delimited text cannot show a tombstone", "reject or skip", key)
        require(shows_op, "a row without values would say nothing: no path leads to its kind", allowed, key)
        require(not items, "a tombstone has no items, so it gives no row", "reject or skip", key)
