"""Fail points: named places of the loader at which a test kills, stops or breaks it.

WAREHOUSE_FAIL_POINT=after_copy:kill ends the process by SIGKILL at the place `after_copy`, `after_copy@3:kill` when it
reaches the place for the third time. `stop` sends SIGSTOP; the test continues the process by SIGCONT. `raise` raises an
exception that ends the load. Without the variable, `reach` does nothing. It is called between steps and once per block,
never once per record.
"""

import os
import re
import signal
from collections import Counter

VARIABLE = "WAREHOUSE_FAIL_POINT"

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class _FailPoint:
    """A place, an action, and the time of passing the place at which it happens."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"(\w+)(?:@(\d+))?:(kill|stop|raise)", text)
        if match is None:
            raise ValueError(f"{VARIABLE} must be like after_copy:kill or after_copy@3:stop, not {text!r}")
        self._point, self._time, self._action = match[1], int(match[2] or 1), match[3]
        self._passed: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """Do the action if `point` is the place and this is the time."""
        self._passed[point] += 1
        if point != self._point or self._passed[point] != self._time:
            return
        if self._action == "raise":
            raise SystemExit(f"fail point {point}")  # no `Exception`, which would be one of the current file
        os.kill(os.getpid(), _SIGNALS[self._action])


def _pass_by(point: str) -> None:
    """Do nothing."""


reach = _FailPoint(os.environ[VARIABLE]).reach if os.environ.get(VARIABLE) else _pass_by
