"""Fail points: the named action happens at the named point and pass, and nowhere else."""

import os
import signal
import subprocess
import sys

import pytest

from sales_warehouse.ledger import fail_point
from sales_warehouse.ledger.fail_point import VARIABLE

PASS_BY = """
from sales_warehouse.ledger.fail_point import reach
for n in range(3):
    print(n, flush=True)
    reach("here")
"""


def run(value: str, code: str = PASS_BY) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {VARIABLE: value, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_fail_points_are_disabled_without_the_variable() -> None:
    assert fail_point.reach is fail_point._pass_by
    assert run("").stdout == "0\n1\n2\n"


@pytest.mark.parametrize(("value", "passed"), [("here:kill", "0\n"), ("here@3:kill", "0\n1\n2\n")])
def test_a_process_ends_at_the_named_time(value: str, passed: str) -> None:
    done = run(value)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, passed)


def test_another_place_or_count_does_not_fire() -> None:
    assert (run("there:kill").returncode, run("here@4:kill").returncode) == (0, 0)


def test_raise_ends_the_program_at_the_named_place() -> None:
    assert "fail point here" in run("here@2:raise").stderr


def test_a_wrong_value_is_reported_at_once() -> None:
    assert "must be like after_copy:kill" in run("here:explode").stderr
