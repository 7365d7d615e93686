"""Look for partitions that a consumer group does not read, though its client library says nothing is wrong."""

from collections.abc import Mapping

from sales_warehouse.stream.cluster import Cluster, TopicState


class Watch:
    """Compares what two looks found: what is so twice in a row does not pass by itself.

    A group that shares its partitions while a topic is deleted and made again may give nobody some of them, and the
    client may fetch nothing of a partition that it was given. Neither is told.
    """

    def __init__(self, cluster: Cluster, group: str) -> None:
        self._cluster, self._group = cluster, group
        self._without_process: set[tuple[str, int]] = set()
        self._behind: set[tuple[str, int, int]] = set()

    def finds_stuck(
        self, topics: Mapping[str, TopicState], fetched: Mapping[tuple[str, int], int], *, is_drained: bool
    ) -> bool:
        """Say whether no process has some partition, or one of this process stays before its end, as a look before.

        `topics` are all of the feeds, `fetched` has the offset behind the last fetched message by topic and partition
        of this process, `is_drained` says that since the last look no fetched message waited. Raises `KafkaAway`.
        """
        without = self._cluster.find_unread(self._group, topics)
        there = {(name, number) for name, topic in topics.items() for number in topic.partitions}
        ends = self._cluster.find_ends(fetched.keys() & there) if is_drained else {}
        behind = {(*key, fetched[key]) for key, end in ends.items() if end > fetched[key]}
        is_stuck = bool(without & self._without_process or behind & self._behind)
        self._without_process, self._behind = (set(), set()) if is_stuck else (without, behind)
        return is_stuck
