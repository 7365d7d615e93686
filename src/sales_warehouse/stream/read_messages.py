"""Read the messages of one commit: their rows as COPY takes them, their rejects and their figures."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.readers.match_shapes import ShapeMatcher
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.load.readers.reader import write_copy_values
from sales_warehouse.stream.decode import choose_decoder, choose_picker, is_sent_as_read
from sales_warehouse.stream.decoders.choose import Decode
from sales_warehouse.stream.messages import Headers, Message
from sales_warehouse.stream.positions import Counted, Stop

# A share of rejects counts of at least so many messages: otherwise the only message of a quiet moment would be 100 %.
LEAST_MESSAGES = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Batch:
    """Messages of one partition that one transaction loads; numbers of records count from 1 among them."""

    messages: Sequence[Message]
    rows: list[tuple[int, bytes]] = field(default_factory=list)  # number of the record, fields behind it
    rejects: list[Reject] = field(default_factory=list)
    skipped: list[SkippedLine] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    stop: Stop | None = None  # the message behind the last one


class MessageReader:
    """Reads messages of a feed."""

    def __init__(self, feed: Feed, decode: Decode | None = None) -> None:
        self.feed = feed
        self._decode = decode or choose_decoder(feed)
        self._pick = choose_picker(feed)
        self._shapes = ShapeMatcher(self._pick) if is_sent_as_read(feed) else None

    def read(
        self,
        topic: str,
        partition: int,
        messages: Sequence[Message],
        skip_up_to: int | None = None,
        count_before: Callable[[], Counted] = Counted,
    ) -> Batch:
        """Return what the messages give. It ends before a message that is a reject too many, by `max_rejects`.

        Rejects up to the offset `skip_up_to` do not count there; None: no reject is too many. `count_before` says what
        of the segment was committed before, and is called at the first reject.
        """
        batch = Batch(messages)
        front = f"{write_copy_values([topic])},{partition}".encode()
        tally, before, counted = batch.tally, None, 0
        match = None
        if self._shapes is not None:
            self._shapes.begin()
            match = self._shapes.match
        for number, message in enumerate(messages, 1):
            value = message.value
            try:
                rows = None if match is None or value is None else match(value)
                if rows is None:
                    rows = self._read_in_full(value)
            except Unfit as unfit:
                if skip_up_to is not None and message.offset > skip_up_to:
                    before, counted = before or count_before(), counted + 1
                    read = max(before.read + number, LEAST_MESSAGES)
                    if not self.feed.max_rejects.allows(before.rejected + counted, read):
                        batch.messages = messages[: number - 1]
                        batch.stop = Stop(message.offset, f"{unfit.reason}: {unfit.detail}", str(self.feed.max_rejects))
                        return batch
                tally.rejected += 1
                it = Reject(number, number, message.offset, unfit.reason, unfit.detail, value or b"")
                key, headers, sent_at = read_envelope(message)
                batch.rejects.append(replace(it, key=key, headers=headers, sent_at=sent_at))
                continue
            if not rows:
                tally.skipped += 1
                kind = "tombstone" if rows is None else "no_items"
                batch.skipped.append(SkippedLine(number, number, kind, value or b""))
                continue
            tally.loaded += 1
            tally.more_rows += len(rows) - 1
            place = b"%b,%d,%b" % (front, message[0], write_envelope(message))
            for row in rows:
                batch.rows.append((number, place + row))
        return batch

    def _read_in_full(self, value: bytes | None) -> list[bytes] | None:
        """Return the rows of a value as COPY takes them, None for a tombstone that is skipped; raise `Unfit`."""
        text = self._decode(value)
        if text is None:
            return None
        rows = [write_copy_values(row).encode() for row in self._pick(text)]
        if self._shapes is not None and value is not None:
            self._shapes.learn(value)
        return rows


def write_envelope(message: Message) -> bytes:
    """Return key, headers and time of a message as COPY takes them, a comma behind each."""
    _, _, key, headers, timestamp_ms = message
    written = b""
    if key is not None:  # most keys are ids, which need no look at their characters
        written = b'"%b"' % key if key.isalnum() else write_copy_values([as_text(key)]).encode()
    sent_at = as_instant(timestamp_ms) or ""
    return b"%b,%b,%b," % (written, _copy_headers(headers) if headers else b"", sent_at.encode())


@lru_cache(maxsize=256)  # most messages have the same few headers
def _copy_headers(headers: Headers) -> bytes:
    return write_copy_values([write_headers(headers)]).encode()


def read_envelope(message: Message) -> tuple[str | None, str | None, str | None]:
    """Return key, headers as JSON, and time of a message, as SQL takes them."""
    key = None if message.key is None else as_text(message.key)
    return key, write_headers(message.headers) if message.headers else None, as_instant(message.timestamp_ms)


def as_text(value: bytes) -> str:
    r"""Return bytes as text; what is no text that PostgreSQL can keep as ``\x`` and hexadecimal digits."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "\\x" + value.hex()
    return "\\x" + value.hex() if "\0" in text else text


def as_instant(timestamp_ms: int | None) -> str | None:
    """Return the time of a message as SQL takes it; None where it is missing or not in the years 1 to 9999."""
    if timestamp_ms is None:
        return None
    seconds, rest_ms = divmod(timestamp_ms, 1000)
    second = _as_second(seconds)
    return None if second is None else f"{second}.{rest_ms:03}+00:00"


@lru_cache(maxsize=1024)
def _as_second(seconds: int) -> str | None:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except OverflowError:
        return None


def write_headers(headers: Headers) -> str:
    """Return the headers by their names as JSON; a name that is there several times has a list of its values."""
    found: dict[str, list[str | None]] = {}
    for name, value in headers:
        found.setdefault(as_text(name.encode()), []).append(None if value is None else as_text(value))
    merged = {name: values[0] if len(values) == 1 else values for name, values in found.items()}
    return json.dumps(merged, ensure_ascii=False)
