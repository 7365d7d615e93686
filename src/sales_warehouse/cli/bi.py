"""The command that writes files with which BI tools open the published marts."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sales_warehouse.cli.console import count, note
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.settings import get_settings

group = typer.Typer()


@group.command(rich_help_panel="Readers")
def bi(
    tool: Annotated[Literal["tableau", "powerbi"], typer.Argument(help="Which tool opens the files.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them; it is made if it is missing.")],
) -> None:
    """Write the files with which a BI tool opens the published marts, from the models; they hold no password."""
    from sales_warehouse.bi.read_marts import read_marts
    from sales_warehouse.bi.server_address import find_address
    from sales_warehouse.bi.write_powerbi import write_powerbi
    from sales_warehouse.bi.write_tableau import write_tableau

    settings = get_settings()
    address = find_address(settings)
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if tool == "powerbi":
        note(f"Open it with Power BI: {write_powerbi(address, folder)}")
    else:
        paths = write_tableau(read_marts(settings), address, folder)
        note(f"Wrote {count(len(paths), 'data source')} of Tableau below {folder}")
