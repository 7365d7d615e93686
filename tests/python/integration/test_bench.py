"""The benchmark measures what it states, and removes its database and files."""

import csv
import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from benchmarks import PROJECT, stream
from benchmarks.build import Measured
from benchmarks.build_most import MostBench, write_most_bench
from benchmarks.days import DAY_ROWS, DayWriter
from benchmarks.load import Case, LoadBench, bench_load, write_bench, write_bench_file
from benchmarks.publish import bench_publish
from benchmarks.stream import Run, bench_stream, make_events, write_stream_bench
from benchmarks.stream_delay import Delay, DelayBench, Usage, find_delays, write_delay
from benchmarks.stream_year import Case as Command
from benchmarks.stream_year import Topic, YearBench, write_year
from brokers import Broker
from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings


def test_each_round_times_loader_and_copy_and_their_ratio(database: Settings, tmp_path: Path) -> None:
    result = bench_load(database, rows=20_000, rounds=3, small_files=20, known_files=30)
    one, ten, two, broken, small, known = result.cases
    for case in (one, ten, two, broken):
        assert len(case.loader) == len(case.copy) == 3
        assert case.ratios == [loader / copy for loader, copy in zip(case.loader, case.copy, strict=True)]
    assert one.copy == broken.copy == two.copy != ten.copy
    assert not small.copy and not known.copy
    assert [case.unit for case in result.cases] == ["rows/s"] * 4 + ["files/s", "s"]
    assert all(min(case.loader) > 0 for case in result.cases)
    assert 20e6 < result.peak_memory_bytes < 200e6
    page = tmp_path / "page.md"
    page.write_text("# Before\n\n<!-- bench load -->\nold\n<!-- end of bench load -->\n\nAfter\n")
    write_bench(result, page)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith("\nAfter\n") and "old" not in text
    assert all(f"| {case.name} |" in text for case in result.cases) and result.machine in text
    write_bench(result, page)
    assert page.read_text() == text
    with closing(server.connect(database, application_name="test")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_database where datname = 'warehouse_bench'")
        assert cursor.fetchone() == (0,)


def test_days_look_like_a_business_and_each_correction_is_another_one(database: Settings, tmp_path: Path) -> None:
    with closing(server.connect(database, application_name="test")) as connection:
        writer = DayWriter(connection, folder := tmp_path / "days")
        writer.add(2)
        versions = []
        for _ in range(3):
            [*_, path] = sorted(folder.iterdir())
            with path.open() as file:
                versions.append(list(csv.DictReader(file)))
            writer.write(2)
    assert writer.bytes > 4 * path.stat().st_size  # of corrected files, too
    rows = versions[0]
    assert len(rows) == DAY_ROWS
    assert [row | {"unit_price": ""} for row in versions[2]] == [row | {"unit_price": ""} for row in rows]
    prices = [[row["unit_price"] for row in version] for version in versions]
    assert all(len(set(three)) == 3 for three in zip(*prices, strict=True))
    assert len({row["invoice_no"] for row in rows}) == DAY_ROWS // 3 + 1
    assert sum(row["country"] == "Country 0" for row in rows) == pytest.approx(DAY_ROWS / 3, abs=5)
    assert len({row["customer_id"] for row in rows if int(row["customer_id"]) >= 50_400}) == 201
    staple = Counter(row["stock_code"] for row in rows).most_common(40)
    assert sum(count for _, count in staple) == pytest.approx(0.3 * DAY_ROWS, rel=0.05)
    assert sum(row["quantity"] == "-1" for row in rows) == DAY_ROWS // 50


def test_the_bench_file_is_reproducible_and_has_the_stated_width(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_bench_file(tmp_path / name, 30_000)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = (tmp_path / "a").read_text().splitlines()
    assert len(lines) == 30_001
    assert {line.count(",") for line in lines} == {15}
    assert 120 < sum(map(len, lines[1:])) / 30_000 + 1 < 132


@pytest.mark.parametrize(("ratio", "target"), [(1.0, "aim"), (0.99, "at least"), (0.85, "at least"), (0.84, "neither")])
def test_a_speed_target_is_a_minimum(ratio: float, target: str) -> None:
    assert Case("one", "rows/s", 0.85, 1.0, loader=(9.0, 100 * ratio, 999.0), copy=(100.0,) * 3).target == target


@pytest.mark.parametrize(("seconds", "target"), [(2.0, "aim"), (2.1, "at least"), (10.1, "neither")])
def test_a_time_target_is_a_maximum(seconds: float, target: str) -> None:
    assert Case("known", "s", 10, 2, loader=(seconds,)).target == target


def test_a_page_without_markers_is_not_changed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ConfigurationError, match="end of bench load"):
        write_bench(LoadBench(1, (Case("known", "s", 10, 2, loader=(1.0,)),), 1, "a machine"), page)
    assert page.read_text() == "nothing"


def test_publications_are_measured_at_each_size(database: Settings) -> None:
    [small, larger] = bench_publish(database, [10_000, 20_000], rounds=1)
    assert (small.rows, larger.rows) == (10_000, 20_000)
    for result in (small, larger):
        assert len(result.next_seconds) == len(result.switch_ms) == 1
        assert len(result.back_seconds) == 3
        assert all(result.ratio(query) > 0 for query in result.queries)


def test_the_year_has_a_sealed_segment_for_each_partition_and_hour(database: Settings) -> None:
    feeds = read_feeds(PROJECT)
    [feed] = [feed for feed in feeds if feed.full_name == "web_shop.order_events"]
    with closing(server.connect(database, application_name="test")) as connection:
        prepare_warehouse(connection, feeds)
        topic = Topic(feed)
        topic.write_hours(connection, 1)
        topic.write_hours(connection, 2)  # goes on where the first call ended
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*), sum(records_read), count(distinct event_id), min(files.status), max(files.status) "
                "from ledger.files left join ledger.file_events using (file_id)"
            )
            assert cursor.fetchone() == (12, 24, 12, "active", "active")
            cursor.execute(
                "select count(distinct _sent_at), max(_sent_at) - min(_sent_at) < '4 hours' "
                "from raw.web_shop__order_events"
            )
            [(times, is_of_three_hours)] = cursor.fetchall()
            assert times > 12 and is_of_three_hours


def test_a_delay_ends_with_the_first_answer_that_has_the_message() -> None:
    looks = [(10.0, {0: 5}), (11.0, {0: 6, 1: 1}), (12.0, {0: 6, 1: 3}), (15.0, {0: 8, 1: 3})]
    acknowledged = [[9.5, 9.75, 13.0], [9.0, 9.0, 11.5]]
    assert list(find_delays(looks, {0: 5}, acknowledged)) == [1.5, 5.25, 2.0, 2.0, 3.0, 0.5]


def test_the_tables_of_a_topic_are_written_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marks = "".join(f"<!-- bench {name} -->\nold\n<!-- end of bench {name} -->\n" for name in ("delay", "year"))
    page.write_text(f"# Before\n{marks}After\n")
    write_year(YearBench(35_040, 9.0, (Command("load", (1.0, 2.0, 4.0), (1.5, 2.0, 4.0)),), "a machine"), page)
    delay = Delay(5.0, 0.5, 4_999.6, tuple(range(200)), 3, {"warehouse stream": Usage(0.5, 0.25, 150_000_000)})
    write_delay(DelayBench(9, True, 1.0, 2.0, (delay,), "a machine"), page)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith("\nAfter\n") and "old" not in text
    assert "| load | 2.00 (1.00 to 4.00) | 2.00 (1.50 to 4.00) | 1.00 | 1.2 |" in text
    assert (
        "| 99.50 s | 198.00 s | 199.00 s | median 6 s, 99 % 10 s | 5,000 | 3 | 0.50 + 0.25 of the server, 150 MB |"
        in text
    )


def test_a_day_on_the_most_rows_is_compared_with_a_day_on_fewer(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench build most -->\nstale\n<!-- end of bench build most -->\n")
    small, most = (
        Measured(
            from_nothing=100 * times,
            day_on_all=[10.0, 16.0 * times, 90.0],
            day_seconds={"quick": 0.5, "slow": 7.0 * times},
            temporary_bytes=times * 1024**2,
            bytes_by_part={"raw": 3_000_000 * times, "marts": 1_000_000 * times},
        )
        for times in (1, 2)
    )
    write_most_bench(MostBench(70_000, 20_000, 10_000, most, small, "a machine"), page)
    text = page.read_text()
    assert "stale" not in text and "holds 70,000 rows" in text and "Ended a machine." in text
    assert "| a day | 32.0 (10.0 to 90.0) | 16.0 (10.0 to 90.0), this | 2.00 | 1.5 | 1.1 | no |" in text
    assert "20,000 rows: 400 bytes a row" in text and "wrote 2 MB" in text
    assert "A day on 20,000 rows, seconds: slow 14.0, quick 0.5." in text


@pytest.mark.broker
def test_streams_are_measured_beside_the_loader_and_a_plain_consumer(
    database: Settings, kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = stream._PEERS["execute_values"]
    monkeypatch.setattr(stream, "_PEERS", {"execute_values": plain, "spark": ("Spark", Path("no/python"))})
    settings = replace(database, kafka_servers=kafka.bootstrap_servers)
    result = bench_stream(settings, messages=3_000, rounds=1, with_peers=True)
    assert result.message_bytes == 200
    [file, *streams, _, _, spark, _] = result.cases
    assert [(case.name, case.partitions, len(case.runs)) for case in result.cases] == [
        ("warehouse load, a file of the same messages", None, 1),
        *[(name, partitions, 1) for name in ("warehouse stream", plain[0]) for partitions in (1, 4)],
        *[("Spark", partitions, 0) for partitions in (1, 4)],
    ]
    for case in streams:
        assert case.ratios == [one.rate / of.rate for one, of in zip(case.runs, file.runs, strict=True)]
        assert all(run.cpu_seconds > 0 for run in case.runs)
        assert 20e6 < case.peak_memory_bytes < stream.MAX_MEMORY_BYTES
    assert "no/python" not in spark.skipped and "make bench-stream" in spark.skipped
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench stream -->\n<!-- end of bench stream -->\nAfter\n")
    write_stream_bench(result, page)
    assert page.read_text().count("| warehouse stream |") == 2 and f"left out, {spark.skipped}" in page.read_text()
    # other tests have topics there, too
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(timeout=30).topics
    assert not [topic for topic in topics if topic.startswith("bench-")]


@pytest.mark.parametrize(("ratio", "target"), [(0.9, "aim"), (0.89, "at least"), (0.6, "at least"), (0.59, "neither")])
def test_the_target_of_a_stream_is_a_share_of_the_loaders_rate(ratio: float, target: str) -> None:
    loader, run = Run(1_000, 1.0, 1.0, 1), Run(1_000, 1 / ratio, 1.0, 1)
    assert stream.Case("warehouse stream", 1, (run,), (loader,)).target == target
    assert stream.Case("Spark", 1, (run,), (loader,)).target == ""


def test_events_of_the_benchmark_are_reproducible_and_have_the_stated_size() -> None:
    events = list(make_events(20_000))
    assert events == list(make_events(20_000))
    assert {len(value) for _, value in events} == {200}
    assert [*json.loads(events[0][1])] == list(stream._COLUMNS)
