"""What the progress display does with what it is told."""

import pytest

from sales_warehouse.load.outcome import Outcome
from sales_warehouse.show.load_progress import LoadProgress


def test_a_name_that_looks_like_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich ended the load with an error at a closing tag that was never opened."""
    with LoadProgress() as progress:
        progress.say("lost ([/red])")
        progress.finish_file(Outcome("shop/[/x] [bold].csv", "shop.lines", "refused", message="no [/key]"))
    said = capsys.readouterr().err
    assert "lost ([/red])" in said
    assert "refused shop/[/x] [bold].csv: no [/key]" in said


def test_files_of_an_earlier_attempt_count_too() -> None:
    with LoadProgress(quiet=True) as progress:
        progress.start(5, 100)
        progress.finish_file(Outcome("a", "shop.lines", "active"))
        progress.start(4, 80)
        progress.finish_file(Outcome("b", "shop.lines", "active"))
        assert progress._bar.tasks[0].fields["files"] == "2/5"
