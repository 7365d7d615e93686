"""Named places of the loader at which a test can make it end, stop or fail.

WAREHOUSE_FAIL_POINT=after_copy:kill ends the process by SIGKILL when it comes by, `after_copy@3:kill` at the third
time. `stop` is SIGSTOP: the test sees that the process stands there, does what it likes, and sends SIGCONT. `raise` is
a defect: an exception nobody expects. Without the variable `reach` is a function that does nothing; it is called
between steps and once a block, never once a record.
"""

import os
import re
import signal
from collections import Counter

VARIABLE = "WAREHOUSE_FAIL_POINT"

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class _FailPoint:
    """One place, how often it is passed before something happens there, and what."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"(\w+)(?:@(\d+))?:(kill|stop|raise)", text)
        if match is None:
            raise ValueError(f"{VARIABLE} must be like after_copy:kill or after_copy@3:stop, not {text!r}")
        self._point, self._time, self._action = match[1], int(match[2] or 1), match[3]
        self._passed: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """Do what is wanted, if `point` is the place and this the time."""
        self._passed[point] += 1
        if point != self._point or self._passed[point] != self._time:
            return
        if self._action == "raise":
            raise RuntimeError(f"fail point {point}")
        os.kill(os.getpid(), _SIGNALS[self._action])


def _pass_by(point: str) -> None:
    """Do nothing."""


reach = _FailPoint(os.environ[VARIABLE]).reach if os.environ.get(VARIABLE) else _pass_by
