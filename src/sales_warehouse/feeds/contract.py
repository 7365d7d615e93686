"""What the sender of a feed's files is held to: which columns must come, under which names, and control figures."""

import re
from dataclasses import dataclass
from functools import cached_property

from sales_warehouse.feeds.invalid import Invalid, check_pattern
from sales_warehouse.feeds.name_file import without_compression
from sales_warehouse.feeds.normalise import normalise_header

NEW_COLUMN = ("add", "ignore", "refuse")
RECORDS = "records"  # the group of a control pattern that is no column: the number of records
DECIMAL_MARKS = (".", ",")

_CONTROL = "external.options.control"
_SIDE_FILE_PARTS = re.compile(r"\{(name|stem)\}")
_EXAMPLE = r"^T;(?P<records>\d+);(?P<amount>[-0-9.]+)$"


@dataclass(frozen=True)
class Control:
    """Where a delivery's expected figures stand: in its trailer line, or in a control file beside it."""

    pattern: str  # a regular expression; its groups are `records` and declared columns, whose values are summed
    file: str | None = None  # name of the control file with {name} or {stem} in it; None: the figures are in a trailer
    decimal: str = "."  # one of DECIMAL_MARKS, in the figures and in the summed values

    def __post_init__(self) -> None:
        key = f"{_CONTROL}.{'trailer' if self.file is None else 'pattern'}"
        if not check_pattern(key, self.pattern, _EXAMPLE).groupindex:
            raise Invalid(key, f"{self.pattern!r} names no figure", f"named groups, such as {_EXAMPLE}")
        if self.file is not None:
            rest = _SIDE_FILE_PARTS.sub("", self.file)
            if rest == self.file or not rest or re.search(r"[/\\{}\0]", rest):
                raise Invalid(
                    f"{_CONTROL}.file",
                    f"{self.file!r} is no name beside each delivery",
                    "{name} (the delivery's name) or {stem} (without its suffixes) and more, such as '{name}.ctl'",
                )
        if self.decimal not in DECIMAL_MARKS:
            raise Invalid(f"{_CONTROL}.decimal", f"{self.decimal!r} is no decimal mark", "'.' or ','")

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The names of the expected figures: `RECORDS` and columns."""
        return tuple(re.compile(self.pattern).groupindex)

    def side_file_of(self, name: str) -> str:
        """Return the name of the control file of the delivery called `name`, for a control that stands in a file."""
        assert self.file is not None
        plain = without_compression(name)
        parts = {"name": name, "stem": plain.rpartition(".")[0] or plain}
        return _SIDE_FILE_PARTS.sub(lambda found: parts[found[1]], self.file)


@dataclass(frozen=True)
class Contract:
    """Which columns a file must have, what they may be called, what becomes of others, and the figures it states."""

    optional: tuple[str, ...] = ()  # declared columns a file may lack
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # declared columns and other header texts that mean them
    on_new_column: str = "add"  # one of NEW_COLUMN: what happens to a column that is not declared
    control: Control | None = None

    def __post_init__(self) -> None:
        if self.on_new_column not in NEW_COLUMN:
            raise Invalid(
                "external.options.on_new_column", f"{self.on_new_column!r} is not known", ", ".join(NEW_COLUMN)
            )

    @cached_property
    def meanings(self) -> dict[str, str]:
        """The declared column each alias means, by the normalised alias."""
        return {normalise_header(text): column for column, texts in self.aliases for text in texts}

    def check(self, columns: tuple[str, ...]) -> None:
        """Raise `Invalid` where the contract does not fit the declared columns of its feed."""
        for column in self.optional:
            if column not in columns:
                raise Invalid(
                    "external.options.optional", f"{column!r} is no declared column", f"some of {', '.join(columns)}"
                )
        if len(set(self.optional)) == len(columns):
            raise Invalid(
                "external.options.optional",
                "no column is left that a file must have",
                "all but one of the columns at most: otherwise any file would fit",
            )
        self._check_aliases(columns)
        for figure in self.control.figures if self.control else ():
            if figure not in (RECORDS, *columns):
                raise Invalid(
                    f"{_CONTROL}.{'trailer' if self.control and self.control.file is None else 'pattern'}",
                    f"the group {figure!r} is no declared column",
                    f"{RECORDS} (their number), or a column whose values are summed: {', '.join(columns)}",
                )

    def _check_aliases(self, columns: tuple[str, ...]) -> None:
        seen: dict[str, str] = {}
        for column, texts in self.aliases:
            key = f"external.options.aliases.{column}"
            if column not in columns:
                raise Invalid(key, "is no declared column", ", ".join(columns))
            for text in texts:
                name = normalise_header(text)
                if not name:
                    raise Invalid(key, f"{text!r} holds no letter or digit", "header texts such as [Order No]")
                if name in columns:
                    raise Invalid(key, f"{text!r} is the declared column {name}", "other header texts")
                if name in seen:
                    raise Invalid(key, f"{text!r} is an alias of {seen[name]} already", "each header text once")
                seen[name] = column
