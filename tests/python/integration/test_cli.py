"""The command line for people and programs: text, JSON, CSV, exit codes."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from decimal import Decimal
from pathlib import Path

import pytest

from checkout import BIN, PROJECT, Checkout

ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINE = "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"


@pytest.fixture(scope="module")
def inbox(checkout: Checkout) -> Path:
    checkout.warehouse("up")
    folder = Path(checkout.variables["WAREHOUSE_INBOX"])
    (folder / "online_retail").mkdir()
    (folder / "online_retail" / "2010-12-01.csv").write_text(HEADER + LINE * 200 + "broken\n")
    (folder / "notes.txt").write_text("not for us")
    return folder


def test_load_reports_loaded_and_unmatched_files(checkout: Checkout, inbox: Path) -> None:
    printed = checkout.warehouse("load", "--settle", "0")
    [line] = [line for line in printed.splitlines() if "online_retail.invoice_lines" in line]
    assert line.split()[1:] == ["1", "0", "0", "0", "201", "200", "1", "0"]
    assert "Left alone, as no feed declares them (1 file): notes.txt" in printed
    assert "Nothing new: the ledger knows all of the inbox (1 file)." in checkout.warehouse("load", "--settle", "0")


def test_load_prints_its_report_as_json(checkout: Checkout, inbox: Path) -> None:
    (inbox / "online_retail" / "2010-12-02.csv").write_text(HEADER + LINE.replace("12-01", "12-02"))
    done = checkout.run("warehouse", "load", "--settle", "0", "--json")
    report = json.loads(done.stdout)
    assert report["totals"] == {
        "files": {"active": 1}, "records_read": 1, "records_loaded": 1, "rows_loaded": 1,
        "rows_rejected": 0, "rows_skipped": 0,
    }  # fmt: skip
    assert (report["unchanged"], report["unmatched"]) == (1, ["notes.txt"])
    assert report["files"][0]["tally"] == {"read": 1, "loaded": 1, "rejected": 0, "skipped": 0, "rows": 1}


def test_quiet_prints_nothing_on_success(checkout: Checkout, inbox: Path) -> None:
    done = checkout.run("warehouse", "load", "--settle", "0", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_the_load_sales_script_runs_the_same_load(checkout: Checkout, inbox: Path) -> None:
    script = [sys.executable, str(PROJECT / "scripts" / "load_sales.py")]
    done = checkout.run(*script, "--settle", "0")
    assert "Nothing new" in done.stdout


def test_files_and_rejects_show_the_ledger(checkout: Checkout, inbox: Path) -> None:
    rows = json.loads(checkout.warehouse("files", "--json"))
    assert [(row["uri"], row["status"], row["rows_loaded"]) for row in rows] == [
        ("online_retail/2010-12-01.csv", "active", 200),
        ("online_retail/2010-12-02.csv", "active", 1),
    ]
    assert "There are none." in checkout.warehouse("files", "--status", "refused")
    assert "1 of 2; --limit shows more" in checkout.warehouse("files", "--limit", "1")
    [reject] = json.loads(checkout.warehouse("rejects", "online_retail/2010-12-01.csv", "--json"))
    assert (reject["reason"], reject["raw"], reject["line_number"]) == ("too_few_fields", "broken", 202)
    assert "1 fields where the header has 8" in checkout.warehouse("rejects", "1")
    assert "There are none." in checkout.warehouse("rejects", "2")


def test_load_exits_with_1_while_a_refused_file_is_in_the_inbox(checkout: Checkout, inbox: Path) -> None:
    path = inbox / "online_retail" / "2010-12-03.csv"
    path.write_text(HEADER + "broken\n")
    for words in ("refused", "still refused"):
        done = checkout.run("warehouse", "load", "--settle", "0", check=False)
        assert done.returncode == 1
        assert words in done.stdout
        assert "online_retail/2010-12-03.csv" in done.stdout
    path.unlink()
    assert checkout.run("warehouse", "load", "--settle", "0").returncode == 0


def test_sql_prints_a_table_or_exact_csv(checkout: Checkout, inbox: Path) -> None:
    query = "select 1.10::numeric(9, 4) as a, null::text as b, 'x,\"y' as c, 0.0000::numeric(9, 4) as d, true as e"
    assert checkout.warehouse("sql", query, "--csv") == 'a,b,c,d,e\n1.1000,,"x,""y",0.0000,t\n'
    assert "1.1000" in checkout.warehouse("sql", query)
    assert Decimal(checkout.value("select count(*) from raw.online_retail__invoice_lines")) == 201


def run_on_terminal(checkout: Checkout, width: int, *command: str) -> str:
    """Run `warehouse` on a terminal of this width; return the text that the terminal received."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in checkout.environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [BIN / "warehouse", *command], cwd=checkout.project, env=environment | {"TERM": "xterm"}, stdin=theirs,
        stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 4096):
            written += block
    except OSError:  # Linux reports the end of a terminal with this error
        pass
    os.close(ours)
    assert process.wait() == 0
    return ESCAPE_SEQUENCE.sub("", written.decode()).replace("\r", "")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_a_real_terminal(checkout: Checkout, inbox: Path, width: int) -> None:
    for command in ("files", "rejects", "status"):
        printed = run_on_terminal(checkout, width, command)
        assert [line for line in printed.splitlines() if len(line) > width] == []
        assert "─" * 20 in printed
    query = "select 12345678 as first, " + ", ".join(f"'{letter * 30}' as {letter}" for letter in "bcdefghi")
    printed = run_on_terminal(checkout, width, "sql", query)
    assert [line for line in printed.splitlines() if len(line) > width] == []
    assert "12,345,678" in printed
    assert "show all with --csv or in a wider terminal" in " ".join(printed.split())
    assert "i" * 30 in checkout.warehouse("sql", query)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("sql", "select nonsense"), 2, 'column "nonsense" does not exist'),
        (("sql", "delete from ledger.rejects"), 2, "cannot open DELETE query as cursor"),
        (("sql", "delete from ledger.rejects returning 1"), 2, "read-only"),
        (("sql", "select 1; drop schema ledger cascade"), 2, "multi"),
        (("sql", "commit; drop schema ledger cascade"), 2, "cannot open"),
        (("sql", "select setval('ledger.files_file_id_seq', 1)"), 2, "read-only"),
        (("sql",), 2, "Missing argument"),
        (("load", "--inbox", "/nowhere/at/all"), 2, "is no directory"),
        (("load", "--feed", "shop.tills"), 2, "Declared are: city_stores.receipt_lines"),
        (("sample", "--days", "1"), 2, "14"),
        (("nonsense",), 2, "No such command"),
        (("load", "--restore", "1"), 2, "`warehouse load --restore` is replaced by `warehouse restore FILE`."),
        (("rejects", "1", "--export=out.csv"), 2, "replaced by `warehouse export FILE PATH`"),
        (("rejects", "1", "--export", "out.csv", "--force"), 2, "replaced by `warehouse export FILE PATH`"),
        (("status", "--feeds"), 2, "replaced by `warehouse feeds`"),
        (("explain", "--between", "1", "2"), 2, "replaced by `warehouse changes N M`"),
        (("explain", "--inbox", "x"), 2, "replaced by `WAREHOUSE_INBOX=DIR warehouse explain …`"),
        (("bench", "load"), 2, "`warehouse bench` is replaced by `make bench`."),
        (("down",), 2, "PGHOST"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(
    checkout: Checkout, inbox: Path, command: tuple[str, ...], code: int, words: str
) -> None:
    done = checkout.run("warehouse", *command, check=False)
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_declaration_exits_with_2_and_names_file_line_and_key(checkout: Checkout, inbox: Path) -> None:
    path = checkout.project / "models/staging/superstore/_superstore__sources.yml"
    before = path.read_text()
    path.write_text(before.replace("max_rejects: 1%", "max_rejects: many"))
    done = checkout.run("warehouse", "load", check=False)
    path.write_text(before)
    assert done.returncode == 2
    line = before[: before.index("max_rejects")].count("\n") + 1
    assert f"_superstore__sources.yml:{line}" in done.stderr
    assert "external.options.max_rejects: 'many' is no limit; allowed:" in done.stderr


def test_an_unreachable_server_exits_with_3_and_hides_the_password(checkout: Checkout) -> None:
    elsewhere = Checkout(checkout.project, checkout.variables | {"PGPORT": "1", "PGPASSWORD": "hush-hush"})
    for command in (("load",), ("sql", "select 1"), ("status",), ("up",)):
        done = elsewhere.run("warehouse", *command, check=False)
        assert done.returncode == 3, command
        assert "hush-hush" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_help_lists_every_command(checkout: Checkout) -> None:
    printed = checkout.warehouse("--help")
    panels = {
        "Daily": ("load", "build"),
        "Feeds": ("feed",),
        "Streams": ("stream", "broker", "demo"),
        "Files": ("files", "verify", "unload", "restore", "reload", "feeds"),
        "Rejects": ("rejects", "export", "replay"),
        "Persons": ("erase", "erasures"),
        "Lineage": ("explain", "changes", "diff"),
        "Readers": ("publish", "publications", "rollback", "sql", "mf", "bi", "live", "lake"),
        "Set-up": ("up", "down", "status", "sample", "grants", "spark"),
    }
    titles = re.findall(r"─ ([A-Z][a-z-]+) ─", printed)
    assert titles == ["Options", *panels]
    for title, commands in panels.items():
        panel = re.split(r"─ [A-Z][a-z-]+ ─", printed)[titles.index(title) + 1]
        assert re.findall(r"^│ ([a-z]+)", panel, re.MULTILINE) == list(commands)
    assert checkout.run("warehouse", check=False).stdout.strip() == printed.strip()
    assert checkout.warehouse("--version").strip() == "0.1.0"


def test_the_status_counts_the_files_that_need_a_person(checkout: Checkout, inbox: Path) -> None:
    folder = inbox / "online_retail"
    before = json.loads(checkout.warehouse("status", "--json"))["files"]
    (folder / "2010-12-08.csv").write_text("no header\n")
    (folder / "2010-12-09.csv").write_bytes((folder / "2010-12-01.csv").read_bytes())
    checkout.run("warehouse", "load", "--settle", "0", check=False)
    counted = {"held": 1, "refused": before["refused"] + 1}
    assert json.loads(checkout.warehouse("status", "--json"))["files"] == counted
    said = checkout.warehouse("status")
    assert "1 file held: `warehouse files --status held`" in said
    assert "refused: `warehouse files --status refused`" in said
    (folder / "2010-12-08.csv").write_text(HEADER + LINE.replace("12-01", "12-08"))
    checkout.run("warehouse", "load", "--settle", "0", check=False)
    checkout.warehouse("files", "--refuse", "online_retail/2010-12-09.csv")
    assert json.loads(checkout.warehouse("status", "--json"))["files"] == before
