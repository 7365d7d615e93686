"""Make all faults and write docs/reference/fault-matrix.md from the results: `make faults`.

Ends with 1 if a state after a fault is not that of an undisturbed run.
"""

import platform
import queue
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg2
from rich.console import Console
from rich.progress import Progress

import sales_warehouse
from all_faults import DISK_FAULTS, FAULTS, Fault
from checkout import PROJECT
from run_fault import Judge, Row
from small_disk import small_disk
from stage import Ended, Stage, make_stage

AnyRow = TypeVar("AnyRow")

PAGE = PROJECT / "docs" / "reference" / "fault-matrix.md"
SERVER_DISK_MEGABYTES = 600

# The lines of the loader's output that are about the fault.
_SHOWN_LINES = re.compile(r"^(error:|Stopped|RuntimeError|growing|unreadable|.*Trying again|Another loader)")
_VARYING_PARTS = (
    (re.compile(r"(?:/[\w .()-]+){2,}"), "…"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "PORT"),
    (re.compile(r"port \d+"), "port PORT"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC( \[\d+\])?"), ""),
    (re.compile(r" \(since [^)]*\)"), ""),
    (re.compile(r"(relation|database|Process|process|transaction|PID|tuple) \d+(/\d+)?"), r"\1 N"),
    (re.compile(r"in \d+\.\d s"), "in … s"),
    (re.compile(r"orders-\d+"), "orders"),
)


def main() -> int:
    """Run all faults; return the exit code."""
    console = Console()
    rows: list[Row] = []
    everything = (*FAULTS, *DISK_FAULTS)
    with Progress(console=console) as progress:
        task = progress.add_task("faults", total=len(everything))
        for row in _run_all():
            rows.append(row)
            mark = "not run" if row.not_run else "[green]equal[/green]" if row.is_right else "[red]WRONG[/red]"
            progress.console.print(f"{mark} {row.fault.name}, {row.fault.when} ({row.seconds:.1f} s)")
            if not row.is_right:
                progress.console.print(f"    {row.between}\n    {row.afterwards}", markup=False, soft_wrap=True)
            progress.advance(task)
    rows.sort(key=lambda row: everything.index(row.fault))
    PAGE.write_text(write_page(rows), encoding="utf-8")
    wrong = sum(not row.is_right for row in rows)
    console.print(f"{len(rows)} faults, {wrong} wrong. Written: {PAGE.relative_to(PROJECT)}")
    return 1 if wrong else 0


def _run_all() -> Iterator[Row]:
    """Run the faults in three groups, each with a server of its own."""
    slow = tuple(fault for fault in FAULTS if fault.slow)
    lots = (
        lambda: _run_on_a_stage(tuple(fault for fault in FAULTS if not fault.slow)),
        lambda: _run_on_a_stage(slow),
        _run_on_a_small_disk,
    )
    return run_lots(lots)


def run_lots(lots: Sequence[Callable[[], Iterator[AnyRow]]]) -> Iterator[AnyRow]:
    """Run lots of faults in parallel; yield rows as they finish."""
    rows: queue.SimpleQueue[AnyRow | None] = queue.SimpleQueue()

    def run(lot: Callable[[], Iterator[AnyRow]]) -> None:
        try:
            for row in lot():
                rows.put(row)
        finally:
            rows.put(None)

    with ThreadPoolExecutor(len(lots)) as pool:
        running = [pool.submit(run, lot) for lot in lots]
        for _ in lots:
            while (row := rows.get()) is not None:
                yield row
        for lot in running:
            lot.result()


def _run_on_a_stage(faults: tuple[Fault, ...]) -> Iterator[Row]:
    with make_stage() as stage:
        yield from _run_each(stage, faults)


def _run_on_a_small_disk() -> Iterator[Row]:
    if reason := DISK_FAULTS[0].why_not():
        yield from (Row(fault, not_run=reason) for fault in DISK_FAULTS)
        return
    folder = Path(tempfile.mkdtemp(prefix="warehouse-faults-"))
    try:
        with small_disk(folder / "home", SERVER_DISK_MEGABYTES), make_stage(folder) as stage:
            yield from _run_each(stage, DISK_FAULTS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_each(stage: Stage, faults: tuple[Fault, ...]) -> Iterator[Row]:
    judge = Judge(stage)
    for fault in faults:
        try:
            yield judge.run(fault)
        except Exception as error:  # one fault that cannot be made must not hide the results of the others
            yield Row(fault, between="not known", afterwards=f"{type(error).__name__}: {error}")


def write_page(rows: list[Row]) -> str:
    """Return the page as Markdown."""
    wrong = sum(not row.is_right for row in rows)
    left_out = sum(row.not_run is not None for row in rows)
    right = len(rows) - wrong - left_out
    versions = (
        f"sales-warehouse {sales_warehouse.__version__}, Python {platform.python_version()}, "
        f"psycopg2 {psycopg2.__version__.split()[0]}, {platform.system()}"
    )
    lines = [
        "# Fault matrix",
        "",
        f"Written by `make faults` on {datetime.now(UTC):%Y-%m-%d} from what it had just run: {versions}. "
        f"{len(rows)} faults: {right} right, {wrong} wrong, {left_out} not run here.",
        "",
        "Each row: a real `warehouse load` of seven files (packed, corrected with a new column, duplicate, two "
        "refused, JSON Lines, valid; with rejects) on a real server, stopped at the named instant while the fault is "
        "made.",
        "",
        "- *Before the rerun*: how many of the files were loaded when that load had ended. Each was compared with the "
        "state before and the state after; *whole* means that each file was in one of these states.",
        "- *Afterwards*: the same command was run again. *equal* means that ledger, events, raw rows, rejects and "
        "skipped lines are those of an undisturbed run, byte for byte, except ids and times.",
        "- Exit code 1 is that of an undisturbed load too, as two of the files are refused.",
        "",
        "| fault | when | the loader | before the rerun | afterwards | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.not_run is not None:
            cells = [row.fault.name, row.fault.when, f"not run here: {row.not_run}", "", "", ""]
        else:
            cells = [
                row.fault.name,
                row.fault.when,
                say_ending(row.ended),
                row.between,
                row.afterwards if row.is_right else f"**wrong**: {row.afterwards}",
                f"{row.seconds:.1f}",
            ]
        lines.append(f"| {' | '.join(as_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def say_ending(ended: Ended | None, shown_lines: re.Pattern[str] = _SHOWN_LINES) -> str:
    """Return how a command ended, with the first and the last line about the fault."""
    if ended is None:
        return "did not end"
    said = [line.strip().rstrip(".") for line in ended.text.splitlines() if shown_lines.match(line)]
    # the same reason after every attempt: the first and the last are enough
    shown = list(dict.fromkeys(said[:1] + said[-1:]))
    if len(said) > len(shown) + 1 and len(shown) > 1:
        shown.insert(1, "…")
    return ". ".join([ended.exit, *shown])


def as_cell(text: str) -> str:
    """Return a text as a cell of a table, without what differs from run to run."""
    for pattern, instead in _VARYING_PARTS:
        text = pattern.sub(instead, text)
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 260 else text[:260].rstrip() + " …"


if __name__ == "__main__":
    sys.exit(main())
