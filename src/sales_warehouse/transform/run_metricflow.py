"""Run MetricFlow's own command on the project as it is now."""

import os
from collections.abc import Sequence
from typing import Any

from sales_warehouse.settings import Settings
from sales_warehouse.transform.parse_project import parse_project
from sales_warehouse.transform.targets import PROD


def run_metricflow(settings: Settings, arguments: Sequence[str]) -> None:
    """Run `mf` with these arguments; it prints, and ends the process.

    It reads what dbt wrote below the project's target/ last, so dbt reads the project first. Raises
    `ConfigurationError` when it cannot.
    """
    parse_project(settings, PROD, settings.project / "target")
    os.environ |= {"DBT_PROJECT_DIR": str(settings.project), "DBT_TARGET": PROD}
    os.environ.setdefault("DBT_PROFILES_DIR", str(settings.project))
    # imported here: it takes seconds, and only this command needs it
    from dbt_metricflow.cli import main

    # not by attribute: the type checker knows that the package does not offer it
    vars(main)["UpdateChecker"] = _NoUpdateChecker
    main.cli.main(args=list(arguments), prog_name="warehouse mf")


class _NoUpdateChecker:
    """In place of the one that asks the package index for a newer version at every call; there is no option for it."""

    def check(self, *_: Any) -> None:
        """Find nothing."""
