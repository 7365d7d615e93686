"""Load the suites and the field cases and write docs/reference/suites.md from the results: `make suites`.

They are in the folders `suites` and `field` of ../shared/data, or of WAREHOUSE_TEST_DATA. The tables as loaded are
written to target/pollock, in the layout of Pollock's own evaluation.
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from field_cases import FieldCases, run_field_cases
from load_suites import EQUAL, REFUSED, VERDICTS, WRONG, Verdict, count_by_kind, run_csv_spectrum, run_pollock

from sales_warehouse import server
from sales_warehouse.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs" / "reference" / "suites.md"
TEXT = """# Suites

Difficult files made by others, and small files made after public reports. Each file of a suite is a feed of its own,
loaded with the dialect that its suite declares, and compared record by record with the answer of the suite.
Written by `make suites` on {day}.

## csv-spectrum

{spectrum} of {spectrum_all} equal. The answer of `location_coordinates` has another telephone number than its file;
the number of the file is used.

## Pollock

The data-loading benchmark of the Hasso Plattner Institute: one sales file, corrupted in one way at a time. {files} of
its files.

{table}

- **Equal**: every record is loaded, and every value equals the answer.
- **Equal but for rejects**: every loaded record is equal; the others are rejects, with their bytes, place and
  reason. A surplus quote is an example: the answer takes it for text, and here a person decides.
- **Refused as a whole**: the header itself is broken, or occurs again in the middle of the file, which is two files
  then. Nothing of it is loaded, and the ledger has the reason.
- **Silently wrong**: anything else. If quotes inside a field were text (`stray_quotes: text`) five files of
  `row_less_sep` would be among these: two quoted fields without a delimiter between them become one.

Refused files:

{refused}

The tables as loaded are in `target/pollock/`, as `<name>.csv_converted.csv`, for Pollock's own evaluation.

## Field cases

Small files made after public reports of loads that went wrong. {right} of {cases} folders have the right outcome. Each
line is a test of `make accept`.

{field}
"""


def main() -> int:
    """Run the suites on a server of their own, and the field cases; return 1 if a file is silently wrong."""
    data = Path(os.environ.get("WAREHOUSE_TEST_DATA", PROJECT.parent / "shared" / "data"))
    suites, field = data / "suites", data / "field"
    if not (suites.is_dir() and field.is_dir()):
        print(f"{data} has no folders suites and field. Name another folder with WAREHOUSE_TEST_DATA.")
        return 2
    home = Path(tempfile.mkdtemp(prefix="warehouse-suites-"))
    home.chmod(0o755)  # the server's own user must be able to enter
    settings = Settings(project=home, home=home / "home", inbox=home / "inbox")
    inboxes = [home / "inbox" / name for name in ("spectrum", "pollock")]
    for inbox in inboxes:
        inbox.mkdir(parents=True)
    try:
        server.up(settings)
        with closing(server.connect(settings, application_name="suites")) as connection:
            spectrum = run_csv_spectrum(connection, suites / "csv-spectrum", inboxes[0])
            pollock = run_pollock(connection, suites / "pollock", inboxes[1], PROJECT / "target" / "pollock")
    finally:
        server.down(settings)
        shutil.rmtree(home)
    folders = sorted(path.name for path in field.iterdir() if path.is_dir())
    cases = run_field_cases(Path(__file__).parent)
    wrong = [folder for folder in folders if not cases.are_right(folder)]
    PAGE.write_text(write_page(spectrum, pollock, folders, cases), encoding="utf-8")
    totals = Counter(verdict.verdict for verdict in [*spectrum, *pollock])
    print(f"Wrote {PAGE.relative_to(PROJECT)}: " + ", ".join(f"{totals[verdict]} {verdict}" for verdict in VERDICTS))
    print(
        f"Field cases: {len(folders) - len(wrong)} of {len(folders)} right"
        + "".join(f"; {name} is not" for name in wrong)
    )
    return 1 if totals[WRONG] or wrong else 0


def write_page(
    spectrum: Sequence[Verdict], pollock: Sequence[Verdict], folders: Sequence[str], cases: FieldCases
) -> str:
    """Return the page of the suites and the field cases."""
    return TEXT.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        spectrum=sum(verdict.verdict == EQUAL for verdict in spectrum),
        spectrum_all=len(spectrum),
        files=len(pollock),
        table=_write_table(pollock),
        refused="\n".join(
            f"- `{verdict.name}`: {(verdict.message or '').partition('. ')[0]}."
            for verdict in pollock
            if verdict.verdict == REFUSED
        ),
        right=sum(map(cases.are_right, folders)),
        cases=len(folders),
        field=_write_cases(folders, cases),
    )


def _write_cases(folders: Sequence[str], cases: FieldCases) -> str:
    lines = ["| folder | outcome | right |", "| --- | --- | --- |"]
    for folder in folders:
        for name in cases.tests.get(folder, ["no test"]):
            outcome = name.removeprefix("test_").replace("_", " ")
            lines.append(f"| `{folder}` | {outcome} | {'yes' if name in cases.passed else 'no'} |")
    return "\n".join(lines)


def _write_table(verdicts: Sequence[Verdict]) -> str:
    counts = count_by_kind(verdicts)
    total = sum(counts.values(), Counter())
    rows = [
        ["kind of corruption", "files", *VERDICTS],
        ["---"] * (2 + len(VERDICTS)),
        *(_write_row(f"`{kind}`", count) for kind, count in sorted(counts.items())),
        _write_row("**all**", total),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _write_row(name: str, count: Counter[str]) -> list[str]:
    return [name, str(count.total()), *(str(count[verdict] or "") for verdict in VERDICTS)]


if __name__ == "__main__":
    sys.exit(main())
