"""The pages about operation: their commands run as written, and the log has the lines that the pages show."""

import json
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from checkout import BIN, PROJECT, Checkout
from databases import read_connection
from sales_warehouse import server
from sales_warehouse.demo import write_sample
from sales_warehouse.settings import Settings
from sales_warehouse.verify.run_verify import Verdict
from warm_commands import put_programs

HOW_TO = PROJECT / "docs" / "how-to"
BACKUP = (HOW_TO / "back-up-and-restore.md").read_text(encoding="utf-8")
RUNBOOK = (HOW_TO / "when-something-fails.md").read_text(encoding="utf-8")
MARTS = "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
NET = "select sum(net_amount) from published.fct_sales_lines"


def make_shop(database: Settings, folder: Path, **variables: str) -> Checkout:
    """Return a copy of the project whose commands use this database and its inbox."""
    server_variables = read_connection(database)
    places = {"WAREHOUSE_HOME": str(database.home), "WAREHOUSE_INBOX": str(database.inbox)}
    return Checkout.copy_to(folder / "project", **places, **server_variables, **variables)


def read_commands(heading: str) -> str:
    """Return the shell commands below a heading of the page."""
    [found] = re.findall(rf"^## {re.escape(heading)}$.*?^```sh$(.*?)^```$", BACKUP, re.DOTALL | re.MULTILINE)
    return str(found)


def run_commands(where: Checkout, heading: str, **variables: str) -> str:
    """Run the commands in a shell with the programs in PATH; stop at the first that fails."""
    path = os.pathsep.join([str(put_programs()), str(BIN), str(server.binary("pg_dump").parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-euxc", read_commands(heading)],
        cwd=where.project,
        env=where.environment | {"PATH": path} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def read_marts(where: Checkout) -> dict[str, str]:
    """Return the number of rows and a digest of the texts of all rows, by mart."""
    marts = [row["table_name"] for row in where.sql(MARTS)]
    digest = "count(*) || coalesce(md5(string_agg(md5(m::text), '' order by md5(m::text))), '')"
    query = " union all ".join(f"select '{mart}' as mart, {digest} as digest from marts.{mart} as m" for mart in marts)
    return {row["mart"]: row["digest"] for row in where.sql(query)}


@pytest.mark.timeout(900)  # two builds of an empty warehouse
def test_the_restore_drill_recovers_every_mart_and_publication(checkout: Checkout, tmp_path: Path) -> None:
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    write_sample(inbox, days=14, records=3_080)
    checkout.warehouse("up")
    checkout.run("warehouse", "load", "--settle", "0")
    # a corrected and an unloaded file, which only the ledger knows
    corrected = sorted((inbox / "online_retail").iterdir())[0]
    corrected.write_bytes(b"".join(corrected.read_bytes().splitlines(keepends=True)[:-1]))
    report = checkout.load(inbox)
    assert report["totals"]["files"] == {"active": 1}
    checkout.warehouse("unload", checkout.value("select max(uri) from ledger.files where feed like 'online_retail.%'"))
    checkout.dbt("build")
    before, files, net = read_marts(checkout), checkout.warehouse("files", "--json"), checkout.value(NET)
    assert len(before) > 10
    assert {entry["status"] for entry in json.loads(files)} == {"active", "superseded", "unloaded", "duplicate"}

    folder = str(tmp_path)
    run_commands(checkout, "Back up", BACKUP=folder)
    # later changes are not in the backup, and the old inbox is deleted
    checkout.warehouse("unload", str(corrected.relative_to(inbox)))
    inbox.rename(inbox.with_name("lost"))
    moved = {"PGDATABASE": "warehouse_restored", "WAREHOUSE_HOME": f"{folder}/home", "WAREHOUSE_INBOX": f"{folder}/new"}
    restored = Checkout(checkout.project, checkout.variables | moved)
    run_commands(restored, "Restore", BACKUP=folder)

    assert restored.warehouse("files", "--json") == files
    assert read_marts(restored) == before
    publications = json.loads(restored.warehouse("publications", "--json"))
    assert [(it["publication"], it["state"]) for it in publications] == [(1, "kept"), (2, "current")]
    assert (publications[1]["rows_added"], publications[1]["rows_closed"]) == (0, 0)
    earlier = Checkout(restored.project, restored.variables | {"PGOPTIONS": "-c warehouse.publication=1"})
    assert restored.value(NET) == earlier.value(NET.replace("published", "published_as_of")) == net
    report = restored.load(Path(folder) / "new")
    assert (report["files"], report["totals"]["files"]) == ([], {})
    assert report["unchanged"] > 14


def test_the_runbook_has_every_exit_code_status_verdict_and_check() -> None:
    def first_cells(heading: str) -> str:
        section = re.split(r"^#+ .*$", RUNBOOK.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
        return "\n".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))

    def literals(source: str, pattern: str) -> set[str]:
        text = (PROJECT / "src" / "sales_warehouse" / source).read_text(encoding="utf-8")
        return {name for found in re.findall(pattern, text) for name in re.findall(r"\w+", found)}

    codes = {"0", "1", "2", "3", "130"}
    documented = re.search(
        r"^def run\(.*?\n    \"\"\"(.*?)\"\"\"",
        (PROJECT / "src" / "sales_warehouse" / "cli" / "main.py").read_text(),
        re.M | re.S,
    )
    assert documented and set(re.findall(r"\b\d\b", documented[1])) == codes - {"130"}
    assert codes <= set(re.findall(r"\b\d+\b", first_cells("Exit codes of `warehouse`")))
    statuses = literals("ledger/sql/schema.sql", r"status text not null\s+check \(\s*status in \((.*?)\)\s*\)")
    assert len(statuses) == 7
    statuses |= {"waiting", "unreadable", "growing"}
    assert statuses <= set(re.findall(r"`(\w+)`", first_cells("Files")))
    verdicts = set(re.findall(r"`(\w+)`", Verdict.__doc__ or ""))
    assert len(verdicts) == 6
    assert verdicts == set(re.findall(r"`(\w+)`", first_cells("verify")))
    checks = {path.stem for path in (PROJECT / "tests" / "dbt").rglob("*.sql")}
    assert len(checks) >= 12
    # with dbt's built-in tests that the models use
    asked = {
        name
        for path in PROJECT.glob("models/**/*.yml")
        for name in re.findall(r"^ *- (\w+):?$", path.read_text(), re.M)
    }
    checks |= asked & {"unique", "not_null", "relationships", "accepted_values"}
    assert checks <= set(re.findall(r"`(\w+)`", first_cells("Failing checks")))


def read_log(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """Read standard error, every line of which must be a JSON object."""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_json_log_has_one_line_per_file_with_its_figures(database: Settings, tmp_path: Path) -> None:
    shop = make_shop(database, tmp_path, WAREHOUSE_LOG="json")
    folder = database.inbox / "online_retail"
    folder.mkdir()
    valid_lines = "1,A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n" * 998
    (folder / "2024-01-01.csv").write_text(f"{ONLINE}{valid_lines}2,A\n\n")
    (folder / "2024-01-02.csv").write_text("no,such,header\n")
    (folder / "2024-01-03\u2028\x1b[31m.csv").symlink_to("nowhere")
    done = shop.run("warehouse", "load", "--settle", "0", check=False)
    assert done.returncode == 1
    first, second, third, end = read_log(done)
    assert (first["event"], first["level"], first["uri"]) == ("file", "info", "online_retail/2024-01-01.csv")
    counts = [first[name] for name in ("records_read", "rows_loaded", "rows_rejected", "rows_skipped")]
    assert counts == [1000, 998, 1, 1]
    assert first["at"].endswith("+00:00") and first["size_bytes"] > 100
    assert (second["level"], second["status"]) == ("warning", "refused")
    assert "lacks invoice_no" in second["message"]
    assert (third["level"], third["status"]) == ("warning", "unreadable")
    assert (end["event"], end["files"]) == ("load", {"active": 1, "refused": 1, "unreadable": 1})

    again = read_log(shop.run("warehouse", "load", "--settle", "0", check=False))
    assert [line["event"] for line in again] == ["file", "load"]
    assert (again[1]["unchanged"], again[1]["still_refused"]) == (2, ["online_retail/2024-01-02.csv"])


def test_the_json_log_has_one_line_for_an_error(database: Settings, tmp_path: Path) -> None:
    shop = make_shop(database, tmp_path, WAREHOUSE_LOG="json")
    [line] = read_log(shop.run("warehouse", "load", "--inbox", str(tmp_path / "nowhere"), check=False))
    assert (line["event"], line["level"], line["exit_code"]) == ("error", "error", 2)
    assert "no directory" in line["message"]
    shop.variables["WAREHOUSE_LOG"] = "xml"
    assert "WAREHOUSE_LOG must be text or json" in shop.run("warehouse", "load", check=False).stderr


@pytest.mark.parametrize(
    "variables", [{"PGSSLMODE": "require"}, {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system"}]
)
def test_a_connection_that_requires_tls_fails_without_it(
    database: Settings, tmp_path: Path, variables: dict[str, str]
) -> None:
    shop = make_shop(database, tmp_path)
    shop.warehouse("up")
    asked = Checkout(shop.project, shop.variables | variables)
    for command, code in ((("warehouse", "load"), 3), (("dbt", "debug", "--connection"), 1)):
        done = asked.run(*command, check=False)
        assert done.returncode == code
        assert "server does not support SSL" in done.stdout + done.stderr


@contextmanager
def tls_front(port: int, context: ssl.SSLContext, served: list[str]) -> Iterator[int]:
    """Run a TLS server in front of a server without TLS; yield its port and the versions of its connections."""

    def serve(plain: socket.socket) -> None:
        with plain, socket.create_connection(("127.0.0.1", port)) as behind:
            request = plain.recv(8)
            assert request == struct.pack(">II", 8, 80877103), "asks for TLS first"
            plain.sendall(b"S")
            try:
                secret = context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                return  # the client trusts another authority
            with secret:
                served.append(str(secret.version()))
                while True:
                    found = [secret] if secret.pending() else select.select([secret, behind], [], [])[0]
                    for come, go in ((secret, behind), (behind, secret)):
                        if come in found:
                            if not (block := come.recv(65536)):
                                return
                            go.sendall(block)

    def listen() -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_clients_use_tls_only_with_a_server_of_a_known_authority(database: Settings, tmp_path: Path) -> None:
    ours, another = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    shop = make_shop(database, tmp_path)
    shop.warehouse("up")
    served: list[str] = []
    with tls_front(int(shop.variables["PGPORT"]), context, served) as port:
        for authority, codes in ((ours, (0, 0)), (another, (3, 1))):
            known = tmp_path / "authority.pem"
            authority.cert_pem.write_to_path(str(known))
            variables = {"PGPORT": str(port), "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(known)}
            asked = Checkout(shop.project, shop.variables | variables)
            for command, code in zip((("warehouse", "load"), ("dbt", "debug", "--connection")), codes, strict=True):
                served.clear()
                done = asked.run(*command, check=False)
                assert done.returncode == code, done.stderr
                assert bool(served) == (code == 0)
                assert ("certificate verify failed" in done.stdout + done.stderr) == (code != 0)
