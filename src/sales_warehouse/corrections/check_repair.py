"""Compare the repaired text of a file's rejects with the rejects in the ledger."""

from dataclasses import dataclass

from sales_warehouse.corrections.mark_rejects import MarkedText, RejectText
from sales_warehouse.corrections.repaired_records import NotSound, RecordReader, RepairedRecord
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.load.outcome import FileRefused

_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Problem:
    """Why a repaired file cannot be replayed; `row_number` is None in front of the records."""

    line_number: int
    row_number: int | None
    reason: str
    detail: str

    def __str__(self) -> str:
        row = "" if self.row_number is None else f"row {self.row_number}: "
        return f"line {self.line_number}: {row}{self.reason}: {self.detail}"


class Repair:
    """The repaired text of one file's rejects: the records to load, the unchanged ones, and all problems."""

    def __init__(self, feed: Feed, text: RejectText, rejects: dict[int, Reject], data: bytes) -> None:
        """Raises `FileRefused` when the file's own head cannot be read as the feed is declared now."""
        self._feed, self._text, self._rejects = feed, text, rejects
        self.problems: list[Problem] = []
        self.records: list[RepairedRecord] = []
        self.unchanged: list[int] = []  # row numbers
        head, marked = text.split(data)
        if not marked:
            self._add(1, None, "no_mark", self._describe_no_mark())
            return
        self._reader = RecordReader(feed, text.head)
        self._check_head(head, self._reader.header.texts)
        lines: dict[int, int] = {}
        for it in marked:
            if it.row_number in lines and it.row_number in rejects:
                self._add(it.line_number, it.row_number, "row_twice", f"it is at line {lines[it.row_number]} already")
            else:
                self._check(it, rejects.get(it.row_number))
            lines.setdefault(it.row_number, it.line_number)
        self.records.sort(key=lambda record: record.row_number)
        self.unchanged.sort()

    def _check_head(self, found: str, expected: list[str]) -> None:
        """Check that the text in front of the first mark is the header of the file."""
        try:
            theirs = RecordReader(self._feed, found)
            header, more = theirs.header.texts, theirs.has_more()
        except FileRefused as error:
            self._add(1, None, "header", str(error))
            return
        while header and not header[-1]:
            header.pop()  # a spreadsheet writes all rows with the same number of fields
        if header != expected:
            was, now = ", ".join(expected)[:1000], ", ".join(header)[:1000]
            self._add(1, None, "header", f"it was changed from {was} to {now}; the columns of a file must stay")
        elif more:
            self._add(1, None, "unmarked", "a record is in front of the first line that marks one")

    def _check(self, it: MarkedText, reject: Reject | None) -> None:
        """Add the record to those it belongs to, or the problem."""
        if reject is None:
            self._add(it.line_number, it.row_number, "unknown_row", "the file has no reject of this row number")
        elif reject.replayed_as is not None:
            self._add(it.line_number, it.row_number, "replayed_already", "remove it and the line of its mark")
        elif self._is_unchanged(it, reject):
            self.unchanged.append(it.row_number)
        elif not it.text:
            detail = "the text below its mark is empty; remove the mark too, and the record stays a reject"
            self._add(it.line_number, it.row_number, "no_record", detail)
        elif it.error:
            self._add(it.line_number, it.row_number, "encoding", it.error)
        elif _REPLACEMENT in it.text and _REPLACEMENT not in decode_raw(reject.raw, self._text.encoding):
            detail = (
                f"it has {_REPLACEMENT}, which an editor writes for bytes it cannot read; write the right character"
            )
            self._add(it.line_number, it.row_number, "encoding", detail)
        else:
            record = RepairedRecord(it.row_number, it.text)
            try:
                self._reader.read(record)
            except NotSound as error:
                self._add(it.line_number, it.row_number, error.reason, error.detail)
            else:
                self.records.append(record)

    def _is_unchanged(self, it: MarkedText, reject: Reject) -> bool:
        texts = it.text, decode_raw(reject.raw, self._text.encoding)
        now, then = (text.replace("\r\n", "\n") for text in texts)  # editors write one for the other
        if it.is_padded:
            now, then = self._text.strip_padding(now), self._text.strip_padding(then)
        return now == then

    def _describe_no_mark(self) -> str:
        return (
            f"no line says which reject it is about, such as {self._text.mark_of(next(iter(self._rejects.values())))}. "
            f"Export the rejects again, and save them as {self._text.dialect.encoding}"
        )

    def _add(self, line_number: int, row_number: int | None, reason: str, detail: str) -> None:
        self.problems.append(Problem(line_number, row_number, reason, detail))
