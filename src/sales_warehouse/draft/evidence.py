"""What was seen in sample files. Nothing here decides: a question says what a person must, and by which evidence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile

AMOUNT_SCALE = 6  # decimals of amount_type in dbt_project.yml


@dataclass(frozen=True)
class Question:
    """What a person must decide: the key it is about, the choices and their evidence, and where the answer goes."""

    about: str  # such as `encoding`, or a column
    text: str


@dataclass(frozen=True)
class Fact:
    """One thing that was seen, such as the delimiter, and by what."""

    name: str
    value: str
    evidence: str = ""


@dataclass(frozen=True)
class Form:
    """A form of writing values, such as a date format or marks of numbers, and how many filled rows have it."""

    name: str
    rows: int
    example: str = ""  # a value that does not have it


@dataclass(frozen=True)
class Column:
    """A column of the samples: its header, how it is filled, and the forms of its values."""

    header: str
    name: str  # of the raw column
    filled: int
    distinct: int
    longest: int
    examples: tuple[str, ...] = ()
    numbers: tuple[Form, ...] = ()  # those that fit most rows first
    dates: tuple[Form, ...] = ()
    scale: int = 0  # the most digits behind the decimal mark, zeros at the end not counted
    currency_signs: tuple[str, ...] = ()
    personal: str = ""  # why its values look personal: `e-mail addresses`
    is_code: bool = False  # numbers with leading zeros
    trailing_minus: int = 0  # rows with the minus behind the number

    @property
    def is_number(self) -> bool:
        """Say whether every filled row has one of the forms of numbers."""
        return bool(self.filled and self.numbers and self.numbers[0].rows == self.filled)

    @property
    def is_integer(self) -> bool:
        """Say whether every filled row is a whole number without marks."""
        return self.is_number and self.numbers[0].name == INTEGER

    @property
    def is_date(self) -> bool:
        """Say whether nearly every filled row is a date in one of the forms."""
        return bool(self.filled and self.dates and self.dates[0].rows >= NEARLY_ALL * self.filled)


BLANKS = " \t\r\n\u00a0"  # what `trimmed` removes
INTEGER = "integer"
NEARLY_ALL = 0.95  # a column of dates may have some wrong ones


@dataclass(frozen=True)
class Records:
    """The records of all samples by column, without blank ones and repeated headers, and the counts of these."""

    headers: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]  # one tuple a column, all as long
    files: tuple[tuple[str, int], ...]  # each name with the number of its records
    blank: int = 0
    repeated_headers: int = 0
    totals: int = 0  # records that look like sums of others
    rejects: tuple[str, ...] = ()  # reason and detail of the first of them
    rejected: int = 0
    is_cut: bool = False  # the samples have more records than are looked at

    @property
    def count(self) -> int:
        """The number of records looked at."""
        return sum(count for _, count in self.files)


class Call(str):
    """A call of a macro, which is written without quotes."""

    __slots__ = ()


# A column of the staging model, with the keys of `staging_model`.
Entry = dict[str, str | int | list[str]]


@dataclass
class Evidence:
    """All that was seen in the samples of one feed."""

    feed: Feed  # the declaration that reads the samples, with the options that are certain
    facts: list[Fact] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)  # of the raw columns among the records' columns
    roles: dict[str, list[str]] = field(default_factory=dict)  # canonical column: columns that may be it, best first
    questions: list[Question] = field(default_factory=list)
    records: Records = Records((), (), ())
    plan: list[Entry] = field(default_factory=list)  # of the staging model
    ways: list[tuple[Feed, list[InboxFile]]] = field(default_factory=list)  # samples that are read in another way

    def ask(self, about: str, text: str) -> None:
        """Add what a person must decide."""
        self.questions.append(Question(about, text))

    def see(self, name: str, value: str, evidence: str = "") -> None:
        """Add a fact."""
        self.facts.append(Fact(name, value, evidence))

    def values(self, name: str) -> tuple[str | None, ...]:
        """Return the values of a column of the raw table."""
        return self.records.values[self.places[name]]

    def counts(self, name: str) -> Counter[str]:
        """Return the rows of each distinct value of a column, trimmed."""
        return Counter(text.strip(BLANKS) for text in self.values(name) if text and text.strip(BLANKS))

    def column(self, name: str) -> Column:
        """Return a column by its name in the raw table."""
        return next(column for column in self.columns if column.name == name)


def list_some(texts: Sequence[str], most: int = 4, characters: int = 40) -> str:
    """Return the first texts, shortened, and how many more there are."""
    shown = [text if len(text) <= characters else f"{text[:characters]}…" for text in texts[:most]]
    return ", ".join(shown) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")
