"""The quickest faults of the matrix; `make faults` runs all of them and writes docs/reference/fault-matrix.md."""

from collections.abc import Iterator

import pytest

from all_faults import FAULTS, Fault
from run_fault import EQUAL, Judge
from stage import make_stage

QUICK = [fault for fault in FAULTS if fault.quick]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with make_stage() as stage:
        yield Judge(stage)


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: f"{fault.name}, {fault.when}")
def test_repeating_the_command_after_a_fault_reaches_the_same_state(judge: Judge, fault: Fault) -> None:
    row = judge.run(fault)
    assert row.between.startswith("whole")
    assert row.afterwards == EQUAL
