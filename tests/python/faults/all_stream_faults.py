"""The faults of streams, each at a defined moment: a consumer stops at its fail point and continues after the fault."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from all_faults import (
    STALL_SECONDS,
    freeze_server,
    kill_backend,
    kill_postmaster,
    kill_server,
    stop_server,
    terminate_backend,
    use_up_the_log,
)
from own_broker import SECONDS
from proxy import Proxy
from small_disk import MountedDisk, small_disk, why_no_small_disk
from stage import Ended, Loader
from stream_stage import StreamStage
from topic_sender import Spot

# Yields how the disturbed process ended, repairs as a person does, and cleans up after a second yield.
Act = Callable[[StreamStage], Iterator[Ended | None]]
Do = Callable[[StreamStage, Loader], None]

AWAY, BACK = "The database is away", "The database is back."
COPYING, COMMIT = "stream_copying@2", "stream_before_commit@2"
TOGETHER = 4  # partitions of two processes


@dataclass(frozen=True)
class StreamFault:
    """One row of the matrix."""

    name: str
    when: str
    act: Act
    partitions: int = 2
    why_not: Callable[[], str | None] = lambda: None
    slow: bool = False  # waits for a minute; runs beside the others, with a server and a broker of its own
    codes: tuple[int, ...] = (0,)  # with which the disturbed process ends
    says: str = ""  # text that it must have printed; otherwise the fault did not happen
    topic: tuple[tuple[str, str], ...] = ()  # settings of the topic


def nothing(stage: StreamStage) -> Iterator[Ended]:
    """Make no fault: the undisturbed run."""
    yield stage.take_in()


# --- the consumer -------------------------------------------------------------------------------------------------

STEPS = {
    "stream_placing@1": "while the first partition is placed",
    "stream_placing@2": "while the second partition is placed",
    "stream_fetched@1": "after messages were fetched",
    "stream_before@2": "before the transaction",
    "stream_locked@2": "after the position was locked",
    COPYING: "inside COPY",
    "stream_copied@2": "after COPY",
    "stream_kept@2": "after rejects and kept messages",
    COMMIT: "before commit",
    "stream_committed@1": "after commit, before the group's offset",
    "stream_committed@2": "after the last commit, before the group's offset",
    "stream_sealing@1": "while segments are sealed",
}


def kill_at(point: str) -> Act:
    def act(stage: StreamStage) -> Iterator[Ended]:
        yield stage.start_stream(f"{point}:kill").end()

    return act


def kill_while_advancing(stage: StreamStage) -> Iterator[Ended]:
    """Kill a process that moves a position over the end of a transaction."""
    stage.sender.abort([stage.order()], 0)
    yield stage.start_endless("stream_advancing@1:kill").end()


def signal_at(point: str, number: signal.Signals) -> Act:
    def act(stage: StreamStage) -> Iterator[Ended]:
        process = stage.start_stream(f"{point}:stop", "--quiet")
        os.kill(process.wait_until_stopped(), number)
        process.resume()
        yield process.end()

    return act


# --- several consumers --------------------------------------------------------------------------------------------


def finish(stage: StreamStage, *processes: Loader) -> Ended:
    """Wait until everything is taken in, stop the processes, and return how they ended."""
    stage.wait_until_taken_in()
    for process in processes:
        process.process.send_signal(signal.SIGTERM)
    ended = [process.end() for process in processes]
    code = next((one.code for one in ended if one.code), 0)
    return Ended(code, "\n".join(one.text for one in ended))


def wait_until_shared(stage: StreamStage) -> None:
    """Wait until both processes have partitions."""
    stage.wait(lambda: len(stage.sessions()) > 1, "two processes have sessions")
    stage.wait_until_taken_in()
    time.sleep(1)


def one_dies(stage: StreamStage) -> Iterator[Ended]:
    first, second = stage.start_endless(), stage.start_endless()
    wait_until_shared(stage)
    first.kill()
    stage.send(40)
    took = stage.wait_until_taken_in()
    assert took < 15, f"the other process took over after {took:.0f} s"
    stage.send_mixture()
    yield finish(stage, second)


def one_dies_at(point: str) -> Act:
    def act(stage: StreamStage) -> Iterator[Ended]:
        first, second = stage.start_endless(f"{point}:kill"), stage.start_endless()
        with suppress(AssertionError):  # it needs as many commits as the point says
            while first.process.poll() is None:
                stage.send(8)
                time.sleep(0.3)
        stage.send_mixture()
        yield finish(stage, second)

    return act


def one_sleeps_at(point: str) -> Act:
    """Let a process fall asleep at a step until the other one has its partitions, and wake up then."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        sleeper = stage.start_endless(f"{point}:stop")
        sleeper.wait_until_stopped()
        other = stage.start_endless()
        stage.wait_until_taken_in()
        stage.send(20)
        stage.wait_until_taken_in()
        sleeper.resume()
        stage.send(20)
        stage.wait_until_taken_in()
        stage.send_mixture()
        yield finish(stage, sleeper, other)

    return act


def one_sleeps(stage: StreamStage) -> Iterator[Ended]:
    """Let one of two processes sleep between two commits, until it lost its partitions."""
    sleeper, other = stage.start_endless(), stage.start_endless()
    wait_until_shared(stage)
    sleeper.stop()
    stage.send(40)
    stage.wait_until_taken_in()
    sleeper.resume()
    stage.send_mixture()
    yield finish(stage, sleeper, other)


def a_third_comes_and_goes(stage: StreamStage) -> Iterator[Ended]:
    processes = [stage.start_endless(), stage.start_endless()]
    for _ in range(2):
        stage.send(40)
        third = stage.start_endless()
        stage.wait(lambda: len(stage.sessions()) > 2, "a third process has a session")
        stage.send(40)
        time.sleep(3)
        stage.send(40)
        ended = finish(stage, third)
        assert ended.code == 0, ended.text
    stage.send_mixture()
    yield finish(stage, *processes)


def all_at_once(stage: StreamStage) -> Iterator[Ended]:
    """Start three processes at the same moment."""
    processes = [stage.start_stream() for _ in range(3)]
    ended = [process.end() for process in processes]
    yield Ended(max(one.code for one in ended), "\n".join(one.text for one in ended))


# --- the server and its line --------------------------------------------------------------------------------------


def at(point: str, do: Do) -> Act:
    """Stop a process at the point, do something, resume it."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        process = stage.start_stream(f"{point}:stop")
        process.wait_until_stopped()
        do(stage, process)
        process.resume()
        yield process.end()

    return act


def restart_foreign_server(stage: StreamStage) -> Iterator[Ended]:
    """Kill a server that the process must not start; start it by hand when the process has noticed."""
    process = stage.start_stream(f"{COPYING}:stop", **stage.through(int(str(stage.record["port"]))))
    process.wait_until_stopped()
    kill_server(stage, process)
    process.resume()
    process.wait_until_says(AWAY)
    time.sleep(2)
    stage.up()
    yield process.end()


def kill_foreign_server(stage: StreamStage) -> Iterator[Ended]:
    process = stage.start_stream(f"{COPYING}:stop", **stage.through(int(str(stage.record["port"]))))
    process.wait_until_stopped()
    kill_server(stage, process)
    process.resume()
    yield process.end()


def over_a_line(point: str, do: Callable[[StreamStage, Loader, Proxy], None]) -> Act:
    """Like `at`, with a line between process and server."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        line = Proxy(int(str(stage.record["port"])))
        try:
            process = stage.start_stream(f"{point}:stop", **stage.through(line.port))
            process.wait_until_stopped()
            do(stage, process, line)
            process.resume()
            yield process.end()
        finally:
            line.close()

    return act


def cut(_stage: StreamStage, _process: Loader, line: Proxy) -> None:
    line.cut()


def cut_in_commit(_stage: StreamStage, process: Loader, line: Proxy) -> None:
    """Let the server commit, and lose its answer."""
    line.swallow_answers()
    process.resume()
    line.cut_after_answer(60)


def stall(_stage: StreamStage, _process: Loader, line: Proxy) -> None:
    line.freeze()
    threading.Timer(STALL_SECONDS, line.thaw).start()


def stall_permanently(_stage: StreamStage, _process: Loader, line: Proxy) -> None:
    line.freeze()


def lose_the_network(_stage: StreamStage, _process: Loader, line: Proxy) -> None:
    line.freeze(new_ones_too=True)


# --- the broker and its line --------------------------------------------------------------------------------------


def broker_goes(point: str, how: Callable[[StreamStage], None], seconds: float) -> Act:
    """End the broker while a process is at a point, and start it again so many seconds later."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        process = stage.start_stream(f"{point}:stop")
        process.wait_until_stopped()
        how(stage)
        process.resume()
        time.sleep(seconds)
        stage.broker.up()
        yield process.end()

    return act


def kill_broker(stage: StreamStage) -> None:
    stage.broker.kill()


def stop_broker(stage: StreamStage) -> None:
    stage.broker.down()


def broker_goes_for_good(stage: StreamStage) -> Iterator[Ended]:
    process = stage.start_stream("stream_fetched@1:stop")
    process.wait_until_stopped()
    stage.broker.kill()
    process.resume()
    ended = process.end()
    stage.broker.up()
    yield ended


def broker_is_killed_while_idle(stage: StreamStage) -> Iterator[Ended]:
    """Kill the broker under an endless process, which goes on when it is back."""
    process = stage.start_endless()
    stage.wait_until_taken_in()
    stage.broker.kill()
    time.sleep(2)
    stage.broker.up()
    stage.send_mixture()
    yield finish(stage, process)


def cut_broker(stage: StreamStage, _process: Loader) -> None:
    stage.broker.line.cut()


def stall_broker(stage: StreamStage, _process: Loader) -> None:
    stage.broker.line.freeze(new_ones_too=True)
    threading.Timer(STALL_SECONDS, stage.broker.line.thaw).start()


def lose_the_broker(stage: StreamStage) -> Iterator[Ended]:
    process = stage.start_stream("stream_fetched@1:stop")
    process.wait_until_stopped()
    stage.broker.line.freeze(new_ones_too=True)
    process.resume()
    try:
        yield process.end()
    finally:
        stage.broker.line.cut()
        stage.broker.line.thaw()


# --- the disk -----------------------------------------------------------------------------------------------------


def disk_of_the_tables_full(point: str, has_room_again: bool) -> Act:
    """Fill the disk of the tables; make room while the process waits, or only for the next one."""

    def act(stage: StreamStage) -> Iterator[Ended | None]:
        with small_disk(stage.folder / "small", 64) as disk:
            space = disk.folder / "space"
            space.mkdir(mode=0o700)
            owner = Path(str(stage.record["data_directory"])).stat()
            os.chown(space, owner.st_uid, owner.st_gid)
            with stage.admin() as cursor:
                cursor.execute("create tablespace small location %s", (str(space),))
            stage.begin(tablespace="small")
            set_up(stage)
            stage.send(3000)  # more than the free pages of the tables take
            process = stage.start_stream(f"{point}:stop")
            process.wait_until_stopped()
            disk.fill()
            process.resume()
            if has_room_again:
                process.wait_until_says(AWAY)
                time.sleep(2)
                disk.make_room()
            ended = process.end()
            disk.make_room()
            yield ended
            yield None
            with stage.admin() as cursor:
                cursor.execute(f"drop database {stage.record['database']} with (force)")
                cursor.execute("drop tablespace small")
        (stage.folder / "small").rmdir()

    return act


def disk_of_the_server_full(point: str) -> Act:
    """Fill the disk of the whole server when its log needs a new segment for the next byte."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        process = stage.start_stream(f"{point}:stop")
        process.wait_until_stopped()
        with stage.admin() as cursor:
            use_up_the_log(cursor)
        with MountedDisk(stage.folder, 0).full():
            process.resume()
            process.wait_until_says(AWAY)
            time.sleep(3)
        yield process.end()

    return act


def set_up(stage: StreamStage) -> None:
    """Take some messages in, and send more: what there is before a fault."""
    stage.send(20)
    first = stage.take_in()
    assert first.code == 0, first.text
    stage.send_mixture()


# --- the topic ----------------------------------------------------------------------------------------------------


def expire(stage: StreamStage, partition: int, offset: int) -> None:
    """Delete the messages of a partition before an offset; they are lost unless they were read."""
    begin = stage.positions()[stage.sender.topic_id, partition]
    stage.broker.delete_before(stage.topic, partition, offset)
    lost = {
        spot
        for spot in stage.sender.sent
        if spot[:2] == (stage.sender.topic_id, partition) and begin <= spot.offset < offset
    }
    assert lost, "no message expired"
    stage.gone |= lost
    stage.events.append(("lost", partition, begin, offset - 1))


def expired(messages: int) -> Act:
    """Let so many messages of a partition expire that no process has read."""

    def act(stage: StreamStage) -> Iterator[Ended]:
        expire(stage, 0, stage.positions()[stage.sender.topic_id, 0] + messages)
        yield stage.take_in()

    return act


def all_expired(stage: StreamStage) -> Iterator[Ended]:
    expire(stage, 0, max(spot.offset for spot in stage.sender.sent if spot.partition == 0) + 1)
    yield stage.take_in()


def expired_under_a_process(stage: StreamStage) -> Iterator[Ended]:
    """Let messages expire while a process cannot reach the broker."""
    process = stage.start_endless()
    stage.wait_until_taken_in()
    time.sleep(2)  # it moves its positions over what is no message
    stage.broker.line.freeze(new_ones_too=True)
    stage.send(20, 0)
    expire(stage, 0, stage.positions()[stage.sender.topic_id, 0] + 7)
    stage.broker.line.cut()
    stage.broker.line.thaw()
    stage.wait_until_taken_in()
    stage.send(20)
    yield finish(stage, process)


def expired_after_a_kill(stage: StreamStage) -> Iterator[Ended]:
    """Kill a process in its commit, and let some of its messages expire."""
    killed = stage.start_stream("stream_before_commit@1:kill").end()
    assert killed.code < 0, killed.text
    expire(stage, 1, stage.positions()[stage.sender.topic_id, 1] + 3)
    yield stage.take_in()


def only_the_end_of_a_transaction_expired(stage: StreamStage) -> Iterator[Ended]:
    """Read up to the end of a transaction; then everything expires, its mark too: nothing is lost."""
    stage.sender.commit([stage.order()], 0)
    stage.sender.abort([stage.order()], 0)
    ended = stage.take_in()
    stage.broker.delete_before(stage.topic, 0, stage.find_end(0))
    yield ended


def compacted(stage: StreamStage) -> Iterator[Ended]:
    """Wait until the broker has removed messages with a later one of the same key; that is no loss."""
    unread = set(stage.find_unread())
    before: set[Spot] = set()
    deadline = time.monotonic() + 2 * SECONDS
    while True:
        there = read_all(stage)
        if there == before and unread - there:
            break
        assert time.monotonic() < deadline, "the broker has removed nothing"
        if not unread - there:
            stage.send(2)  # so that the segments before can be compacted
            unread |= set(stage.find_unread())
        before = there
        time.sleep(3)
    stage.gone |= unread - there
    yield stage.take_in()


def read_all(stage: StreamStage) -> set[Spot]:
    """Return the places of the messages that the broker has."""
    found = stage.broker.read_all(stage.topic, stage.partitions)
    return {Spot(stage.sender.topic_id, partition, offset) for partition, offset in found}


def make_again(stage: StreamStage) -> None:
    """Delete the topic with what was not read, and make it again."""
    stage.gone |= set(stage.find_unread())
    stage.broker.delete_topic(stage.topic)
    stage.sender.follow(stage.broker.make_topic(stage.topic, stage.partitions))
    stage.events.append(("made_again", None, None, None))


def made_again(stage: StreamStage) -> Iterator[Ended]:
    """Delete and make the topic while no process runs; the new one has fewer messages than were read."""
    make_again(stage)
    stage.send(10)
    yield stage.take_in()


def made_again_with_more(stage: StreamStage) -> Iterator[Ended]:
    """The new topic has messages at the offsets at which the process would go on."""
    make_again(stage)
    stage.send(100)
    yield stage.take_in()


def made_again_under_a_process(stage: StreamStage) -> Iterator[Ended]:
    process = stage.start_endless()
    stage.wait_until_taken_in()
    make_again(stage)
    stage.send(60)
    stage.send_mixture()
    yield finish(stage, process)


def made_again_before_a_commit(stage: StreamStage) -> Iterator[Ended]:
    """Make the topic again while a process has messages of the earlier one in memory."""
    process = stage.start_endless("stream_fetched@1:stop")
    process.wait_until_stopped()
    make_again(stage)
    stage.send(60)
    process.resume()
    yield finish(stage, process)


def partitions_added(stage: StreamStage) -> Iterator[Ended]:
    add_partitions(stage)
    stage.send(40)
    yield stage.take_in()


def partitions_added_under_a_process(stage: StreamStage) -> Iterator[Ended]:
    process = stage.start_endless()
    stage.wait_until_taken_in()
    add_partitions(stage)
    stage.send_mixture()
    yield finish(stage, process)


def add_partitions(stage: StreamStage) -> None:
    stage.partitions += 2
    stage.broker.add_partitions(stage.topic, stage.partitions)
    time.sleep(1)  # the broker tells of a partition before it takes messages
    stage.sender.follow(stage.sender.topic_id)  # the producer of before does not know them yet


def aborts_all_the_time(stage: StreamStage) -> Iterator[Ended]:
    """Abort transactions between others while a process reads."""
    process = stage.start_endless()
    for number in range(6):
        stage.sender.abort([stage.order() for _ in range(3)], number % 2)
        stage.send(4)
        stage.sender.commit([stage.order()], number % 2)
    yield finish(stage, process)


def transaction_is_left_open(stage: StreamStage) -> Iterator[Ended | None]:
    """Send behind a transaction that is not ended: a process sees nothing of it until it is aborted."""
    end = stage.sender.begin([stage.order()], 0)
    stage.send(10)
    ended = stage.take_in()
    unread = stage.find_unread()
    assert {spot.partition for spot in unread} == {0}, unread
    end()
    yield ended


# --- all ----------------------------------------------------------------------------------------------------------


def _all_faults() -> Iterator[StreamFault]:
    yield StreamFault("none", "the undisturbed run", nothing)
    for point, when in STEPS.items():
        yield StreamFault("consumer killed (-9)", when, kill_at(point), codes=(-9,))
    when = "while a position moves over the end of a transaction"
    yield StreamFault("consumer killed (-9)", when, kill_while_advancing, codes=(-9,))
    for number, name in ((signal.SIGTERM, "consumer terminated (SIGTERM)"), (signal.SIGINT, "Ctrl-C")):
        for point in ("stream_fetched@1", COPYING, COMMIT):
            yield StreamFault(name, STEPS[point], signal_at(point, number))

    together = {"partitions": TOGETHER}
    yield StreamFault("one of two consumers dies", "between commits", one_dies, **together)
    for point in ("stream_locked@2", COPYING, COMMIT):
        yield StreamFault("one of two consumers dies", STEPS[point], one_dies_at(point), **together)
    yield StreamFault("one of two consumers sleeps, wakes up", "between commits", one_sleeps, **together)
    for point in ("stream_fetched@1", "stream_before@2", "stream_locked@2", COPYING, "stream_copied@2", COMMIT,
                  "stream_committed@2", "stream_placing@2"):  # fmt: skip
        yield StreamFault("one of two consumers sleeps, wakes up", STEPS[point], one_sleeps_at(point), **together)
    yield StreamFault("a third consumer comes and goes", "while messages come", a_third_comes_and_goes, **together)
    yield StreamFault("three consumers start", "at once", all_at_once, **together)

    for point in (COPYING, COMMIT):
        when = STEPS[point]
        yield StreamFault("server killed (-9), all its processes", when, at(point, kill_server), says=BACK)
        yield StreamFault("server's main process killed (-9)", when, at(point, kill_postmaster), says=AWAY)
        yield StreamFault("server process of the consumer killed (-9)", when, at(point, kill_backend), says=BACK)
        yield StreamFault("server process of the consumer terminated", when, at(point, terminate_backend), says=BACK)
        yield StreamFault("server stopped", when, at(point, stop_server), says=BACK)
    name = f"server process of the consumer frozen for {STALL_SECONDS} s"
    yield StreamFault(name, STEPS[COPYING], at(COPYING, freeze_server))
    yield StreamFault("server killed (-9), started again by hand", STEPS[COPYING], restart_foreign_server, says=BACK)
    yield StreamFault(
        "server killed (-9), not started again", STEPS[COPYING], kill_foreign_server, codes=(3,), slow=True, says=AWAY
    )
    for point in ("stream_before@2", "stream_locked@2", COPYING, COMMIT):
        yield StreamFault("connection to the server cut", STEPS[point], over_a_line(point, cut), says=BACK)
    when = "during commit, the answer is lost"
    yield StreamFault("connection to the server cut", when, over_a_line(COMMIT, cut_in_commit), says=BACK)
    for point in (COPYING, COMMIT):
        name = f"connection to the server stalled for {STALL_SECONDS} s"
        yield StreamFault(name, STEPS[point], over_a_line(point, stall))
        name = "connection to the server stalled for good"
        yield StreamFault(name, STEPS[point], over_a_line(point, stall_permanently), slow=True, says=BACK)
    yield StreamFault(
        "network to the server lost", STEPS[COPYING], over_a_line(COPYING, lose_the_network), codes=(3,), slow=True,
        says=AWAY,
    )  # fmt: skip

    for point in ("stream_placing@1", "stream_fetched@1", COMMIT):
        # 3: on a busy machine the broker comes back later than after the minute for which a process waits
        act = broker_goes(point, kill_broker, 3)
        yield StreamFault("broker killed (-9), back after 3 s", STEPS[point], act, codes=(0, 3))
    act = broker_goes("stream_fetched@1", stop_broker, 0)
    yield StreamFault("broker restarted", STEPS["stream_fetched@1"], act, codes=(0, 3))
    yield StreamFault("broker killed (-9), back after 2 s", "between commits", broker_is_killed_while_idle)
    yield StreamFault(
        "broker killed (-9), not back", STEPS["stream_fetched@1"], broker_goes_for_good, codes=(3,), slow=True
    )
    for point in ("stream_placing@1", "stream_fetched@1", COMMIT):
        yield StreamFault("connections to the broker cut", STEPS[point], at(point, cut_broker))
        name = f"connections to the broker stalled for {STALL_SECONDS} s"
        yield StreamFault(name, STEPS[point], at(point, stall_broker))
    yield StreamFault("network to the broker lost", STEPS["stream_fetched@1"], lose_the_broker, codes=(3,), slow=True)

    for point in ("stream_locked@2", COPYING, "stream_copied@2"):  # later, nothing more needs room
        yield StreamFault(
            "disk of the tables full, room again", STEPS[point], disk_of_the_tables_full(point, True),
            why_not=why_no_small_disk, says=BACK,
        )  # fmt: skip
    yield StreamFault(
        "disk of the tables full", STEPS[COPYING], disk_of_the_tables_full(COPYING, False),
        why_not=why_no_small_disk, says=AWAY, codes=(3,), slow=True,
    )  # fmt: skip
    for point in ("stream_locked@2", COPYING):
        yield StreamFault(
            "disk of the server full, room again", STEPS[point], disk_of_the_server_full(point),
            why_not=why_no_small_disk, says=BACK,
        )  # fmt: skip

    lost = {"codes": (1,), "says": "Lost: "}
    yield StreamFault("messages expired", "before they were read", expired(7), **lost)
    yield StreamFault("messages expired", "all of a partition that were not read", all_expired, **lost)
    yield StreamFault("messages expired", "after a consumer was killed in its commit", expired_after_a_kill, **lost)
    yield StreamFault("messages expired", "under a consumer without a broker", expired_under_a_process, says="Lost: ")
    when = "the end of a transaction behind all that was read"
    yield StreamFault("everything expired", when, only_the_end_of_a_transaction_expired)
    compacts = {
        "cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "1000",
    }  # fmt: skip
    yield StreamFault("topic compacted", "before it was read", compacted, topic=tuple(compacts.items()))
    said = {"says": "was deleted and made again"}
    yield StreamFault("topic deleted and made again", "while no consumer runs", made_again, **said)
    yield StreamFault("topic deleted and made again", "with more messages than were read", made_again_with_more, **said)
    yield StreamFault("topic deleted and made again", "under a consumer", made_again_under_a_process)
    when = "while a consumer has messages of the earlier one"
    yield StreamFault("topic deleted and made again", when, made_again_before_a_commit)
    yield StreamFault("partitions added", "while no consumer runs", partitions_added)
    yield StreamFault("partitions added", "under a consumer", partitions_added_under_a_process)
    yield StreamFault("transactions aborted", "while a consumer reads", aborts_all_the_time)
    yield StreamFault("transaction left open, aborted later", "in front of other messages", transaction_is_left_open)


FAULTS: Sequence[StreamFault] = tuple(_all_faults())
