"""Run commands of this checkout on a database of a benchmark."""

import os
import subprocess
import sys
import time
from pathlib import Path

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.server.profiles import PROFILES_FILE, render
from sales_warehouse.settings import Settings

_BIN = Path(sys.executable).parent


class Commands:
    """Runs `warehouse` on one database of the settings' server, with a home below a folder and its inbox."""

    def __init__(self, settings: Settings, database: str, folder: Path) -> None:
        home = folder / database
        home.mkdir(exist_ok=True)
        # the profile of the embedded server names its database, whatever PGDATABASE says
        (home / PROFILES_FILE).write_text(render(None), encoding="utf-8")
        self._project = settings.project
        self._environment = os.environ | server.environment(settings)
        self._environment |= {"PGDATABASE": database, "WAREHOUSE_HOME": str(home)}
        self._environment |= {"WAREHOUSE_INBOX": str(folder / "inbox"), "WAREHOUSE_PROJECT": str(settings.project)}
        self._environment |= {"DBT_TARGET_PATH": str(home / "target"), "DBT_LOG_PATH": str(home / "logs")}
        self._environment["DBT_PROFILES_DIR"] = str(home)
        if settings.kafka_servers:
            self._environment["KAFKA_BOOTSTRAP_SERVERS"] = settings.kafka_servers

    def run(self, *arguments: str, may_need_a_person: bool = False) -> float:
        """Run a command to its end; return its seconds. Raises `WarehouseError` when it fails."""
        started = time.monotonic()
        process = self.start(*arguments)
        printed, _ = process.communicate()
        if process.returncode and not (may_need_a_person and process.returncode == 1):
            raise WarehouseError(f"The benchmark is broken: {' '.join(arguments)} failed.\n{printed}")
        return time.monotonic() - started

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [str(_BIN / "warehouse"), *arguments],
            cwd=self._project,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
