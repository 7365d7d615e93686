"""Write the files of a draft into the project, all of them or none."""

from dataclasses import dataclass
from pathlib import Path

from sales_warehouse.draft.evidence import Evidence
from sales_warehouse.draft.write_declaration import write_declaration
from sales_warehouse.draft.write_models import model_name, write_staging, write_typed, write_union, write_yaml
from sales_warehouse.errors import ConfigurationError

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
        raise ConfigurationError(f"{there[0]} is there already. Remove the earlier draft, or give the feed another name.")
    union = (project / UNION).read_text(encoding="utf-8")
    edited = {
        declaration: write_declaration(evidence, project / declaration),
        UNION: write_union(union, f"{name}_typed"),
    }
    texts = edited | models
    return Draft(texts, tuple(path for path in edited if (project / path).exists()))
