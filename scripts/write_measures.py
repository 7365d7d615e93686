"""Write docs/reference/measures.md from the metric definitions in models/semantic/."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "reference" / "measures.md"
sys.path.insert(0, str(PROJECT))

from page.measures import read_measures  # noqa: E402  after the path

_HEAD = """\
# Measures

What the measures of sales mean, from their definitions in `models/semantic/`. The readers' page shows the same texts,
and [`warehouse mf query`](../how-to/query-metrics.md) computes each by its name. `scripts/write_measures.py` writes
this page.

| measure | name | what it is |
|---|---|---|
"""


def write_measures() -> str:
    """Return the text of the page."""
    return _HEAD + "".join(f"| {one.label} | `{one.name}` | {one.description} |\n" for one in read_measures().values())


if __name__ == "__main__":
    PAGE.write_text(write_measures(), encoding="utf-8")
