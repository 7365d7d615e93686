"""Make all faults of streams and write docs/reference/fault-matrix-streams.md: `make faults-stream`.

With a regular expression only the faults whose name and moment match are made, and nothing is written. Ends with 1 if a
state after a fault is not that of an undisturbed run.
"""

import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka
import psycopg2
from rich.console import Console
from rich.progress import Progress

import sales_warehouse
from all_stream_faults import FAULTS, StreamFault
from checkout import PROJECT
from run_faults import as_cell, run_lots, say_ending
from run_stream_fault import StreamRow, run_fault
from sales_warehouse.broker.libraries import kafka_version
from small_disk import mounted, why_no_small_disk
from stream_stage import make_stream_stage

PAGE = PROJECT / "docs" / "reference" / "fault-matrix-streams.md"
DISK_MEGABYTES = 600
_WORTH_TWO_LOTS = 20  # faults: a server and a broker take some time to start
_SHOWN_LINES = re.compile(r"^(error:|Lost:|Stopped:|Loaded [1-9]|The (database|Kafka|topic))")
BEGIN, END = "<!-- matrix: written by make faults-stream -->", "<!-- end of matrix -->"


def main() -> int:
    """Run the faults; return the exit code."""
    console = Console()
    pattern = re.compile(sys.argv[1]) if len(sys.argv) > 1 else None
    chosen = [fault for fault in FAULTS if pattern is None or pattern.search(f"{fault.name}, {fault.when}")]
    rows: list[StreamRow] = []
    with Progress(console=console) as progress:
        task = progress.add_task("faults", total=len(chosen))
        for row in run_lots(_make_lots(chosen)):
            rows.append(row)
            mark = "not run" if row.not_run else "[green]equal[/green]" if row.is_right else "[red]WRONG[/red]"
            progress.console.print(f"{mark} {row.fault.name}, {row.fault.when} ({row.seconds:.1f} s)")
            if not row.is_right:
                progress.console.print(f"    {row.between}\n    {row.afterwards}", markup=False, soft_wrap=True)
            progress.advance(task)
    rows.sort(key=lambda row: FAULTS.index(row.fault))
    wrong = sum(not row.is_right for row in rows)
    console.print(f"{len(rows)} faults, {wrong} wrong.")
    if pattern is None:
        text = PAGE.read_text(encoding="utf-8")
        matrix = f"{BEGIN}\n\n{write_matrix(rows)}\n\n{END}"
        PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: matrix, text, flags=re.DOTALL), encoding="utf-8")
        console.print(f"Written: {PAGE.relative_to(PROJECT)}")
    return 1 if wrong or not rows else 0


def _make_lots(chosen: Sequence[StreamFault]) -> list[Callable[[], Iterator[StreamRow]]]:
    """Return lots, each with a server and a broker of its own; most of their time is waiting."""
    slow = [fault for fault in chosen if fault.slow]
    others = [fault for fault in chosen if not fault.slow]
    lots = [slow, others] if len(others) < _WORTH_TWO_LOTS else [slow, others[::2], others[1::2]]
    return [lambda lot=lot: _run_lot(lot) for lot in lots if lot]  # type: ignore[misc]


def _run_lot(faults: Sequence[StreamFault]) -> Iterator[StreamRow]:
    root = Path(tempfile.mkdtemp(prefix="warehouse-faults-"))
    root.chmod(0o755)
    folder = root / "disk"
    folder.mkdir()
    try:
        if why_no_small_disk() is None:
            with mounted(folder, DISK_MEGABYTES):
                yield from _run_each(folder, faults)
        else:
            yield from _run_each(folder, faults)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _run_each(folder: Path, faults: Sequence[StreamFault]) -> Iterator[StreamRow]:
    with make_stream_stage(folder) as stage:
        for fault in faults:
            try:
                yield run_fault(stage, fault)
            except Exception as error:  # one fault that cannot be made must not hide the results of the others
                stage.mend()
                yield StreamRow(fault, between="not known", afterwards=f"{type(error).__name__}: {error}")


def write_matrix(rows: Sequence[StreamRow]) -> str:
    """Return the matrix as Markdown."""
    wrong = sum(not row.is_right for row in rows)
    left_out = sum(row.not_run is not None for row in rows)
    lines = [
        f"Written by `make faults-stream` on {datetime.now(UTC):%Y-%m-%d} from what it had just run: sales-warehouse "
        f"{sales_warehouse.__version__}, Python {platform.python_version()}, Apache Kafka {kafka_version()}, "
        f"confluent-kafka {confluent_kafka.__version__}, psycopg2 {psycopg2.__version__.split()[0]}, "
        f"{platform.system()}. {len(rows)} faults: {len(rows) - wrong - left_out} right, {wrong} wrong, {left_out} "
        "not run here.",
        "",
        "| fault | when | the consumer | before the next one | afterwards | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.not_run is not None:
            cells = [row.fault.name, row.fault.when, f"not run here: {row.not_run}", "", "", ""]
        else:
            cells = [
                row.fault.name,
                row.fault.when,
                say_ending(row.ended, _SHOWN_LINES),
                row.between,
                row.afterwards if row.is_right else f"**wrong**: {row.afterwards}",
                f"{row.seconds:.1f}",
            ]
        lines.append(f"| {' | '.join(as_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
