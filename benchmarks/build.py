"""Measure whole builds: from nothing, of a day, of a correction and of nothing new, beside those of another commit."""

import json
import shutil
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

from psycopg2.extensions import connection as Connection

from benchmarks import PROJECT
from benchmarks.commands import Commands
from benchmarks.days import DAY_ROWS, DayWriter
from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, scratch_database
from benchmarks.page import draw_table, show_range, write_marked
from benchmarks.watch_memory import watch_memory
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.settings import Settings

FEED_FOLDER = "online_retail"
_PUBLICATION = "publish_build()"  # the hook; older trees have another one
_CORRECTED = 50  # one day in so many of history
# a report that reads the fact, and the staging model of the feed
_EDITED = ("marts/reporting/agg_product_sales_daily.sql", "staging/online_retail/stg_online_retail__invoice_lines.sql")

_SIZES = """
select
    case when nspname = 'staging' then 'typed' when nspname ~ '^published' then 'published' else nspname end as part,
    sum(pg_total_relation_size(pg_class.oid))::bigint
from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
where relkind = 'r' and nspname !~ '^pg_|^information_schema$' group by 1 order by 2 desc
"""


@dataclass
class Measured:
    """What one tree took; lists are seconds, a value a round."""

    day_on_tenth: list[float] = field(default_factory=list)
    from_nothing: float = 0
    model_seconds: dict[str, float] = field(default_factory=dict)  # of the build from nothing
    other_seconds: dict[str, float] = field(default_factory=dict)  # of it: tests, seeds and hooks
    day_seconds: dict[str, float] = field(default_factory=dict)  # of everything of the last day on all rows
    publications: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds, by case
    peak_memory_bytes: int = 0  # of the server in that build
    temporary_bytes: int = 0
    day_on_all: list[float] = field(default_factory=list)
    nothing_new: list[float] = field(default_factory=list)
    correction: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    dev: dict[str, float] = field(default_factory=dict)  # of `make dev SAMPLE=30`, by the name of the edited model
    bytes_by_part: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildBench:
    """One run; `other` is None without another tree."""

    rows: int
    csv_bytes: int
    this: Measured
    other: Measured | None
    other_name: str
    free_bytes: int
    machine: str


class Project:
    """A copy of this dbt project, in which one model at a time is edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("models", "seeds", "macros", "tests/dbt"):
            shutil.copytree(PROJECT / part, folder / part)
        for part in ("dbt_project.yml", "selectors.yml", "profiles.yml.example"):
            shutil.copy(PROJECT / part, folder)

    def edit(self, model: str) -> None:
        """Add a comment to this model, a path below models, alone."""
        shutil.copytree(PROJECT / "models", self.folder / "models", dirs_exist_ok=True)
        with (self.folder / "models" / model).open("a", encoding="utf-8") as file:
            file.write("-- edited\n")


class Tree:
    """One checkout with a database of its own."""

    def __init__(self, settings: Settings, project: Path, folder: Path, database: str, measured: Measured) -> None:
        self.database, self.measured = database, measured
        self._settings, self._folder = settings, folder
        self._commands = Commands(settings, database, folder, project)

    def prepare(self) -> None:
        """Make the ledger, which a load makes by itself."""
        self._commands.run("up")

    def load(self) -> None:
        """Load what is new in the inbox."""
        self._commands.run("load", "--settle", "0", "--quiet")

    def build(self, *arguments: str) -> float:
        """Run `dbt build` without unit tests; return its seconds."""
        return self._commands.build(*arguments)

    def build_edited(self, edited: Project, model: str) -> float:
        """Run `make dev SAMPLE=30` in a project with this one edited model; return its seconds."""
        edited.edit(model)
        state = edited.folder / "state"
        state.mkdir(exist_ok=True)
        shutil.copy(self._commands.target / "manifest.json", state)
        commands = Commands(replace(self._settings, project=edited.folder), self.database, self._folder)
        return commands.run(
            *("build", "--quiet", "--target", "dev", "--target-path", str(edited.folder / "target")),
            *("--defer", "--favor-state", "--state", str(state), "--selector", "changed", "--sample", "30 days"),
            program="dbt",
        )

    def read_seconds(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the seconds of each model of the last build, and of all else."""
        target = self._commands.target
        results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
        nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
        models, others = dict[str, float](), dict[str, float]()
        for one in results:
            kind, _, name = one["unique_id"].split(".", 2)
            # a hook has a number for a name
            name = nodes[one["unique_id"]]["raw_code"].strip("{ }") if kind == "operation" else name
            (models if kind == "model" else others)[name] = one["execution_time"]
        return models, others


def bench_build(settings: Settings, rows: int, rounds: int, other: str | None) -> BuildBench:
    """Build a tenth of the rows and days more, then in new databases all of them, a day, nothing and a correction.

    All of it in turn in each tree, and the samples of `make dev` in this tree alone.

    `other` is a commit, which is checked out and installed below a temporary folder. All databases are new, on the
    settings' server, and dropped at the end. Raises `WarehouseError` when a command fails.
    """
    days = max(rows // DAY_ROWS, 10)
    measured = {"this": Measured()} | ({"other": Measured()} if other else {})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        projects = {"this": PROJECT} | ({"other": stack.enter_context(check_out(other, folder))} if other else {})

        with make_trees(settings, projects, folder, measured) as (trees, connections):
            writer = DayWriter(connections["this"], folder / "inbox" / FEED_FOLDER)
            load_days(trees, writer, days // 10)
            for tree in trees.values():
                with err.status(f"[bold]building, {tree.database}"):
                    tree.build()
            time_days(trees, writer, rounds, "day_on_tenth")
        with make_trees(settings, projects, folder, measured) as (trees, connections):
            writer.connect(connections["this"])
            load_days(trees, writer, days - writer.last_day)
            for name, tree in trees.items():
                time_from_nothing(settings, tree, connections[name])
            for connection in connections.values():
                vacuum(connection)
            time_days(trees, writer, rounds, "day_on_all")
            for tree in trees.values():
                models, others = tree.read_seconds()
                tree.measured.day_seconds = models | others
            _time_rounds(trees, rounds, "nothing_new")
            for number in range(rounds):
                writer.write(max(writer.last_day - 365, 1) + number)
                _load(trees)
                _time_rounds(trees, 1, "correction")
            for name, tree in trees.items():
                tree.measured.bytes_by_part = read_sizes(connections[name])
            edited = Project(folder / "edited")
            for model in _EDITED:
                with err.status(f"[bold]make dev SAMPLE=30, {model} edited"):
                    measured["this"].dev[Path(model).stem] = trees["this"].build_edited(edited, model)
            machine = describe_machine(connections["this"])
        with scratch_database(settings, f"{BENCH_DATABASE}_empty"):
            empty = Tree(settings, PROJECT, folder, f"{BENCH_DATABASE}_empty", Measured())
            empty.prepare()
            empty.build("--empty")
            measured["this"].empty = [empty.build("--empty") for _ in range(rounds)]
    free = disk_usage(settings.home).free
    return BuildBench(
        days * DAY_ROWS, writer.bytes, measured["this"], measured.get("other"), other or "", free, machine
    )


@contextmanager
def make_trees(
    settings: Settings, projects: dict[str, Path], folder: Path, measured: dict[str, Measured]
) -> Iterator[tuple[dict[str, Tree], dict[str, Connection]]]:
    """Yield the trees, each with a new database, and connections to these."""
    with ExitStack() as stack:
        trees, connections = dict[str, Tree](), dict[str, Connection]()
        for name, project in projects.items():
            database = BENCH_DATABASE if name == "this" else f"{BENCH_DATABASE}_{name}"
            connections[name] = stack.enter_context(scratch_database(settings, database))
            trees[name] = Tree(settings, project, folder, database, measured[name])
        yield trees, connections


@contextmanager
def check_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out below a folder and install it; the worktree is removed at the end."""
    project = folder / "other"

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WarehouseError(f"{' '.join(map(str, command))} failed.\n{done.stdout}{done.stderr}")

    run("git", "worktree", "add", "--detach", "--force", project, commit)
    try:
        with err.status(f"[bold]installing {commit}"):
            run("make", "--directory", project, "install")
        yield project
    finally:
        run("git", "worktree", "remove", "--force", project)


def _load(trees: dict[str, Tree]) -> None:
    for tree in trees.values():
        with err.status(f"[bold]loading, {tree.database}"):
            tree.load()


def load_days(trees: dict[str, Tree], writer: DayWriter, days: int) -> None:
    """Write so many days more and load all that there are; then correct some of the new ones."""
    first = writer.last_day + 1
    writer.add(days)
    _load(trees)
    for day in range(first, writer.last_day, _CORRECTED):
        writer.write(day)
    _load(trees)


def time_days(trees: dict[str, Tree], writer: DayWriter, rounds: int, case: str) -> None:
    """Add a day so many times and build each; the seconds are added to the list of this name in `Measured`."""
    for _ in range(rounds):
        writer.add(1)
        _load(trees)
        _time_rounds(trees, 1, case)


def _time_rounds(trees: dict[str, Tree], rounds: int, case: str) -> None:
    for _ in range(rounds):
        for tree in trees.values():
            with err.status(f"[bold]{case}, {tree.database}"):
                getattr(tree.measured, case).append(tree.build())
                tree.measured.publications[case].append(tree.read_seconds()[1].get(_PUBLICATION, 0))


def time_from_nothing(settings: Settings, tree: Tree, connection: Connection) -> None:
    """Build a database that has no models yet; note seconds, by node too, and what the server needed."""
    before = _read_temporary_bytes(connection)
    with err.status(f"[bold]from nothing, {tree.database}"), watch_memory(settings) as memory:
        tree.measured.from_nothing = tree.build()
    tree.measured.peak_memory_bytes = memory.peak_bytes
    tree.measured.temporary_bytes = _read_temporary_bytes(connection) - before
    tree.measured.model_seconds, tree.measured.other_seconds = tree.read_seconds()


def _read_temporary_bytes(connection: Connection) -> int:
    with transaction(connection) as cursor:
        cursor.execute("select temp_bytes from pg_stat_database where datname = current_database()")
        [(size,)] = cursor.fetchall()
    return int(size)


def read_sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes on disk of each part of a warehouse, indexes included."""
    with transaction(connection) as cursor:
        cursor.execute(_SIZES)
        return dict(cursor.fetchall())


def vacuum(connection: Connection) -> None:
    """Vacuum and analyse, as autovacuum has long done with the older rows of a real warehouse."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.autocommit = False


HEADER = ("case", "this", "other", "ratio", "at least", "aim", "reached")


def print_build_bench(result: BuildBench) -> None:
    """Print seconds, ratios and targets, and where the build from nothing spent its time."""
    print_table(_title(result), list(HEADER), _rows(result))
    for line in (*_describe(result), *_describe_nodes(result)):
        out.print(line, markup=False)


def write_build_bench(result: BuildBench, path: Path) -> None:
    """Write the table into a page of the docs. Raises `ConfigurationError` when it has no markers."""
    lines = [_title(result), "", *draw_table(HEADER, _rows(result)), "", f"Ended {result.machine}.", ""]
    write_marked(path, "build", [*lines, *(f"- {line}" for line in (*_describe(result), *_describe_nodes(result)))])


def _title(result: BuildBench) -> str:
    rounds = len(result.this.day_on_all)
    return f"{result.rows:,} rows, {DAY_ROWS:,} a day, {rounds} rounds; seconds: median (range)"


def _rows(result: BuildBench) -> list[tuple[str, ...]]:
    this, other = result.this, result.other or Measured()
    size, other_size = sum(this.bytes_by_part.values()), sum(other.bytes_by_part.values())
    common = this.model_seconds.keys() & other.model_seconds.keys()
    shared, other_shared = (sum(it.model_seconds[name] for name in common) for it in (this, other))
    published, published_tenth = (this.publications[case] for case in ("day_on_all", "day_on_tenth"))
    rows = [
        compare("from nothing, all models", [this.from_nothing], [other.from_nothing], (0.45, 0.3)),
        compare("the models that both have, summed", [shared], [other_shared], (0.45, 0.3)),
        compare("a day, on all rows", this.day_on_all, other.day_on_all),
        compare("… beside a day on a tenth of them", this.day_on_all, this.day_on_tenth, (1.3, 1.1), of_this=True),
        compare("… beside a build with nothing new", this.day_on_all, this.nothing_new, (2.0, 1.5), of_this=True),
        compare("the publication of a day, beside on a tenth", published, published_tenth, (1.5, 1.1), of_this=True),
        compare("a corrected day, the first or of a year ago", this.correction, other.correction),
        compare("… beside a new day", this.correction, this.day_on_all, (1.5, 1.1), of_this=True),
        compare("nothing new", this.nothing_new, other.nothing_new),
        compare("… beside an empty build of its own database", this.nothing_new, this.empty, (2.0, 1.3), of_this=True),
        compare("bytes for a byte of CSV", [size / result.csv_bytes], [other_size / result.csv_bytes], (1.0, 0.8)),
    ]  # fmt: skip
    if result.other is None:
        rows = [row for row in rows if "both have" not in row[0]]
    return rows + [_row_of_seconds(f"make dev SAMPLE=30, {name} edited", it, (60, 30)) for name, it in this.dev.items()]


def _row_of_seconds(case: str, seconds: float, targets: tuple[float, float]) -> tuple[str, ...]:
    least, aim = targets
    return (case, f"{seconds:.1f}", "", "", f"{least:g} s", f"{aim:g} s", _reached(seconds, targets))


def _reached(value: float, targets: tuple[float, float]) -> str:
    least, aim = targets
    return "aim" if value <= aim else "at least" if value <= least else "no"


def compare(
    case: str,
    over: Sequence[float],
    under: Sequence[float],
    targets: tuple[float, float] | None = None,
    *,
    of_this: bool = False,
) -> tuple[str, ...]:
    """Return a line of the table, with the ratio of medians and the targets that it must not exceed: at least, aim.

    `of_this`: both are of this tree, and the third column says so.
    """
    if not any(under):
        return (case, show_range(over, 1), "", "", "", "", "")
    ratio = statistics.median(over) / statistics.median(under)
    shown = (f"{show_range(under, 1)}, this" if of_this else show_range(under, 1), f"{ratio:.2f}")
    if targets is None:
        return (case, show_range(over, 1), *shown, "", "", "")
    least, aim = targets
    return (case, show_range(over, 1), *shown, f"{least:g}", f"{aim:g}", _reached(ratio, targets))


def _describe(result: BuildBench) -> list[str]:
    lines = []
    for name, it in (("This tree", result.this), (f"The other ({result.other_name})", result.other)):
        if it is None:
            continue
        parts = ", ".join(f"{part} {size / result.csv_bytes:.2f}" for part, size in it.bytes_by_part.items())
        lines.append(
            f"{name}: bytes for a byte of CSV: {parts}. From nothing the server had at most "
            f"{it.peak_memory_bytes / 1024**2:,.0f} MB of memory, and wrote {it.temporary_bytes / 1024**2:,.0f} MB of "
            "temporary files."
        )
        if it.day_on_tenth:
            medians = [statistics.median(seconds) for seconds in (it.day_on_all, it.day_on_tenth)]
            lines.append(f"{name}: a day on all rows took {medians[0] / medians[1]:.2f} of one on a tenth.")
    per_row = sum(result.this.bytes_by_part.values()) / result.rows
    lines.append(f"80 % of the free disk holds {0.8 * result.free_bytes / per_row / 1e6:,.0f} million rows.")
    return lines


def _describe_nodes(result: BuildBench) -> list[str]:
    lines = []
    for name, it in (("this tree", result.this), ("the other", result.other)):
        if it is not None:
            lines.append(describe_nodes(f"From nothing, {name}", it.model_seconds | it.other_seconds))
            lines.append(describe_nodes(f"A day on all rows, {name}", it.day_seconds))
    return lines


def describe_nodes(case: str, seconds: dict[str, float], most: int = 12) -> str:
    """Name the nodes of a build that took longest."""
    slowest = sorted(seconds.items(), key=lambda item: -item[1])[:most]
    return f"{case}, seconds: {', '.join(f'{node} {s:.1f}' for node, s in slowest)}."
