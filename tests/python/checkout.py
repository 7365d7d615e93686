"""A scratch copy of the dbt project, with its own warehouse home, used through the commands of a user."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.settings import Settings
from warm_commands import is_warm, put_programs, run_warm

PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# builds leave unit tests out, which take most of their time, but where these variables are set
WITH_UNIT_TESTS = {"DBT_EXCLUDE_RESOURCE_TYPES": ""}
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
DBT_PARTS = ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests/dbt")


def name_server(settings: Settings) -> dict[str, str]:
    """Return the variables that select a server and a home."""
    external = settings.external
    assert external is not None
    return {
        "WAREHOUSE_HOME": str(settings.home), "PGHOST": external.host, "PGPORT": str(external.port),
        "PGUSER": external.user, "PGPASSWORD": external.password, "PGDATABASE": external.database,
    }  # fmt: skip


@dataclass
class Checkout:
    """The folder in which commands run, and the variables that select its server."""

    project: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def copy_to(cls, folder: Path, **variables: str) -> "Checkout":
        """Copy the dbt project to `folder`; a test may edit the copy."""
        for part in DBT_PARTS:
            source, target = PROJECT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        return cls(folder, variables)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: this process's, without the user's settings of these tools."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "WAREHOUSE_", "DBT_", "KAFKA_", "SCHEMA_REGISTRY_", "SPARK_"))
        }
        # the debug log costs dbt a twentieth of its time, and only one test reads it
        quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_LEVEL_FILE": "none"}
        quiet |= {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"}
        home = self.variables.get("WAREHOUSE_HOME")
        # as `warehouse up` prints for a home that is not in the project
        profile = {"DBT_PROFILES_DIR": home} if home and "PGHOST" not in self.variables else {}
        return kept | quiet | profile | {"WAREHOUSE_PROJECT": str(self.project)} | self.variables

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the installed commands; with `check`, fail with its output if its exit code is not 0."""
        if is_warm(command, self.variables):
            done = run_warm(command, self.project, self.environment)
        else:
            done = subprocess.run(
                [BIN / command[0], *command[1:]],
                cwd=self.project,
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *command: str, cold: bool = False) -> "subprocess.Popen[str]":
        """Start one of the installed commands and return at once; only a cold one receives signals."""
        programs = BIN if cold or not is_warm(command, self.variables) else put_programs()
        return subprocess.Popen(
            [programs / command[0], *command[1:]],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def connect(self) -> Connection:
        """Return a plain connection, which the caller closes."""
        variables = self.variables
        return psycopg2.connect(
            host=variables["PGHOST"], port=variables["PGPORT"], user=variables["PGUSER"],
            password=variables["PGPASSWORD"], dbname=variables["PGDATABASE"],
        )  # fmt: skip

    def warehouse(self, *arguments: str) -> str:
        """Run `warehouse` and return its output."""
        return self.run("warehouse", *arguments).stdout

    def load(self, inbox: Path) -> dict[str, Any]:
        """Load an inbox with a settle time of 0; return the report."""
        report: dict[str, Any] = json.loads(self.warehouse("load", "--inbox", str(inbox), "--settle", "0", "--json"))
        return report

    def dbt(self, *arguments: str, target: str | None = "prod", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run plain `dbt` on a target; with None, profiles.yml selects it."""
        return self.run("dbt", *arguments, *(("--target", target) if target else ()), check=check)

    def sql(self, query: str) -> list[dict[str, str]]:
        """Run a query by `warehouse sql --csv`; return its rows as texts by column."""
        return list(csv.DictReader(io.StringIO(self.warehouse("sql", query, "--csv"))))

    def value(self, query: str) -> str:
        """Return the one value of a query."""
        [row] = self.sql(query)
        [value] = row.values()
        return value
