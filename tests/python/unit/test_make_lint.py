"""`make lint` shows the findings of all its tools, with stubs in their place."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
TOOLS = ("ruff", "sqlfluff", "python", "dbt", "dbt-bouncer")


def lint(folder: Path, *failing: str) -> tuple[int, str]:
    """Run the verb in a folder of its own, with tools of which some fail."""
    for name in ("Makefile", "profiles.yml.example", "pyproject.toml", "requirements.lock"):
        shutil.copy(PROJECT / name, folder / name)
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in TOOLS:
        (tools / name).write_text(f'#!/bin/sh\necho "[{name} $1]"\nexit {int(name in failing)}\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    (folder / ".venv" / "installed").touch()
    # as a person runs it: make tells its own commands that they are part of it
    own = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(["make", "lint"], cwd=folder, env=own, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_every_tool_runs_and_its_failure_is_named(tmp_path: Path) -> None:
    code, said = lint(tmp_path, "ruff", "python")
    assert code != 0
    ran = [line.split()[0][1:] for line in said.splitlines() if line.startswith("[")]
    assert ran == ["ruff", "ruff", "sqlfluff", "python", "dbt", "dbt-bouncer"]
    assert said.splitlines()[-3:] == [
        "Not clean: .venv/bin/ruff check",
        "Not clean: .venv/bin/ruff format --check",
        "Not clean: .venv/bin/python tests/python/lint_portability.py",
    ]


@pytest.mark.parametrize(("failing", "code"), [((), 0), (("dbt-bouncer",), 2), (("dbt",), 2)])
def test_the_exit_code_tells_whether_all_is_clean(failing: tuple[str, ...], code: int, tmp_path: Path) -> None:
    found, said = lint(tmp_path, *failing)
    assert found == code
    assert ("[dbt-bouncer" in said) == (failing != ("dbt",))  # it reads what dbt writes
