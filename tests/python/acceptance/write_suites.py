"""Load the suites and write docs/suites.md from what came out: `make suites`.

The suites are looked for in ../shared/data/suites, or where WAREHOUSE_TEST_DATA points. The tables as loaded are
written below target/pollock, in the layout Pollock's own evaluation reads.
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

from load_suites import EQUAL, REFUSED, VERDICTS, WRONG, Verdict, count_by_kind, run_csv_spectrum, run_pollock

from sales_warehouse import server
from sales_warehouse.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs" / "suites.md"
TEXT = """# Suites

Files made to be difficult, by others. Each is a feed of its own, loaded with the dialect its suite declares, and
compared with the suite's right answer record by record. Written by `make suites` on {day}.

## csv-spectrum

{spectrum} of {spectrum_all} equal. The answer of `location_coordinates` names another telephone number than its file;
the file's is taken.

## Pollock

The data-loading benchmark of the Hasso Plattner Institute: one sales file, spoilt in one way at a time. {files} of
its files.

{table}

- **Equal**: every record is loaded, and every value is that of the answer.
- **Equal but for rejects**: every record that is loaded is equal; the others stand in the rejects, with their bytes,
  place and reason. A quote too many is one: where the answer takes it for text, a person decides.
- **Refused as a whole**: the header itself is broken, or stands in the middle of the file once more, which is then two
  files. Nothing of it is loaded, the ledger says why.
- **Wrong in silence**: anything else. With quotes inside a field taken for text (`stray_quotes: text`) five files of
  `row_less_sep` would be among these: two quoted fields without a delimiter between them become one.

Refused were:

{refused}

The tables as loaded are in `target/pollock/`, as `<name>.csv_converted.csv`, for Pollock's own evaluation.
"""


def main() -> int:
    """Run both suites on a server of their own; return 1 when a file came out wrong in silence."""
    suites = Path(os.environ.get("WAREHOUSE_TEST_DATA", PROJECT.parent / "shared" / "data")) / "suites"
    if not suites.is_dir():
        print(f"The suites are not in {suites}. Name the folder above with WAREHOUSE_TEST_DATA.")
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
    PAGE.write_text(write_page(spectrum, pollock), encoding="utf-8")
    totals = Counter(verdict.verdict for verdict in [*spectrum, *pollock])
    print(f"Wrote {PAGE.relative_to(PROJECT)}: " + ", ".join(f"{totals[verdict]} {verdict}" for verdict in VERDICTS))
    return 1 if totals[WRONG] else 0


def write_page(spectrum: Sequence[Verdict], pollock: Sequence[Verdict]) -> str:
    """Return the page of both suites."""
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
    )


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
