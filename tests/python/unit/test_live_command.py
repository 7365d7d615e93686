"""`warehouse live --every` goes on after what passes."""

import contextlib
import signal
from datetime import UTC, datetime
from typing import Any
from unittest.mock import MagicMock

import pytest
from psycopg2 import errors

from sales_warehouse.cli import live
from sales_warehouse.publish.fill_live import Filled


@pytest.mark.parametrize("error", [errors.DiskFull("no space"), errors.AdminShutdown("ended")])
def test_a_fill_is_tried_again_after_what_passes(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    filled = Filled(datetime(2024, 1, 1, tzinfo=UTC), 3)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(live, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(live, "fill", MagicMock(side_effect=[error, error, filled, errors.UndefinedTable("no table")]))
    said, reported = list[str](), list[Any]()
    monkeypatch.setattr(live, "say", said.append)
    with contextlib.suppress(errors.UndefinedTable):
        live._fill_every(0.01, MagicMock, lambda _, it: reported.append(it))
        pytest.fail("an error that does not pass ends it")
    assert reported == [filled]
    assert said == [f"{error} Trying again; nothing is lost."]
