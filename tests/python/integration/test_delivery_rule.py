"""Random deliveries against a small model of the rule that says what a delivery is; with workers the same."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deliver import HEADER, Inbox, make_feed
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from sales_warehouse.load.workers import dispatch

COUNTS = {"A": 0, "B": 1, "C": 3, "D": 10, "E": 12, "F": 40}  # records of each content


@dataclass(frozen=True)
class Sent:
    """A delivery: its key, its content, and how it was saved."""

    key: int
    content: str
    spelling: int

    def text(self) -> str:
        """Return the file; the same records are written differently in each spelling."""
        records = [f"{ord(self.content)}{number},tea,{number % 7}" for number in range(COUNTS[self.content])]
        end = ".50" if self.spelling == 0 else ".5"
        text = HEADER + "".join(f"{record}{end}\n" for record in records)
        return text.replace("\n", "\r\n") if self.spelling == 2 else text


@dataclass
class Model:
    """The rule, for files of one feed with a declared key, each at a path of its own."""

    active: dict[int, str] = field(default_factory=dict)  # content by key
    bytes_seen: dict[int, set[str]] = field(default_factory=dict)  # of the versions of each key

    def load(self, sent: Sent) -> str:
        """Return the status that the delivery gets."""
        if sent.text() in self.bytes_seen.get(sent.key, ()):
            return "duplicate"
        if COUNTS[sent.content]:
            if self.active.get(sent.key) == sent.content:
                return "duplicate"
            others = {content for key, content in self.active.items() if key != sent.key}
            if sent.content in others and COUNTS[sent.content] >= 10:
                return "held"
        self.active[sent.key] = sent.content
        self.bytes_seen.setdefault(sent.key, set()).add(sent.text())
        return "active"


SENT = st.builds(Sent, st.integers(1, 3), st.sampled_from("ABCDEF"), st.integers(0, 2))


def check(connection: Connection, folder: Path, deliveries: list[list[Sent]], workers: int) -> None:
    """Load the deliveries, step by step, and compare with the model."""
    with connection, connection.cursor() as cursor:
        cursor.execute("drop schema if exists ledger cascade; drop schema if exists raw cascade")
    inbox, model, number = Inbox(folder, connection, make_feed()), Model(), 0
    for step in deliveries:
        wanted = []
        for sent in step:
            number += 1
            inbox.deliver(f"2024-01-{sent.key:02d} {number}.csv", sent.text())
            wanted.append(model.load(sent))
        assert [outcome.status for outcome in inbox.load(workers=workers).outcomes] == wanted
    rows = inbox.query("select count(*) from raw.shop__lines")
    assert rows == [(sum(COUNTS[content] for content in model.active.values()),)]


@given(deliveries=st.lists(st.lists(SENT, min_size=1, max_size=6), min_size=1, max_size=3))
@example([[Sent(1, "D", 0), Sent(2, "D", 2)], [Sent(1, "A", 0), Sent(2, "D", 1)]])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_deliveries_get_the_outcome_of_the_rule(
    connection: Connection, tmp_path_factory: pytest.TempPathFactory, deliveries: list[list[Sent]]
) -> None:
    check(connection, tmp_path_factory.mktemp("deliveries"), deliveries, workers=1)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_give_equal_records_the_outcome_of_the_rule(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    step = [Sent(number % 7, "FDEBCF"[number % 6], number % 3) for number in range(1, 60)]
    check(connection, tmp_path / "inbox", [step, step[::-1]], workers)
