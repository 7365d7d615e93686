"""Hostile names of files and columns are loaded or refused, never executed, and every command prints them escaped."""

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from checkout import Checkout

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
VALID = "1,A1,Tea,2,2024-01-01 10:00:00,1.50,,UK"

# file names, each as bytes on disk and as printed
NAMES = {
    b'it\'s "quoted" `x` $(id).csv': 'it\'s "quoted" `x` $(id).csv',
    b"'; drop table ledger.files; --.csv": "'; drop table ledger.files; --.csv",
    b"line\nerror: forged.csv": r"line\nerror: forged.csv",
    b"\x1b[31mred\x1b]0;title\x07.csv": r"\x1b[31mred\x1b]0;title\x07.csv",
    b"[red]bold [b][bold \\.csv": "[red]bold [b][bold \\.csv",
    "\u202elatot 🍵 é.csv".encode(): r"\u202elatot 🍵 é.csv",
    b"latin \xe9.csv": r"latin \xe9.csv",
    b"%s %(x)s {0} {uri}.csv": "%s %(x)s {0} {uri}.csv",
    b"n" * 250 + b".csv": "n" * 250 + ".csv",
    b"--help.csv": "--help.csv",
}
HEADERS = [
    'note"; drop table ledger.files; --',
    "it's",
    "[red]x[/]",
    "\x1b[31mred",
    "\u202elatot",
    "🍵",
    "h" * 300,
    "%s %(x)s",
    "select",
]


@pytest.fixture(scope="module")
def hostile(checkout: Checkout) -> Checkout:
    """An inbox of hostile names. Every file has one good and one broken record; the last files have hostile headers."""
    path = checkout.project / "models/staging/online_retail/_online_retail__sources.yml"
    text = path.read_text()
    # such names contain no day, so no day can be expected either
    start, end = text.index("delivery_key:"), text.index("        columns:")
    path.write_text(f"{text[:start]}max_rejects: 50%\n{text[end:]}")
    folder = Path(checkout.variables["WAREHOUSE_INBOX"]) / "online_retail"
    folder.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        content = f"{HEADER}\n{number}{VALID}\n{number},\x1b[31m[/] broken\n"
        (folder / os.fsdecode(name)).write_text(content)
    for number, header in enumerate(HEADERS):
        quoted = '"' + header.replace('"', '""') + '"'
        (folder / f"header{number}.csv").write_text(f"{HEADER},{quoted}\n{len(NAMES) + number}{VALID},v{number}\n")
    checkout.run("warehouse", "load", "--settle", "0", check=False)
    return checkout


def change(checkout: Checkout, statement: str) -> None:
    with closing(checkout.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def assert_nothing_acts(text: str) -> None:
    assert not set(text) & set("\x1b\x07\x08\r\x9b\u202e\u2066")
    assert not [line for line in text.splitlines() if line.startswith("error: forged")]


def test_every_hostile_name_is_loaded_and_nothing_is_executed(hostile: Checkout) -> None:
    found = hostile.sql("select uri, status, rows_loaded, rows_rejected from ledger.files order by file_id")
    named = [row for row in found if "header" not in row["uri"]]
    assert {(row["status"], row["rows_loaded"], row["rows_rejected"]) for row in named} == {("active", "1", "1")}
    assert len(named) == len(NAMES)


def test_a_hostile_header_is_loaded_or_refused_with_a_remedy(hostile: Checkout) -> None:
    found = hostile.sql("select status, message from ledger.files where uri like '%header%' order by uri")
    assert [row["status"] for row in found] == [
        "active", "active", "active", "active", "active", "refused", "refused", "active", "active",
    ]  # fmt: skip
    assert "no name for column 9" in found[5]["message"]
    assert "names over 63 bytes" in found[6]["message"]
    columns = hostile.sql(
        "select attname from pg_attribute where attrelid = 'raw.online_retail__invoice_lines'::regclass and attnum > 8"
    )
    assert {row["attname"] for row in columns} >= {"note_drop_table_ledger_files", "it_s", "red_x", "select"}


@pytest.mark.parametrize(
    "command",
    [
        ("load", "--settle", "0"),
        ("files", "--limit", "100"),
        ("rejects", "--limit", "100"),
        ("verify",),
        ("load", "--settle", "0", "--json"),
        ("files", "--json"),
        ("rejects", "--json"),
        ("verify", "--json"),
    ],
    ids=" ".join,
)
def test_commands_show_hostile_names_escaped(hostile: Checkout, command: tuple[str, ...]) -> None:
    done = hostile.run("warehouse", *command, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert_nothing_acts(done.stdout + done.stderr)
    if "--json" in command:
        json.loads(done.stdout)
    elif command[0] in ("files", "rejects"):
        for shown in NAMES.values():
            assert f"online_retail/{shown}" in done.stdout


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_file_is_found_by_its_name_explained_verified_and_unloaded(hostile: Checkout, name: bytes) -> None:
    uri = "online_retail/" + name.decode("utf-8", "backslashreplace")
    shown = f"online_retail/{NAMES[name]}"
    explained = hostile.run("warehouse", "explain", "--file", uri, "--row", "2").stdout
    assert shown in explained
    assert r"\x1b[31m[/] broken" in explained
    assert f"equal: {shown}, 2 records" in hostile.run("warehouse", "verify", uri).stdout
    unloaded = hostile.run("warehouse", "unload", uri).stdout
    assert f"{shown} (version 1): 1 row left" in unloaded
    again = hostile.run("warehouse", "unload", uri, check=False)
    assert (again.returncode, "only a file that is active can" in again.stderr) == (2, True)
    restored = hostile.run("warehouse", "restore", uri).stdout
    for text in (explained, unloaded, again.stderr, restored):
        assert_nothing_acts(text)


def test_verify_shows_a_changed_value_escaped(hostile: Checkout) -> None:
    change(hostile, "update raw.online_retail__invoice_lines set description = E'\\x1b[2J[/]' where invoice_no = '31'")
    done = hostile.run("warehouse", "verify", check=False)
    change(hostile, "update raw.online_retail__invoice_lines set description = 'Tea' where invoice_no = '31'")
    assert done.returncode == 1
    assert r"\x1b[2J[/]" in done.stdout
    assert_nothing_acts(done.stdout + done.stderr)


def test_unmatched_names_and_links_are_reported_escaped(hostile: Checkout) -> None:
    folder = Path(hostile.variables["WAREHOUSE_INBOX"])
    (folder / "\x1b[2J[b]\nerror: forged.txt").write_text("x")
    (folder / "online_retail" / "\x1b[2J[b].csv").symlink_to("nowhere")
    os.mkfifo(folder / "online_retail" / "pipe.csv")
    try:
        done = hostile.run("warehouse", "load", "--settle", "0", check=False)
    finally:
        (folder / "online_retail" / "\x1b[2J[b].csv").unlink()
        (folder / "online_retail" / "pipe.csv").unlink()
    assert done.returncode == 1
    assert r"unreadable online_retail/\x1b[2J[b].csv: is a symbolic link, and links are not followed" in done.stdout
    assert "unreadable online_retail/pipe.csv: is a named pipe and no file" in done.stdout
    assert r"\x1b[2J[b]\nerror: forged.txt" in done.stdout
    assert_nothing_acts(done.stdout + done.stderr)
