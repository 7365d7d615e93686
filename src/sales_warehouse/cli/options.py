"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Inbox = Annotated[Path | None, typer.Option(help="Folder of the deliveries; default WAREHOUSE_INBOX.")]
FileName = Annotated[str, typer.Argument(metavar="FILE", help="Id of a file, or its path below the inbox.")]
FeedName = Annotated[str | None, typer.Option("--feed", help="Only this feed: <source>.<feed>.")]
Settle = Annotated[float, typer.Option(help="Seconds since the last change of a file; 0 loads every file at once.")]
Workers = Annotated[
    int,
    typer.Option(min=1, max=32, show_default="one a core, at most 2", help="Load at most so many files at once."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing unless a person must act.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, help="Print at most so many rows.")]
