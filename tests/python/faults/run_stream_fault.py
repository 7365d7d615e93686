"""Make one fault of a stream, let the next process run, and compare with what the producer knows."""

import time
from dataclasses import dataclass

from all_stream_faults import StreamFault, set_up
from run_fault import EQUAL
from stage import Ended
from stream_stage import StreamStage


@dataclass(frozen=True)
class StreamRow:
    """The result of one fault."""

    fault: StreamFault
    ended: Ended | None = None
    between: str = ""
    afterwards: str = ""
    seconds: float = 0.0
    not_run: str | None = None

    @property
    def is_right(self) -> bool:
        """Say whether the result is as required; a fault that cannot be made here counts as right."""
        return self.not_run is not None or (self.between.startswith("whole") and self.afterwards == EQUAL)


def run_fault(stage: StreamStage, fault: StreamFault) -> StreamRow:
    """Make the fault and judge it."""
    if reason := fault.why_not():
        return StreamRow(fault, not_run=reason)
    begin = time.monotonic()
    stage.begin(fault.partitions, topic=dict(fault.topic))
    set_up(stage)
    act = fault.act(stage)
    try:
        ended = next(act)
        assert ended is not None
        _start_server_if_down(stage)
        between = _judge_between(stage)
        next(act, None)
        again = stage.take_in()
        wrong = _find_difference(stage)
        next(act, None)
    finally:
        act.close()
        stage.end_all()
    if wrong is None and again.code:
        wrong = f"the next process ended with {again.exit}: {again.text}"
    if wrong is None and ended.code not in fault.codes:
        wrong = f"equal, but the process ended with {ended.exit}: {ended.text}"
    if wrong is None and fault.says not in ended.text:
        wrong = f"equal, but the output of the process lacks {fault.says!r}: {ended.text}"
    return StreamRow(fault, ended, between, wrong or EQUAL, time.monotonic() - begin)


def _start_server_if_down(stage: StreamStage) -> None:
    # a person starts the server if the process did not
    try:
        with stage.admin():
            pass
    except Exception:
        stage.up()


def _judge_between(stage: StreamStage) -> str:
    """Return how much was taken in: up to each position everything, behind it nothing."""
    positions, content = stage.positions(), stage.read_content()
    truth = stage.truth(lambda spot: spot.offset < positions.get(spot[:2], 0))
    if wrong := content.describe_difference(truth):
        return f"not as far as the positions say: {wrong}"
    return f"whole: {truth.records} of {stage.truth().records} messages"


def _find_difference(stage: StreamStage) -> str | None:
    """Return the first difference from an undisturbed run, or None."""
    if wrong := stage.read_content().describe_difference(stage.truth()):
        return wrong
    if unread := set(stage.find_unread()) - stage.gone:
        return f"the positions are before {len(unread)} messages, such as {min(unread)}"
    if wrong := stage.find_faults_of_ledger():
        return wrong
    found = stage.stream_events()
    if found != stage.events:
        return f"the events of the stream are {found}, not {stage.events}"
    return None
