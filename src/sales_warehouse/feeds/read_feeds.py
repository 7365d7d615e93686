"""Read the feeds from where dbt reads its sources: `models/**/_*__sources.yml`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed

# C, where the library has it: Python takes ten times as long.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_feeds(project: Path) -> tuple[Feed, ...]:
    """Return every declared feed of the dbt project at `project`, ordered by name.

    A source table is a feed when it has `external`. Raises `ConfigurationError` with all mistakes of a table, each
    with file, line, key and what is allowed.
    """
    feeds: list[Feed] = []
    seen: dict[tuple[str, str], Path] = {}
    for path in sorted((project / "models").rglob("*.y*ml")):
        for feed in _read_file(path, project):
            for kind, name in (("feed", feed.full_name), ("table", f"{feed.schema}.{feed.identifier}")):
                if (kind, name) in seen:
                    raise ConfigurationError(
                        f"{path.relative_to(project)}: {name} is declared already in "
                        f"{seen[kind, name].relative_to(project)}. Rename or remove one of the two."
                    )
                seen[kind, name] = path
            feeds.append(feed)
    if not feeds:
        raise ConfigurationError(
            f"No feed is declared below {project / 'models'}. docs/how-to/add-a-feed.md says how to declare one."
        )
    return tuple(sorted(feeds, key=lambda feed: feed.full_name))


def _read_file(path: Path, project: Path) -> Iterable[Feed]:
    shown = path.relative_to(project)
    try:
        content = path.read_bytes()
        if b"external" not in content and "sources" not in path.name:
            return  # no feed is declared here: most files describe models, and parsing them takes long
        text = content.decode()
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506  it is a safe one
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{shown}: not readable as YAML: {error}") from None
    for s, source in _mappings(document, "sources"):
        for t, table in _mappings(source, "tables"):
            if "external" not in table:
                continue
            try:
                yield validate_feed(source, table)
            except InvalidFeed as invalid:
                root = yaml.compose(text, Loader=_LOADER)
                name = f"{source.get('name')}.{table.get('name')}"
                told = [
                    f"{shown}:{_line_of(root, ('sources', s, 'tables', t, *path))}: {name}: {message}"
                    for path, message in invalid.mistakes.items()
                ]
                raise ConfigurationError("\n".join(told)) from None


def _mappings(value: Any, key: str) -> list[tuple[int, dict[Any, Any]]]:
    """Return the mappings of the list under a key, with their places; what has another shape is for dbt to refuse."""
    entries = value.get(key) if isinstance(value, dict) else None
    return [it for it in enumerate(entries if isinstance(entries, list) else ()) if isinstance(it[1], dict)]


def _line_of(node: yaml.Node | None, path: tuple[str | int, ...]) -> int:
    """Return the 1-based line of the deepest part of the path that the document has."""
    line = 1
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if pair[0].value == str(step)]
            if not pairs:
                break
            line = pairs[0][0].start_mark.line + 1
            node = pairs[0][1]
        else:
            break
    return line
