"""The page of measures is up to date, and the readers' page uses the same names."""

import re
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]


def test_page_of_measures_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    monkeypatch.delitem(sys.modules, "write_measures", raising=False)
    from write_measures import PAGE, write_measures

    assert PAGE.read_text(encoding="utf-8") == write_measures(), "run: .venv/bin/python scripts/write_measures.py"


def test_figures_of_the_overview_are_metrics() -> None:
    from page.measures import read_measures

    query = (PROJECT / "page" / "queries" / "overview_figures.sql").read_text(encoding="utf-8")
    names = re.findall(r"\(\d, '(\w+)'", query)
    assert len(names) == 5 and set(names) <= set(read_measures())
