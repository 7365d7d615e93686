"""Reading ahead where there is no memory for a thread."""

import threading

import pytest

from sales_warehouse.cli import main as cli
from sales_warehouse.load.copy_records import read_ahead


def test_a_failed_thread_start_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python raises RuntimeError, which would end the load as a defect."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(MemoryError, match="thread"), read_ahead(iter([1])):
        pass


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(MemoryError(), 1, "out of memory"), (SystemExit(130), 130, "Stopped."), (SystemExit(2), 2, "")],
)
def test_the_command_reports_the_reason_of_its_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    def app(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.run([])
    assert ended.value.code == code
    said = capfd.readouterr().err
    assert words in said
    assert bool(said) == bool(words)
