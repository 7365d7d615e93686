"""Write the commands into docs/reference/command-line.md from the command line itself; the text above them stays."""

from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from sales_warehouse.cli import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "command-line.md"

_NO_BRACES = str.maketrans("", "", "{}")  # around what is required


def write_reference() -> str:
    """Return the page: the commands under the panels of the help, each with its arguments and options."""
    commands = typer.main.get_group(app).commands.values()
    parts = [PAGE.read_text(encoding="utf-8").partition("\n## ")[0]]
    for panel, group in groupby(commands, key=lambda command: getattr(command, "rich_help_panel", None)):
        parts += [f"## {panel}\n", *(_describe(*one) for command in group for one in _list(command))]
    return "\n".join(parts)


def _list(command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a command with its name, or those of a group; the group itself if it can be called without one of them."""
    of_group = getattr(command, "commands", {})
    if not of_group or command.invoke_without_command:
        yield command.name, command
    for one in of_group.values():
        yield f"{command.name} {one.name}", one


def _describe(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=name)
    usage = " ".join(("warehouse", name, *command.collect_usage_pieces(context))).translate(_NO_BRACES)
    lines = [f"### warehouse {name}", "", f"`{usage}`", "", command.help]
    if records := [one.get_help_record(context) for one in command.params]:
        lines += ["", "| argument or option | meaning |", "|---|---|"]
        lines += [
            f"| `{name.replace('|', '/')}` | {escape(' '.join(text.split()), quote=False)} |" for name, text in records
        ]
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    PAGE.write_text(write_reference(), encoding="utf-8")
