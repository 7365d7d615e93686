"""The field cases: which test covers which folder of small files that went wrong in the field, and its result."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_FOLDER = re.compile(r'field_files / "([^"]+)"')


@dataclass
class FieldCases:
    """A pytest plugin that keeps the tests of each folder, and those that passed."""

    tests: dict[str, list[str]] = field(default_factory=dict)  # names of tests by folder
    passed: set[str] = field(default_factory=set)

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Find the folders that the source of each test names."""
        for item in items:
            if isinstance(item, pytest.Function):
                for folder in folders_of(item):
                    self.tests.setdefault(folder, []).append(item.name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the name of a test that passed."""
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid.rpartition("::")[2])

    def are_right(self, folder: str) -> bool:
        """Say whether the folder has tests and all of them passed."""
        return folder in self.tests and self.passed.issuperset(self.tests[folder])


def folders_of(item: pytest.Function) -> set[str]:
    """Return the folders that the source of a test names."""
    return set(_FOLDER.findall(inspect.getsource(item.function)))


def run_field_cases(folder: Path) -> FieldCases:
    """Run the tests of the field cases in the folder of the acceptance tests."""
    cases = FieldCases()
    files = [str(path) for path in sorted(folder.glob("test_field_*.py"))]
    pytest.main(["-q", "-m", "acceptance", *files], plugins=[cases])
    return cases
