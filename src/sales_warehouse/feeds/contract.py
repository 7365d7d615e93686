"""The agreement with the sender of a feed's files: which columns come, under which names, and control figures."""

import re
from dataclasses import dataclass
from functools import cached_property

from sales_warehouse.feeds.name_file import without_compression
from sales_warehouse.feeds.normalise import normalise_header

RECORDS = "records"  # the group of a control pattern that is no column: the number of records

SIDE_FILE_PARTS = re.compile(r"\{(name|stem)\}")


@dataclass(frozen=True)
class Control:
    """Where a delivery's expected figures are: in its trailer line, or in a control file beside it."""

    pattern: str  # a regular expression; its groups are `records` and declared columns, whose values are summed
    file: str | None = None  # name of the control file with {name} or {stem} in it; None: the figures are in a trailer
    decimal: str = "."  # or ",": the decimal mark of the figures and of the summed values

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """The names of the expected figures: `RECORDS` and columns."""
        return tuple(re.compile(self.pattern).groupindex)

    def side_file_of(self, name: str) -> str:
        """Return the name of the control file of the delivery called `name`; only for a control with `file`."""
        assert self.file is not None
        plain = without_compression(name)
        parts = {"name": name, "stem": plain.rpartition(".")[0] or plain}
        return SIDE_FILE_PARTS.sub(lambda found: parts[found[1]], self.file)


@dataclass(frozen=True)
class Contract:
    """How a feed handles missing, renamed and new columns, and the figures a delivery must agree with."""

    optional: tuple[str, ...] = ()  # declared columns that a file may lack
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # declared columns and other header texts that mean them
    on_new_column: str = "add"  # or "ignore" or "refuse": how a column that is not declared is handled
    control: Control | None = None

    @cached_property
    def meanings(self) -> dict[str, str]:
        """The declared column each alias means, by the normalised alias."""
        return {normalise_header(text): column for column, texts in self.aliases for text in texts}
