"""What the measures are called and mean: the metric definitions of the project, for page and documentation."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

DEFINITIONS = Path(__file__).parents[1] / "models" / "semantic"


@dataclass(frozen=True)
class Measure:
    """A metric: its name in queries, its name for people, and what it is."""

    name: str
    label: str
    description: str


@cache
def read_measures() -> dict[str, Measure]:
    """Return the metrics of the project by name, in their order."""
    found = {}
    for path in sorted(DEFINITIONS.glob("*.yml")):
        for metric in yaml.safe_load(path.read_text(encoding="utf-8")).get("metrics", ()):
            found[metric["name"]] = Measure(metric["name"], metric["label"], " ".join(metric["description"].split()))
    return found
