"""Write tables of benchmarks into a page of the docs."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from sales_warehouse.errors import ConfigurationError


def write_marked(path: Path, name: str, lines: Sequence[str]) -> None:
    """Write lines into a page between the markers of a name. Raises `ConfigurationError` when it has none."""
    first, last = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    before, start, rest = path.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not end:
        raise ConfigurationError(f"{path} has no lines {first} and {last} around the table.")
    path.write_text(before + start + "\n" + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


def draw_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def show_range(values: Sequence[float], digits: int) -> str:
    """Return median and range, such as `3 (2 to 4)`; nothing without values."""
    if not values:
        return ""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
