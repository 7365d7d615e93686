"""How the progress display shows messages and items."""

import subprocess
import sys

import pytest

from sales_warehouse.cli.console import RichReporter, report_progress
from sales_warehouse.cli.daily import print_load_report
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadReport


def test_a_name_that_looks_like_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich ended the load with an error about a closing tag that was never opened."""
    refused = Outcome("shop/[/x] [bold].csv", "shop.lines", "refused", message="no [/key]")
    with report_progress("load") as reporter:
        reporter.say("lost ([/red])")
        reporter.finish(refused)
    print_load_report(LoadReport(outcomes=[refused]))
    said = capsys.readouterr()
    assert said.err == "lost ([/red])\n"
    assert said.out.count("refused shop/[/x] [bold].csv: no [/key]\n") == 1


def test_a_refused_file_leaves_no_bare_event_on_a_pipe() -> None:
    """Python's last resort printed the event of the log, the word `file`, for each refused file."""
    program = "import sales_warehouse.load.retry as r, logging; r.log.warning('file')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_files_of_an_earlier_attempt_count_too() -> None:
    reporter = RichReporter("load")
    reporter.start(5, 100)
    reporter.finish(Outcome("a", "shop.lines", "active"))
    reporter.start(4, 80)
    reporter.advance(20, 7)
    reporter.finish(Outcome("b", "shop.lines", "active"))
    [task] = reporter.bar.tasks
    assert (task.completed, task.total) == (20, 80)
    assert reporter.describe(task).startswith("20 bytes/80 bytes  2/5 files  7 records  ")


def test_the_bar_counts_nodes_where_no_bytes_are_read() -> None:
    reporter = RichReporter("dbt build")
    reporter.begin("reading the project")
    [task] = reporter.bar.tasks
    assert (task.visible, task.total, reporter.describe(task).strip()) == (True, None, "reading the project")
    reporter.start(3)
    reporter.begin("model marts.dim_dates")
    reporter.finish(None)
    assert (task.completed, task.total) == (1, 3)
    assert reporter.describe(task) == "1/3  model marts.dim_dates"


def test_a_quiet_reporter_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with report_progress("load", quiet=True) as reporter:
        reporter.say("waiting")
        reporter.start(1, 1)
        reporter.finish(Outcome("a", "shop.lines", "refused"))
    assert capsys.readouterr() == ("", "")
