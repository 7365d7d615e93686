"""The system user of the embedded server is made once, also by two commands at once."""

import multiprocessing
import os
from pathlib import Path

import pytest

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server import account


def _make(folder: Path) -> None:
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    account.SYSTEM_USER = "no-such-user-of-a-test"
    with pytest.raises(ConfigurationError, match="Make a system user named no-such-user-of-a-test"):
        account._make_one_system_user()


def test_no_two_useradd_run_at_once(tmp_path: Path) -> None:
    program, log = tmp_path / "useradd", tmp_path / "log"
    program.write_text(f"#!/bin/sh\necho begins >> {log}\nsleep 0.2\necho ends >> {log}\n")
    program.chmod(0o755)
    both = [multiprocessing.get_context("fork").Process(target=_make, args=(tmp_path,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert log.read_text().split() == ["begins", "ends"] * 2
