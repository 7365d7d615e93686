"""Write docs/reference/command-line.md from the command line itself."""

from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from sales_warehouse.cli import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "command-line.md"

_NO_BRACES = str.maketrans("", "", "{}")  # around what is required

HEAD = """\
# Command line

<!-- Written by scripts/write_command_reference.py from the command line itself; do not edit. -->

`warehouse COMMAND --help` prints the same for one command, `warehouse --version` the version.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | done, but something needs a person: a refused file, a failing test, a difference |
| 2 | wrong usage or configuration |
| 3 | the server cannot be reached |
| 130 | stopped with Ctrl-C; finished files are in the ledger, the current file is rolled back |

Tables are never wider than the terminal: columns are folded or left out, and a message
names those. In a pipe they are complete.
"""


def write_reference() -> str:
    """Return the page: the commands under the panels of the help, each with its arguments and options."""
    commands = typer.main.get_group(app).commands.values()
    parts = [HEAD]
    for panel, group in groupby(commands, key=lambda command: getattr(command, "rich_help_panel", None)):
        parts += [f"## {panel}\n", *map(_describe, group)]
    return "\n".join(parts)


def _describe(command: Any) -> str:
    context = typer.Context(command, info_name=command.name)
    usage = " ".join(("warehouse", command.name, *command.collect_usage_pieces(context))).translate(_NO_BRACES)
    lines = [f"### warehouse {command.name}", "", f"`{usage}`", "", command.help]
    if records := [one.get_help_record(context) for one in command.params]:
        lines += ["", "| argument or option | meaning |", "|---|---|"]
        lines += [
            f"| `{name.replace('|', '/')}` | {escape(' '.join(text.split()), quote=False)} |" for name, text in records
        ]
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(write_reference(), encoding="utf-8")
