"""Start Dagster's webserver, sensors and schedules: `python -m sales_warehouse.orchestration.serve`."""

import os
import signal
import sys
from importlib.resources import files
from pathlib import Path

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.grants.write_grants import set_up
from sales_warehouse.settings import Settings, get_settings

HOST = "127.0.0.1"
MODULE = "sales_warehouse.orchestration.definitions"


def write_instance(settings: Settings) -> Path:
    """Return the folder of Dagster's state in the home; write the default dagster.yaml into it if there is none."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dagster.yaml"
    if not path.exists():
        path.write_bytes((files("sales_warehouse.orchestration") / path.name).read_bytes())
    return folder


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables Dagster's processes run with."""
    return os.environ | {
        "DAGSTER_HOME": str(write_instance(settings)),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def main(arguments: list[str]) -> None:
    """Start the server, then run `dagster dev` in this process, with further arguments such as `--port 3001`."""
    settings = get_settings()
    server.up(settings)
    set_up(settings, "warehouse dagster")
    if isinstance(settings.inbox, Path):
        settings.inbox.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "--host", HOST, "--module-name", MODULE]
    # a shell starts background jobs with both signals ignored, and Dagster would inherit that
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
    os.chdir(settings.project)
    os.execve(command[0], [*command, *arguments], environment(settings))  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except WarehouseError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
