"""Write the files of a draft into the project, all of them or none."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from sales_warehouse.draft.evidence import Evidence
from sales_warehouse.draft.write_declaration import write_declaration
from sales_warehouse.draft.write_models import model_name, write_staging, write_typed, write_union, write_yaml
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed

UNION = Path("models/intermediate/sales/int_sales__lines_unioned.sql")


@dataclass(frozen=True)
class Draft:
    """The files of a draft, with their paths below the project, and those among them that were there before."""

    texts: dict[Path, str]
    changed: tuple[Path, ...]


def write_draft(evidence: Evidence, project: Path) -> Draft:
    """Write declaration, models, YAML and the line of the union. Raises `ConfigurationError` if a model is there."""
    draft = compose_draft(evidence, project)
    for path, text in draft.texts.items():
        target = project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return draft


def compose_draft(evidence: Evidence, project: Path) -> Draft:
    """Return the files without writing them."""
    source, name = evidence.feed.source, model_name(evidence)
    folder = Path("models/staging") / source
    declaration = folder / f"_{source}__sources.yml"
    models = {
        folder / f"{name}.sql": write_staging(evidence),
        folder / f"{name}.yml": write_yaml(evidence),
        folder / f"{name}_typed.sql": write_typed(evidence),
    }
    there = [path for path in models if (project / path).exists()]
    if there:
        raise ConfigurationError(
            f"{there[0]} is there already. Remove the earlier draft, or give the feed another name."
        )
    union = (project / UNION).read_text(encoding="utf-8")
    edited = {
        declaration: write_declaration(evidence, project / declaration),
        UNION: write_union(union, f"{name}_typed"),
    }
    _assert_valid(edited[declaration], evidence)
    texts = edited | models
    return Draft(texts, tuple(path for path in edited if (project / path).exists()))


def _assert_valid(declaration: str, evidence: Evidence) -> None:
    """Raise `ConfigurationError` if the loader would not take the declaration, which would stop every command."""
    for source in yaml.safe_load(declaration)["sources"]:
        for table in source["tables"]:
            if (source["name"], table["name"]) == (evidence.feed.source, evidence.feed.name):
                try:
                    validate_feed(source, table)
                except InvalidFeed as invalid:
                    raise ConfigurationError(f"The samples give no declaration that can be used: {invalid}") from None
