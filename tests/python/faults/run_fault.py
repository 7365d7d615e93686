"""Make one fault, run the same command again, and compare with an undisturbed run."""

import hashlib
import shutil
import time
from dataclasses import dataclass

from all_faults import Fault, load
from read_state import State
from stage import Ended, Stage

EQUAL = "equal"


@dataclass(frozen=True)
class Row:
    """The result of one fault."""

    fault: Fault
    ended: Ended | None = None
    between: str = ""
    afterwards: str = ""
    seconds: float = 0.0
    not_run: str | None = None

    @property
    def is_right(self) -> bool:
        """Say whether the result is as required; a fault that cannot be made here counts as right."""
        return self.not_run is not None or (self.between.startswith("whole") and self.afterwards == EQUAL)


class Judge:
    """Compares with the results of undisturbed runs, each of which runs once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._known: dict[tuple[object, ...], list[State]] = {}

    def run(self, fault: Fault) -> Row:
        """Make the fault and judge it."""
        if reason := fault.why_not():
            return Row(fault, not_run=reason)
        stage = self._stage
        begin = time.monotonic()
        stage.reset()
        act = fault.act(stage)
        try:
            ended = next(act)
            assert ended is not None
            seconds = time.monotonic() - begin
            self._start_server_if_down()
            between = stage.read_state()
            next(act, None)
            again = stage.load()
            end = stage.read_state()
            next(act, None)
        finally:
            act.close()
        undisturbed = self._run_undisturbed(fault)
        afterwards = end.describe_difference(undisturbed[-1]) or EQUAL
        if again.code != 1:
            afterwards = f"the same command ended with {again.exit}: {again.text}"
        elif ended.code != fault.code:
            afterwards = f"{afterwards}, but the load ended with {ended.exit}, not {fault.code}: {ended.text}"
        elif fault.says not in ended.text:
            afterwards = f"{afterwards}, but the output of the load lacks {fault.says!r}: {ended.text}"
        return Row(fault, ended, _judge_between(between, [stage.before, *undisturbed]), afterwards, seconds)

    def _start_server_if_down(self) -> None:
        # a user starts the server if the loader did not
        try:
            with self._stage.admin():
                pass
        except Exception:
            self._stage.up()

    def _run_undisturbed(self, fault: Fault) -> list[State]:
        """Return the state after each load of an undisturbed run with the inbox as the fault left it."""
        stage = self._stage
        final = stage.folder / "final"
        files = sorted(path for path in stage.inbox.rglob("*") if path.is_file())
        signature = (
            fault.undisturbed,
            *((str(path), path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()) for path in files),
        )
        if signature not in self._known:
            shutil.rmtree(final, ignore_errors=True)
            stage.inbox.rename(final)
            stage.reset()
            if fault.undisturbed is None:
                shutil.rmtree(stage.inbox)
                final.rename(stage.inbox)
            states = []
            for step in fault.undisturbed or (load,):
                step(stage)
                states.append(stage.read_state())
            self._known[signature] = states
        return self._known[signature]


def _judge_between(between: State, states: list[State]) -> str:
    """Return the number of loaded files; each of them must be loaded completely or not at all."""
    first, last = states[0], states[-1]
    names = between.groups.keys() | last.groups.keys()
    changing = [name for name in names if first.groups.get(name) != last.groups.get(name)]
    for name in sorted(names):
        now = between.groups.get(name)
        if not any(state.groups.get(name) == now for state in states):
            return f"neither before nor after: {name}: {between.describe_difference(first)}"
    if not any(set(between.columns) <= set(state.columns) for state in states):
        return f"columns of no state: {between.columns}"
    done = sum(between.groups.get(name) == last.groups.get(name) for name in changing)
    return f"whole: {done} of {len(changing)} files loaded"
