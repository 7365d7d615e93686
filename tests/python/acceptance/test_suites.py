"""csv-spectrum and Pollock: each file is equal, or the difference is in the rejects; nothing is silently wrong."""

import csv
from pathlib import Path

import load_suites
import pytest
from load_suites import EQUAL, REFUSED, WRONG, Loaded
from psycopg2.extensions import connection as Connection

from sales_warehouse.load.outcome import Outcome
from sales_warehouse.settings import Settings

pytestmark = pytest.mark.acceptance


def test_csv_spectrum_is_equal(connection: Connection, database: Settings, suites: Path) -> None:
    verdicts = load_suites.run_csv_spectrum(connection, suites / "csv-spectrum", database.inbox)
    assert [(verdict.name, verdict.verdict) for verdict in verdicts if verdict.verdict != EQUAL] == []
    assert len(verdicts) == 12


def test_pollock_is_equal_or_accounted_for(
    connection: Connection, database: Settings, suites: Path, tmp_path: Path
) -> None:
    verdicts = load_suites.run_pollock(connection, suites / "pollock", database.inbox, tmp_path / "out")
    assert len(verdicts) == 207
    assert [verdict.name for verdict in verdicts if verdict.verdict == WRONG] == []
    # files whose header is broken or repeated need a manual check
    refused = {verdict.name for verdict in verdicts if verdict.verdict == REFUSED}
    assert refused == {"file_multitable_same", "row_less_sep_row0_col5", "row_more_sep_row0_col0"}
    for verdict in verdicts:
        clean = (suites / "pollock" / "clean" / f"{verdict.name}.csv").read_text(encoding="utf-8")
        converted = (tmp_path / "out" / f"{verdict.name}.csv_converted.csv").read_text(encoding="utf-8")
        if verdict.verdict == EQUAL:
            assert list(csv.reader(converted.splitlines())) == list(csv.reader(clean.splitlines()))


def test_a_difference_without_a_reject_is_judged_wrong() -> None:
    outcome = Outcome("u", "f", "active")
    right = [["1", "2"], ["3", "4"]]
    assert Loaded(outcome, {1: ["1", "2"], 2: ["3", "4"]}, []).judge(right) == EQUAL
    assert Loaded(outcome, {1: ["1", "2"], 2: ["3", "5"]}, []).judge(right) == WRONG
    assert Loaded(outcome, {2: ["3", "4"]}, []).judge(right) == WRONG
    assert Loaded(outcome, {2: ["3", "4"]}, [1]).judge(right) == load_suites.EQUAL_BUT_FOR_REJECTS
    assert Loaded(outcome, {2: ["1", "2"]}, [1]).judge(right) == WRONG
    assert Loaded(outcome, {1: ["1", "2"], 2: ["3", "4"], 3: ["3", "4"]}, []).judge(right) == WRONG
