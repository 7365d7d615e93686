"""Parse workbooks and Parquet in a subprocess with bounded memory.

The libraries for these formats are native code: a few hostile bytes can make them request hundreds of gigabytes and end
their process. Run as a program this module is the subprocess: ``python -m … OPTIONS``, with the content on standard
input. It answers with lines of JSON: the header, the rows as text in groups, and at the end their number.
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
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.table_records import Row, TableUnreadable

MAX_MEMORY_BYTES = 2 * 1024**3

# Takes the options of a feed and a content; returns a header and the rows after it, as JSON can write them.
OpenTable = Callable[[dict[str, Any], IO[bytes]], tuple[Any, Iterable[Any]]]

_GROUP_ROWS = 1000
_GROUP_CHARACTERS = 256 * 1024
# The environment of the subprocess; no passwords.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


class SubprocessContent:
    """The rows of a workbook or a Parquet file, in groups. The whole content is read before the first row."""

    def __init__(self, content: ContentReader, feed: Feed, module: str = __name__) -> None:
        """`module` is the program that parses: this one, or another that ends with `serve`."""
        self.delivered = content.delivered
        self._content, self._feed, self._module = content, feed, module
        self._process: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        self._ended = False

    def blocks(self) -> Iterator[bytes]:
        """Return the groups that are left."""
        return iter(self.read, b"")

    def read(self) -> bytes:
        """Return the next group, none at the end. Raises `FileRefused` when the content is not of its format."""
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
            f"{self._content.name} cannot be read as {self._feed.file_format}: its parser ended early "
            f"({self._describe_end()}). The file is damaged, or takes more than {MAX_MEMORY_BYTES // 1024**2:,} MB of "
            "memory. Ask for it again."
        )

    def __enter__(self) -> "SubprocessContent":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait()
        self._errors.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        options = {
            "format": self._feed.file_format,
            "workbook": asdict(self._feed.workbook),
            "unpacking": asdict(self._feed.unpacking),
        }
        with tempfile.TemporaryFile() as spool:
            spool.writelines(self._content.blocks())
            spool.flush()
            spool.seek(0)
            return subprocess.Popen(
                [sys.executable, "-m", self._module, json.dumps(options)],
                stdin=spool,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
                | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            )

    def _describe_end(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        self._errors.seek(0)
        first = self._errors.readline(200).decode(errors="replace").strip()
        return first or (f"signal {-code}" if code < 0 else f"exit code {code}")


def serve(open_table: OpenTable) -> None:
    """Be the subprocess: with bounded memory, the options on the command line, the content on standard input."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # a system without such limits, or with lower ones
        pass
    try:
        header, rows = open_table(json.loads(sys.argv[1]), sys.stdin.buffer)
        _write({"header": header})
        count = 0
        for group in _group(rows):
            _write(group)
            count += len(group)
        _write({"rows": count})
    except TableUnreadable as error:
        _write({"refused": str(error)})
    except MemoryError:
        _write({"refused": f"would take more than {MAX_MEMORY_BYTES // 1024**2:,} MB of memory to read."})
    except Exception as error:  # the libraries raise errors of any kind; a traceback helps no person
        what = f"{type(error).__name__}: {error}".split("\n", 1)[0][:300]
        _write({"refused": f"cannot be read: its parser ended with {what}. Ask for it again, or for another format."})


def _open_table(options: dict[str, Any], content: IO[bytes]) -> tuple[list[str], Iterable[Row]]:
    # each import is slow, and only one is needed
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


def _write(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(_open_table)
