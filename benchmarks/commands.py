"""Run commands of a checkout on a database of a benchmark."""

import os
import subprocess
import sys
import time
from pathlib import Path

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.server.profiles import PROFILES_FILE
from sales_warehouse.settings import Settings


class Commands:
    """Runs programs of a checkout on one database of the settings' server, with a home below a folder and its inbox.

    The checkout is this one, or another `project` that `make install` installed.
    """

    def __init__(self, settings: Settings, database: str, folder: Path, project: Path | None = None) -> None:
        home = folder / database
        home.mkdir(exist_ok=True)
        self._project = project or settings.project
        self._bin = project / ".venv" / "bin" if project else Path(sys.executable).parent
        # the profile of the embedded server names its database, whatever PGDATABASE says
        profiles = (self._project / f"{PROFILES_FILE}.example").read_text(encoding="utf-8")
        (home / PROFILES_FILE).write_text(profiles, encoding="utf-8")
        self.target = home / "target"
        self._environment = os.environ | server.environment(settings)
        self._environment |= {"PGDATABASE": database, "WAREHOUSE_HOME": str(home)}
        self._environment |= {"WAREHOUSE_INBOX": str(folder / "inbox"), "WAREHOUSE_PROJECT": str(self._project)}
        self._environment |= {"DBT_TARGET_PATH": str(self.target), "DBT_LOG_PATH": str(home / "logs")}
        # the published target has another name in checkouts before 2026-11-28
        target = "prod" if "\n    prod:\n" in profiles else "shared"
        self._environment |= {"DBT_PROFILES_DIR": str(home), "DBT_TARGET": target}
        self._environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        if settings.kafka_servers:
            self._environment["KAFKA_BOOTSTRAP_SERVERS"] = settings.kafka_servers

    def run(self, *arguments: str, program: str = "warehouse", may_need_a_person: bool = False) -> float:
        """Run a command to its end; return its seconds. Raises `WarehouseError` when it fails."""
        started = time.monotonic()
        process = self.start(*arguments, program=program)
        printed, _ = process.communicate()
        if process.returncode and not (may_need_a_person and process.returncode == 1):
            raise WarehouseError(f"The benchmark is broken: {' '.join(arguments)} failed.\n{printed}")
        return time.monotonic() - started

    def build(self, *arguments: str) -> float:
        """Run `dbt build` of the published target without unit tests, as `warehouse build` does; return its seconds."""
        return self.run("build", "--quiet", "--exclude-resource-type", "unit_test", *arguments, program="dbt")

    def start(self, *arguments: str, program: str = "warehouse") -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [str(self._bin / program), *arguments],
            cwd=self._project,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
