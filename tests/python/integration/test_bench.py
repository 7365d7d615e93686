"""The benchmark measures what it says, and leaves nothing behind."""

from contextlib import closing
from pathlib import Path

from sales_warehouse import server
from sales_warehouse.bench.load import bench_load, write_bench_file
from sales_warehouse.settings import Settings


def test_each_round_has_a_time_of_both_and_the_ratio_is_theirs(database: Settings) -> None:
    result = bench_load(database, rows=20_000, rounds=3, small_files=20, known_files=30)
    for case in result.cases[:2]:
        assert len(case.loader) == len(case.copy) == 3
        assert case.ratios == [loader / copy for loader, copy in zip(case.loader, case.copy, strict=True)]
    assert result.cases[0].copy == result.cases[1].copy
    assert [case.unit for case in result.cases] == ["rows/s", "rows/s", "files/s", "s"]
    assert all(min(case.loader) > 0 for case in result.cases)
    with closing(server.connect(database, application_name="test")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_database where datname = 'warehouse_bench'")
        assert cursor.fetchone() == (0,)


def test_the_file_is_the_same_every_time_and_as_wide_as_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_bench_file(tmp_path / name, 30_000)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = (tmp_path / "a").read_text().splitlines()
    assert len(lines) == 30_001
    assert {line.count(",") for line in lines} == {15}
    assert 120 < sum(map(len, lines[1:])) / 30_000 + 1 < 132
