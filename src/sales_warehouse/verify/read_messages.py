"""Read the messages of a segment a second time, as the ledger keeps them, or as the cluster still has them."""

import csv
from collections.abc import Iterator, Sequence

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.stream.decode import choose_decoder
from sales_warehouse.stream.messages import NO_DIGEST, Message, add_digests, digest_of
from sales_warehouse.verify.read_objects import ObjectRules, make_record, write_as_jsonb
from sales_warehouse.verify.records import CannotRead, NotComparable, Record, RejectPlace, SecondReading, Values


class MessageReading(SecondReading):
    """The messages of a segment, read a second time; `digest` is theirs at the end."""

    def __init__(self, batches: Iterator[Sequence[Message]], feed: Feed, rejects: Iterator[Reject]) -> None:
        super().__init__(feed, rejects)
        self._batches = batches
        self.digest = NO_DIGEST
        self._decode = choose_decoder(feed)
        self._rules = ObjectRules(feed)
        self._is_text = feed.file_format == "csv"
        if self._is_text and (feed.dialect.escape or feed.dialect.stray_quotes != "reject" or feed.dialect.null_text):
            raise NotComparable("no other library reads delimited text of this dialect")
        self.columns = feed.columns if self._is_text else self._rules.columns
        self.normal_forms = {} if self._is_text else {"_extra": write_as_jsonb}

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give the messages in the order of their offsets."""
        for messages in self._batches:
            self.digest = add_digests(self.digest, digest_of(messages))
            for message in messages:
                self.row_number += 1
                yield self._read(message)

    def _read(self, message: Message) -> Record | RejectPlace:
        number, value = self.row_number, message.value or b""
        if self.reject is not None and self.reject.row_number == number:
            reject = self.take_reject()
            is_here = reject.byte_offset == message.offset
            fits = self._is_text or message.value is None or self._rules.can_be(reject, "utf-8")
            return RejectPlace(reject, number, number, value if is_here else None, fits)
        try:
            text = self._decode(message.value)
        except Exception as error:
            raise CannotRead(number, f"cannot be decoded: {error}") from None
        if text is None:
            return Record(number, number, "", None, "tombstone", value)
        return make_record(number, number, text, value, self.parse_rows(text))

    def parse(self, text: str) -> Values:
        """Return the values of the first row of one message by itself. Raises `CannotRead`."""
        return self.parse_rows(text)[0]

    def parse_rows(self, text: str) -> list[Values]:
        """Return the values of each row of one message by itself. Raises `CannotRead`."""
        if not self._is_text:
            return self._rules.parse_rows(text)
        dialect = self.feed.dialect
        rows = list(csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote or None, strict=True))
        if len(rows) != 1 or len(rows[0]) != len(self.feed.columns):
            raise CannotRead(self.row_number, "not one record of the declared columns")
        return [[value or None for value in rows[0]]]
