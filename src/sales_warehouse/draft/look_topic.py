"""Look at the first messages of a topic, each as a record of a sample, and gather the evidence of a draft."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sales_warehouse.draft.evidence import Evidence, Fact, list_some
from sales_warehouse.draft.look import Samples, look_at_samples
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Contract, Feed, Nesting, Steps, Topic
from sales_warehouse.feeds.messages import DEBEZIUM, OP_KEY, Messages
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.stream.decode import choose_decoder
from sales_warehouse.stream.read_first import TopicSample

_CHANGE_KINDS = ("c", "r", "u", "d")
_OF_CHANGES: tuple[tuple[str, Steps], ...] = (("op", (OP_KEY,)), ("ts_ms", ("_ts_ms",)))  # kind and time of a change
_OF_FILES = ("samples", "compression", "delivery key", "records in several files")  # facts
_ASKED_OF_FILES = ("delivery_key", "optional", "overlap")
_REGISTRY = "main"
_SHOWN = 3


@dataclass(frozen=True)
class _Decoded:
    """The texts of the messages that are objects, and what is wrong with the others, by reason."""

    texts: list[str]
    unfit: Counter[str]


def look_at_topic(source: str, name: str, sample: TopicSample, columns: tuple[str, ...] = ()) -> Evidence:
    """Return what the messages show of the feed `source`.`name`; `columns` name the fields of delimited text.

    Raises `ConfigurationError` when they are of no format that a topic can have, and `ServerAway` without the registry
    that their schemas are in.
    """
    feed = Feed(source, name, "raw", f"{source}__{name}", sample.location, (), topic=sample.topic)
    values = [value for value in sample.values if value is not None]
    feed = _see_format(feed, values)
    decoded = _decode(feed, values) if feed.file_format != "csv" else _split_text(values)
    if feed.file_format != "csv" and _are_changes(decoded.texts):
        assert feed.topic is not None
        messages = replace(feed.topic.messages, envelope=DEBEZIUM, tombstones="skip")
        feed = replace(feed, topic=replace(feed.topic, messages=messages), nesting=Nesting(paths=_OF_CHANGES))
        decoded = _decode(feed, values)
    if not decoded.texts:
        raise ConfigurationError(f"No message of the topic can be read: {list_some(list(decoded.unfit), _SHOWN, 120)}.")
    if feed.file_format == "csv" and not columns:
        raise ConfigurationError("The messages are text without names of columns. Name them, in order: --columns a,b,c")
    return _tell(_look(feed, decoded.texts, columns), feed, sample, decoded.unfit)


def _see_format(feed: Feed, values: Sequence[bytes]) -> Feed:
    """Return the feed with the format of the messages, by their first bytes."""
    assert feed.topic is not None
    if values and all(value[:1] == b"\0" for value in values):
        topic = replace(feed.topic, messages=Messages(registry=_REGISTRY))
        return replace(feed, topic=topic, file_format="avro")
    objects = sum(value.lstrip()[:1] == b"{" for value in values)
    return replace(feed, file_format="json" if objects * 2 >= len(values) else "csv")


def _decode(feed: Feed, values: Sequence[bytes]) -> _Decoded:
    decode, decoded = choose_decoder(feed), _Decoded([], Counter())
    for value in values:
        try:
            text = decode(value)
            if text is not None and isinstance(json.loads(text), dict):
                decoded.texts.append(" ".join(text.splitlines()))
            else:
                decoded.unfit["bad_json: the value is not an object"] += 1
        except Unfit as unfit:
            decoded.unfit[f"{unfit.reason}: {unfit.detail}"] += 1
        except ValueError as error:
            decoded.unfit[f"bad_json: {error}"] += 1
    return decoded


def _split_text(values: Sequence[bytes]) -> _Decoded:
    decoded = _Decoded([], Counter())
    for value in values:
        try:
            decoded.texts.append(value.decode().removesuffix("\n").removesuffix("\r"))
        except UnicodeDecodeError:
            decoded.unfit["encoding: not utf-8"] += 1
    return decoded


def _are_changes(texts: Sequence[str]) -> bool:
    """Say whether most objects are changes of a row, as Debezium sends them."""
    return sum(_is_change(json.loads(text)) for text in texts) * 2 > len(texts)


def _is_change(value: dict[str, Any]) -> bool:
    change = value["payload"] if value.keys() == {"schema", "payload"} else value
    return (
        isinstance(change, dict)
        and change.get("op") in _CHANGE_KINDS
        and not change.keys().isdisjoint(("before", "after"))
    )


def _look(feed: Feed, texts: Sequence[str], columns: tuple[str, ...]) -> Evidence:
    """Return the evidence of the messages as a file with one of them in each line."""
    suffix = "csv" if feed.file_format == "csv" else "jsonl"
    with tempfile.TemporaryDirectory(prefix="warehouse-draft-") as folder:
        path = Path(folder) / f"messages.{suffix}"
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return look_at_samples(feed.source, feed.name, Samples([path], Path(folder), columns, suffix == "jsonl"))


def _tell(evidence: Evidence, feed: Feed, sample: TopicSample, unfit: Counter[str]) -> Evidence:
    """Return the evidence as that of a topic: without what only files have, and with what only messages have."""
    seen, topic = evidence.feed, feed.topic
    assert topic is not None
    paths = dict(seen.nesting.paths) | {name: path for name, path in feed.nesting.paths if name in seen.columns}
    is_text = feed.file_format == "csv"
    evidence.feed = replace(
        seen,
        location=feed.location,
        file_format=feed.file_format,
        topic=topic,
        delivery_key=None,
        dialect=replace(seen.dialect, header_lines=1) if is_text else feed.dialect,
        nesting=Nesting((), seen.nesting.items, tuple(paths.items())),
        contract=Contract() if is_text else replace(seen.contract, optional=()),
    )
    messages = f"{len(sample.values):,} first messages of {sample.partitions:,} partitions"
    evidence.facts = [
        Fact("topic", feed.location, messages),
        *(fact for fact in evidence.facts if fact.name not in _OF_FILES and fact.name != "format"),
    ]
    told = {"avro": f"the first byte is 0; schemas of the registry {_REGISTRY}", "json": "an object each"}
    evidence.see("format", feed.file_format, told.get(feed.file_format, "one record each"))
    evidence.questions = [question for question in evidence.questions if question.about not in _ASKED_OF_FILES]
    if topic.messages.envelope:
        evidence.see("envelope", DEBEZIUM, "the keys op, before and after")
    _ask_of_values(evidence, topic, sample, unfit)
    _ask_of_events(evidence, len(sample.values))
    return evidence


def _ask_of_values(evidence: Evidence, topic: Topic, sample: TopicSample, unfit: Counter[str]) -> None:
    empty = sum(value is None for value in sample.values)
    if empty and not topic.messages.envelope:
        evidence.ask("tombstones", f"{empty:,} messages have no value, which are rejects: skip, or state (a deletion)?")
    if unfit:
        shown = list_some(list(unfit), _SHOWN, 90)
        evidence.see("rejects", f"{sum(unfit.values()):,}", shown)
        evidence.ask("max_rejects", f"messages that are no records: {sum(unfit.values()):,}. Such as {shown}")


def _ask_of_events(evidence: Evidence, messages: int) -> None:
    """Ask which messages count: a topic may have each several times, and later states of what it told before."""
    ids = evidence.roles.get("order_id", [])
    orders = f"{messages:,} messages have {len(evidence.counts(ids[0])):,} values of {ids[0]}. " if ids else ""
    evidence.ask(
        "events",
        f"{orders}Can a message come twice, or a later one change what an earlier one said? Now each message counts; "
        "meta.events in the YAML of this model says which do (docs/reference/quality-rules.md)",
    )
