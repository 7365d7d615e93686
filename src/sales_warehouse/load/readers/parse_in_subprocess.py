"""Read a foreign format in a process of its own, with bounded memory.

The libraries that read workbooks and Parquet are native code: a few hostile bytes can make them ask for hundreds of
gigabytes and end the process they run in. So they run in one that may end. It is handed the content as an open
file and answers with lines of JSON: the header, the rows as text in groups, and at the end their number.

Run as a program it is that process: ``python -m sales_warehouse.load.readers.parse_in_subprocess OPTIONS``, with the
content on its input.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import IO, Any

from sales_warehouse.feeds.declare import Feed, Unpacking, Workbook
from sales_warehouse.load.inbox.open_file import ContentReader, HashingReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.table_records import Row, TableUnreadable

MAX_MEMORY_BYTES = 2 * 1024**3

# Takes the options of a feed and a content; returns a header and the rows behind it, as JSON can hold them.
OpenTable = Callable[[dict[str, Any], IO[bytes]], tuple[Any, Iterable[Any]]]

_GROUP_ROWS = 1000
_GROUP_CHARACTERS = 256 * 1024
# What the process needs of the surroundings; passwords are not among it.
_SURROUNDINGS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


class ContentReadApart:
    """The rows of a workbook or a Parquet file, in groups as `TableSplitter` takes them.

    Stands in for the file's `ContentReader`: the whole content is read from it, and hashed, before the first row.
    """

    def __init__(
        self, content: ContentReader, feed: Feed, module: str = "sales_warehouse.load.readers.parse_in_subprocess"
    ) -> None:
        """`module` is the program that reads: this one, or another that ends with `serve`."""
        self.delivered: HashingReader = content.delivered
        self._content, self._feed, self._module = content, feed, module
        self._process: subprocess.Popen[bytes] | None = None
        self._complaint: IO[bytes] | None = None
        self._ended = False

    def read(self, size: int = 0) -> bytes:  # noqa: ARG002
        """Return the next group, none at the end. Raises `FileRefused` when the content cannot be read as its format.

        `size` means nothing here: a group is what it is.
        """
        if self._ended:
            return b""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.endswith(b"\n"):
            answer = json.loads(line) if line.startswith(b"{") else {}
            if "refused" in answer:
                raise FileRefused(f"{self._content.name} {answer['refused']}")
            self._ended = "rows" in answer
            return b"" if self._ended else line
        raise FileRefused(
            f"{self._content.name} cannot be read as {self._feed.file_format}: its reader broke off "
            f"({self._tell_end()}). It is damaged, or takes more than {MAX_MEMORY_BYTES // 1024**2:,} MB of memory."
        )

    def __enter__(self) -> "ContentReadApart":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait()
        if self._complaint is not None:
            self._complaint.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        options = {"format": self._feed.file_format, "workbook": asdict(self._feed.workbook)}
        options["unpacking"] = asdict(self._feed.unpacking)
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        with tempfile.TemporaryFile() as spool:
            while block := self._content.read():
                spool.write(block)
            spool.flush()
            spool.seek(0)
            return subprocess.Popen(
                [sys.executable, "-m", self._module, json.dumps(options)],
                stdin=spool,
                stdout=subprocess.PIPE,
                stderr=self._complaint,
                env={name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
                | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            )

    def _tell_end(self) -> str:
        assert self._process is not None
        assert self._complaint is not None
        code = self._process.wait()
        self._complaint.seek(0)
        first = self._complaint.readline(200).decode(errors="replace").strip()
        return first or (f"signal {-code}" if code < 0 else f"exit code {code}")


def _answer(open_table: OpenTable, options: dict[str, Any], content: IO[bytes], out: IO[str]) -> None:
    """Write header, groups of rows and their number; or why the content cannot be read."""
    try:
        header, rows = open_table(options, content)
        _write(out, {"header": header})
        count = 0
        for group in _group(rows):
            _write(out, group)
            count += len(group)
        _write(out, {"rows": count})
    except TableUnreadable as error:
        _write(out, {"refused": str(error)})
    except MemoryError:
        _write(out, {"refused": f"would take more than {MAX_MEMORY_BYTES // 1024**2:,} MB of memory to read."})


def _open_table(options: dict[str, Any], content: IO[bytes]) -> tuple[list[str], Iterable[Row]]:
    # each of these takes its time to be there, and only one is needed
    if options["format"] == "parquet":
        from sales_warehouse.load.readers.read_parquet import read_parquet

        return read_parquet(content)
    from sales_warehouse.load.readers.read_workbook import read_workbook

    return read_workbook(content, options["format"], Workbook(**options["workbook"]), Unpacking(**options["unpacking"]))


def _group(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        if isinstance(row, list):
            size += sum(map(len, filter(None, row)))
        if len(group) == _GROUP_ROWS or size > _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write(out: IO[str], answer: object) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


def serve(open_table: OpenTable) -> None:
    """Be the process that reads: with bounded memory, the options on the command line, the content on the input."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # a system without such limits, or with narrower ones
        pass
    _answer(open_table, json.loads(sys.argv[1]), sys.stdin.buffer, sys.stdout)


if __name__ == "__main__":
    serve(_open_table)
