"""The page docs/reference/command-line.md is up to date."""

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.mark.parametrize("columns", ["40", "200"])
def test_command_reference_is_current(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delitem(sys.modules, "write_command_reference", raising=False)
    from write_command_reference import PAGE, write_reference

    page = PAGE.read_text(encoding="utf-8")
    assert page == write_reference(), "run: .venv/bin/python scripts/write_command_reference.py"
    assert "\x1b" not in page
    assert page.count("\n### warehouse ") == 40
