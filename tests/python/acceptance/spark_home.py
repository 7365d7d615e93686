"""A home with Apache Spark, and a copy of the dbt project, for tests that build on it."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from own_home import Home

from sales_warehouse.spark.ask import read_json
from sales_warehouse.spark.record import read_record


@dataclass
class Session:
    """A session of the Thrift server."""

    connection: Any

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(statement)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found


class Spark(Home):
    """A home with a running Spark."""

    def open(self) -> Session:
        from pyhive import hive

        record = read_record(self.folder)
        assert record
        return Session(hive.connect("127.0.0.1", record.thrift_port, username="test"))

    def pieces(self, exit_code: int = 0) -> dict[str, dict[str, Any]]:
        """Return the processes by name, as the status describes them."""
        return {piece["name"]: piece for piece in self.status("spark", exit_code)["pieces"]}

    def dbt(self, project: Path, *arguments: str, exit_code: int = 0, target: str = "spark") -> str:
        """Run `dbt` of a project on a target; return all that it prints."""
        # dbt parses everything again where the last command of a target path had another target
        parsed = self.folder / "parsed" / project.name / target
        options = ("--target", target, "--project-dir", str(project), "--profiles-dir", str(self.folder))
        variables = {"DBT_LOG_PATH": str(self.folder / "logs"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        variables["DBT_TARGET_PATH"] = str(parsed)
        return self.run_program("dbt", *arguments, *options, exit_code=exit_code, **variables)

    def executors(self) -> list[dict[str, Any]]:
        """Return what the driver's page says of its executors."""
        record = read_record(self.folder)
        assert record
        [app] = read_json(record.thrift_server_page, "/api/v1/applications")
        found = read_json(record.thrift_server_page, f"/api/v1/applications/{app['id']}/executors")
        return [one for one in found if one["id"] != "driver"]
