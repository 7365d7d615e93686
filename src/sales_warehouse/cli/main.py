"""Run a command of `warehouse`, and end the process with its exit code."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import psycopg2
import typer
from psycopg2 import errors
from rich.markup import escape

from sales_warehouse import __version__
from sales_warehouse.cli import (
    bi,
    broker,
    daily,
    demo,
    erasures,
    feed,
    files,
    lake,
    lineage,
    live,
    readers,
    rejects,
    set_up,
    spark,
    stream,
)
from sales_warehouse.cli.console import err, log_error, out
from sales_warehouse.error_log import log_instead_of_print, log_unexpected
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.load.retry import is_transient

app = typer.Typer(
    name="warehouse",
    help="Sales files become tested dbt marts in PostgreSQL: every line accounted for, every cent reconciled.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# in the order of the help
for module in (
    daily,
    feed,
    stream,
    broker,
    demo,
    files,
    rejects,
    erasures,
    lineage,
    readers,
    bi,
    live,
    lake,
    set_up,
    spark,
):
    app.add_typer(module.group)

_INTERRUPTED = 130  # exit code after Ctrl-C, in Typer as in shells

_OUT_OF_MEMORY = (
    b"error: out of memory. What was committed stays; nothing is half done. "
    b"Give the process more memory, then run the same command again.\n"
)

# old spelling (a command, or an option of it): the command that replaces it
_REPLACED = {
    ("bench", ""): "make bench",
    ("explain", "--between"): "warehouse changes N M",
    ("explain", "--inbox"): "WAREHOUSE_INBOX=DIR warehouse explain …",
    ("load", "--restore"): "warehouse restore FILE",
    ("rejects", "--export"): "warehouse export FILE PATH",
    ("status", "--feeds"): "warehouse feeds",
}


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Show help when no command is given."""
    if version:
        out.print(__version__)
        raise typer.Exit


def run(arguments: list[str] | None = None) -> None:
    """Run the command and end the process: 0 done, 1 needs a person, 2 wrong usage, 3 server not reachable."""
    log_instead_of_print()
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")  # a name of a file may not fit the terminal's encoding
    try:
        _refuse_old_spelling(sys.argv[1:] if arguments is None else arguments)
        app(arguments, prog_name="warehouse")
    except WarehouseError as error:
        _end(str(error), error.exit_code)
    except psycopg2.Error as error:
        _end(*explain_database_error(error))
    except MemoryError:
        # as bytes, straight to the descriptor: there may be no memory for more
        os.write(2, _OUT_OF_MEMORY)
        sys.exit(1)
    except Exception as error:
        during = " ".join(["warehouse", *(sys.argv[1:] if arguments is None else arguments)])
        _end(f"an error that the program does not expect: {log_unexpected(error, during)}", 1)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            err.print("Stopped. The files that were finished are in the ledger; the current file is rolled back.")
        raise


def explain_database_error(error: psycopg2.Error) -> tuple[str, int]:
    """Return the message for a person and the exit code: 3 if the command may succeed later, else 1."""
    said = str(error).strip()
    if isinstance(error, errors.DiskFull):
        return (
            f"the disk of the server is full: {said}\n"
            "The current file was rolled back; the files before it are in the ledger. "
            "Make room where the server keeps its data (`warehouse status` names the folder of the embedded one), "
            "then run the same command again.",
            1,
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            f"the login lacks a right for this: {said}\n"
            "docs/how-to/set-up-a-server.md lists the roles of the commands, and how a DBA grants one to a login.",
            1,
        )
    if is_transient(error):
        return (
            f"the server went away or refused: {said}\n"
            "What was committed stays; nothing is half done. Run the same command again, "
            "or `warehouse status` to see how the server is.",
            3,
        )
    return said, 1


def _refuse_old_spelling(arguments: Sequence[str]) -> None:
    for (command, option), new in _REPLACED.items():
        given = [argument.partition("=")[0] for argument in arguments]
        if given[:1] == [command] and (not option or option in given):
            raise ConfigurationError(f"`{f'warehouse {command} {option}'.strip()}` is replaced by `{new}`.")


def _end(message: str, code: int) -> None:
    if not log_error(message, code):
        err.print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)
    sys.exit(code)
