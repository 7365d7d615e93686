"""A person is erased: no column of any schema has their text, figures stay, and what is delivered again is masked."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_dbt import at_work
from small_project import write_small_project

from checkout import Checkout
from databases import Databases, read_connection
from sales_warehouse import server
from sales_warehouse.cli.main import run
from sales_warehouse.erase.erase import erase
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.load.workers import dispatch
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings

# cp1252, so that the bytes of rejects differ from UTF-8
NAME, CODE, OTHER = "Zoë Quinn-Ångström", "ZQ-77123", "Max Muster"
TEXTS = (NAME, CODE, "Quinn", "zoe@example.com")
SOURCES = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external:
          location: "shop/*.csv"
          file_format: csv
          options: {delimiter: ";", encoding: cp1252, comment: "^#", max_rejects: 90%, optional: [title],
                    delivery_key: '(?P<business_date>\\d{4}-\\d{2}-\\d{2})', max_shared_records: 100%}
        columns:
          - {name: order_no, data_type: text}
          - {name: customer_id, data_type: text, config: {meta: {person_key: true}}}
          - {name: customer_name, data_type: text, config: {meta: {personal: true}}}
          - {name: title, data_type: text, config: {meta: {personal: true}}}
          - {name: amount, data_type: text}
      - name: visits
        identifier: shop__visits
        external: {location: "visits/*.jsonl", file_format: jsonl, options: {max_rejects: 90%}}
        columns:
          - {name: visitor, data_type: text, config: {meta: {person_key: true}}}
"""
MODELS = {
    "staging/shop/stg_shop__lines": """
select _file_id || ':' || _row_number as sales_line_id, order_no, upper(btrim(customer_id)) as customer_id,
    customer_name, cast(case when amount ~ '^[0-9.]+$' then amount end as numeric(18, 4)) as amount,
    case when amount ~ '^[0-9.]+$' then 'accepted' else 'quarantined' end as row_status,
    case when amount ~ '^[0-9.]+$' then '' else 'amount:not_a_decimal' end as row_issues,
    'name=' || coalesce(customer_name, '') || ', id=' || coalesce(customer_id, '') || ', amount=' || amount
        as delivered_values,
    _file_id, _row_number
from {{ source('shop', 'lines') }}""",
    "staging/shop/stg_shop__visits": "select visitor, _file_id, _row_number from {{ source('shop', 'visits') }}",
    "audit/bad_rows": """
{{ config(materialized='incremental_by_ledger', incremental_strategy='by_file') }}
select sales_line_id, delivered_values, _file_id, _row_number from {{ ref('stg_shop__lines') }}
where row_status = 'quarantined' and {{ only_new_files() }}""",
    "marts/core/fct_lines": """
{{ config(materialized='incremental_by_ledger', incremental_strategy='by_file') }}
select sales_line_id, 'shop' as source_system, customer_id, 'shop:' || customer_id as customer_key, amount, _file_id,
    _row_number
from {{ ref('stg_shop__lines') }} where row_status = 'accepted' and {{ only_new_files() }}""",
    "marts/core/dim_customer": """
{{ config(materialized='table_when_new') }}
select source_system, customer_id, customer_key, cast(sum(amount) as numeric(28, 4)) as amount
from {{ ref('fct_lines') }} group by source_system, customer_id, customer_key""",
}
COLUMNS = {
    "fct_lines": "sales_line_id text, source_system text, customer_id text, customer_key text, amount numeric(18,4), "
    "_file_id bigint, _row_number bigint",
    "dim_customer": "source_system text, customer_id text, customer_key text, amount numeric(28,4)",
    "bad_rows": "sales_line_id text, delivered_values text, _file_id bigint, _row_number bigint",
}
FIGURES = {
    "published": "select sum(amount), count(*), count(distinct customer_key) from published.fct_lines",
    "earlier": "select sum(amount), count(*), count(distinct customer_key) from published_as_of.fct_lines",
    "members": "select count(*), sum(amount) from published.dim_customer",
    "ledger": "select sum(records_read), sum(rows_loaded), sum(rows_rejected), sum(rows_skipped) from ledger.files",
}
COLUMNS_OF_ALL = """
select nspname, relname, attname, typname from pg_attribute
inner join pg_class on pg_class.oid = attrelid inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_type on pg_type.oid = atttypid
where relkind in ('r', 'm', 'p') and nspname !~ '^pg_' and nspname <> 'information_schema' and attnum > 0
and not attisdropped
"""
# what the planner knows of a column
QUOTED = """
select schemaname, tablename, 'statistics of ' || attname from pg_stats
where position(%s in concat(most_common_vals, histogram_bounds, most_common_elems)) > 0
"""


def line(order: int, amount: str = "10", person: bool = True) -> str:
    return f"{order};{CODE};{NAME};Prof.;{amount}\n" if person else f"{order};MM-1;{OTHER};Prof.;{amount}\n"


HEADER = "order_no;customer_id;customer_name;title;amount\n"
MONDAY = f"{HEADER}# called by {NAME}\n{line(1)}{line(2, person=False)}{line(3, 'free')}4;{CODE};{NAME};12\n"


class Shop:
    """A warehouse with the models above, its inbox, and what was found before the erasure."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        external = settings.external
        assert external is not None
        write_small_project(folder)
        for part in ("models/staging", "models/intermediate", "models/marts", "models/audit", "tests", "seeds"):
            for path in (folder / part).rglob("*"):
                if path.is_file() and path.name != "_ledger__sources.yml":
                    path.unlink()
        (folder / "models" / "staging" / "shop" / "_shop__sources.yml").write_text(SOURCES, encoding="utf-8")
        for name, text in MODELS.items():
            path = folder / "models" / f"{name}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip() + "\n", encoding="utf-8")
            own = path.name.removesuffix(".sql")
            if own in COLUMNS:
                pairs = [column.strip().split(" ", 1) for column in COLUMNS[own].replace("(18,4)", "(18#4)")
                         .replace("(28,4)", "(28#4)").split(",")]  # fmt: skip
                columns = ", ".join(f"{{name: {n}, data_type: '{t.replace('#', ', ')}'}}" for n, t in pairs)
                path.with_suffix(".yml").write_text(f"models: [{{name: {own}, columns: [{columns}]}}]\n")
        self.inbox, self.project, self.settings = settings.inbox, folder, settings
        self.checkout = Checkout(folder, {
            "WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox), "PGHOST": external.host,
            "PGPORT": str(external.port), "PGUSER": external.user, "PGPASSWORD": external.password,
            "PGDATABASE": external.database,
        })  # fmt: skip
        self.checkout.warehouse("up")
        self.connection = server.connect(settings, application_name="test")
        self.before: dict[str, Any] = {}
        self.erased: dict[str, Any] = {}

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with transaction(self.connection) as cursor:
            cursor.execute("set local warehouse.publication = '1'")
            cursor.execute(query, values or None)
            return cursor.fetchall()

    def deliver(self, name: str, content: str) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("cp1252" if name.endswith(".csv") else "utf-8"))
        return path

    def load(self) -> dict[str, tuple[str, int]]:
        """Load the inbox; return status and file id by path."""
        return {it["uri"]: (it["status"], it["file_id"]) for it in self.checkout.load(self.inbox)["files"]}

    def build(self, *arguments: str) -> str:
        return self.checkout.dbt("build", *arguments).stdout

    def figures(self) -> dict[str, list[tuple[Any, ...]]]:
        return {name: self.query(query) for name, query in FIGURES.items()}

    def find(self, *texts: str) -> list[tuple[str, ...]]:
        """Return each column of each table, also of tables of others, that has one of these texts, in any form."""
        found = []
        for schema, table, column, type_ in self.query(COLUMNS_OF_ALL):
            name = f'"{column}"' if type_ == "bytea" else f"convert_to(\"{column}\"::text, 'UTF8')"
            for text in texts:
                needles = {text.encode(), text.encode("cp1252"), json.dumps(text)[1:-1].encode()}
                condition = " or ".join(f"position('\\x{needle.hex()}'::bytea in {name}) > 0" for needle in needles)
                if self.query(f'select 1 from "{schema}"."{table}" where {condition} limit 1'):
                    found.append((schema, table, column, text))
        for text in texts:
            found += [(*place, text) for place in self.query(QUOTED, text)]
        return found


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A warehouse with two publications, rejects, skipped lines and a replayed record, after an erasure."""
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(databases.make(folder), folder / "project")
    with closing(shop.connection):
        visit = {"visitor": CODE, "mail": "zoe@example.com", "seen": {"by": [NAME]}}
        shop.deliver("visits/1.jsonl", f"{json.dumps(visit)}\n{json.dumps({'visitor': 'MM-1', 'mail': 'm@x.org'})}\n")
        shop.deliver("shop/2024-01-01.csv", MONDAY)
        shop.load()
        assert "Publication 1: " in shop.build()
        # a correction, so that closed history has rows of a file that raw has no more
        shop.deliver("shop/2024-01-01.csv", MONDAY.replace("2;MM-1", "22;MM-1"))
        tuesday = f"{HEADER}{line(5)}6;{CODE};{NAME};20\n7;x;{NAME}\n"
        [(status, file_id)] = [shop.load()[n] for n in ["shop/2024-01-01.csv"]]
        assert status == "active"
        shop.deliver("shop/2024-01-02.csv", tuesday)
        file_id = shop.load()["shop/2024-01-02.csv"][1]
        exported = folder / "rejects.csv"
        shop.checkout.warehouse("export", str(file_id), str(exported))
        text = exported.read_bytes().decode("cp1252")
        exported.write_bytes(text.replace(f"6;{CODE};{NAME};20", line(6, "20").rstrip()).encode("cp1252"))
        shop.checkout.warehouse("replay", str(file_id), str(exported))
        assert "Publication 2: " in shop.build()
        log = shop.settings.home / "logs" / "errors.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"ValueError: {NAME} is no amount\n", encoding="utf-8")
        with transaction(shop.connection) as cursor:
            cursor.execute("analyze")  # as autovacuum does
        shop.before = {"figures": shop.figures(), "found": shop.find(NAME, CODE)}
        done = shop.checkout.run(
            "warehouse", "erase", "--where", f"shop.lines.customer_id={CODE}", "--where", f"shop.visits.visitor={CODE}",
            "--text", "zoe@example.com",
            "--json", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        shop.erased = json.loads(done.stdout)
        yield shop


def test_no_column_of_any_schema_has_a_text_of_the_person(shop: Shop) -> None:
    places = {(schema, table) for schema, table, *_ in shop.before["found"]}
    assert places >= {
        ("raw", "shop__lines"), ("raw", "shop__visits"), ("ledger", "rejects"), ("ledger", "skipped_lines"),
        ("audit", "bad_rows"), ("marts", "fct_lines"), ("marts", "dim_customer"),
        ("published_history", "fct_lines_1_closed"),
    }  # fmt: skip
    assert any(column.startswith("statistics of ") for _, _, column, _ in shop.before["found"])
    assert shop.find(*TEXTS) == []
    assert shop.erased["left"] == []
    assert {(schema, table) for schema, table in (row[0].split(".") for row in shop.erased["rows"])} >= places
    # one token, and the person stays one member; the name of another one stays
    token = shop.erased["token"]
    assert shop.query("select customer_id, customer_name, title from raw.shop__lines where order_no = '1'") == [
        (token, token, token)
    ]
    assert shop.query("select count(*) from marts.dim_customer where customer_key = %s", f"shop:{token.upper()}") == [
        (1,)
    ]
    assert shop.query("select distinct customer_name from raw.shop__lines order by 1") == [(OTHER,), (token,)]
    extra = shop.query("select _extra->'seen'->'by'->>0, _extra->>'mail' from raw.shop__visits order by _row_number")
    assert extra == [(token, token), (None, "m@x.org")]


def test_figures_stay_and_the_next_build_changes_nothing(shop: Shop) -> None:
    assert shop.figures() == shop.before["figures"]
    assert "Publication 3: no row is different" in shop.build()
    assert "Publication 4: no row is different" in shop.build("--full-refresh")
    assert shop.figures() == shop.before["figures"] and shop.find(*TEXTS) == []


def test_verify_explain_export_and_restore_work_and_show_no_text(shop: Shop) -> None:
    assert json.loads(shop.checkout.warehouse("verify", "--json"))["is_equal"]
    rows = shop.query("select * from raw.shop__lines order by _file_id, _row_number")
    [(file_id,)] = shop.query("select file_id from ledger.files where uri ~ '01-02' and status = 'active'")
    said = shop.checkout.warehouse("explain", "--file", str(file_id), "--row", "1", "--json")
    assert shop.erased["token"] in said and NAME not in said and CODE not in said
    shop.checkout.warehouse("unload", str(file_id))
    shop.checkout.warehouse("restore", str(file_id))
    assert shop.query("select * from raw.shop__lines order by _file_id, _row_number") == rows
    out = shop.project / "again.csv"
    shop.checkout.warehouse("export", str(file_id), str(out))
    # repaired with the text of before, as an export of before has it
    text = out.read_bytes().decode("cp1252").replace(f"7;x;{shop.erased['token']}", f"7;{CODE};{NAME};Prof.;5")
    out.write_bytes(text.encode("cp1252"))
    shop.checkout.warehouse("replay", str(file_id), str(out))
    token = shop.erased["token"]
    assert shop.query("select customer_id, customer_name from raw.shop__lines where order_no = '7'") == [(token, token)]
    assert shop.find(*TEXTS) == []
    assert json.loads(shop.checkout.warehouse("verify", "--json"))["is_equal"]


def test_a_person_that_is_delivered_again_is_masked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    token = shop.erased["token"]
    wednesday = f"{HEADER}# {NAME}\n{line(8)}{line(9)}{NAME};3\n"
    shop.deliver("shop/2024-01-03.csv", wednesday)
    monday = (shop.inbox / "shop" / "2024-01-01.csv").read_bytes().decode("cp1252")
    shop.deliver("shop/2024-01-01.csv", monday + line(99))  # a correction
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    feeds = read_feeds(shop.project)
    report = run_load(shop.connection, feeds, shop.inbox, Reporter(), LoadOptions(settle_seconds=0, workers=2))
    assert {outcome.uri: outcome.status for outcome in report.outcomes} == {
        "shop/2024-01-03.csv": "active", "shop/2024-01-01.csv": "active",
    }  # fmt: skip
    masked = "select order_no, customer_name, title from raw.shop__lines where customer_id = %s and order_no in %s"
    assert sorted(shop.query(masked, token, ("1", "8", "9", "99"))) == [
        (order, token, token) for order in ("1", "8", "9", "99")
    ]
    # the same records are the same delivery: with the same bytes, and spelled otherwise
    shop.deliver("shop/again-2024-01-03.csv", wednesday)
    shop.deliver("shop/spelled-2024-01-03.csv", wednesday.replace(";10\n", ";10.00\n"))
    assert {uri: status for uri, (status, _) in shop.load().items()} == {
        "shop/again-2024-01-03.csv": "duplicate", "shop/spelled-2024-01-03.csv": "duplicate",
    }  # fmt: skip
    assert shop.find(*TEXTS) == []
    assert json.loads(shop.checkout.warehouse("verify", "--json"))["is_equal"]
    # erased again, for example after a backup was restored, the person has the same token
    again = shop.checkout.run(
        "warehouse", "erase", "--where", f"shop.lines.customer_id={CODE}", "--dry-run", "--json", check=False
    )
    assert again.returncode == 2 and "Nothing of this person" in again.stderr


def test_steps_are_shown_done_or_open(shop: Shop) -> None:
    erasure = str(shop.erased["erasure_id"])

    def steps(*options: str) -> dict[str, str]:
        listed = shop.checkout.run("warehouse", "erasures", erasure, *options, "--json", check=False)
        assert listed.returncode in (0, 1), listed.stderr
        return {row["step"]: row["status"] for row in json.loads(listed.stdout)}

    assert NAME not in (shop.settings.home / "logs" / "errors.log").read_text()
    assert steps() == {
        "vacuum": "done", "logs": "done", "inbox": "open", "other_logs": "open", "exports": "open", "backups": "open",
    }  # fmt: skip
    assert steps("--done", "backups")["backups"] == "done"
    for folder in ("shop", "visits"):
        shutil.rmtree(shop.inbox / folder)
    assert steps("--repeat")["inbox"] == "done"
    wrong = shop.checkout.run("warehouse", "erasures", erasure, "--done", "inbox", check=False)
    assert wrong.returncode == 2 and "a person does" in wrong.stderr


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ((), "Say who is erased"),
        (("shop.lines.amount=10",), "does not name a person"),
        (("shop.customers.id=1",), "is no column of a feed"),
        (("shop.lines.customer_id=",), "is no column of a feed"),
        (("shop.lines.customer_id=1", "shop.lines.customer_id=2"), "is given twice"),
    ],
)
def test_conditions_that_name_nobody_are_refused(shop: Shop, conditions: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        erase(shop.connection, read_feeds(shop.project), conditions, [], print)


def test_an_erasure_waits_for_loads_builds_publications_and_writers(shop: Shop) -> None:
    """One of these beside it could write a text again that it read before."""
    said: list[str] = []
    may_begin = threading.Event()

    def erase_nobody() -> None:
        may_begin.wait()
        with (
            closing(server.connect(shop.settings, application_name="erasure")) as connection,
            pytest.raises(ConfigurationError, match="Nothing of this person"),
        ):
            erase(connection, read_feeds(shop.project), ["shop.lines.customer_id=NOBODY"], [], said.append)

    with (
        at_work(erase_nobody),
        closing(shop.checkout.connect()) as writer,
        closing(shop.checkout.connect()) as other,
        writer.cursor() as writing,
        other.cursor() as cursor,
    ):
        other.autocommit = True

        def until(condition: str) -> None:
            for _ in range(1200):
                if condition in (said[-1] if said else ""):
                    return
                cursor.execute("select wait_event from pg_stat_activity where application_name = 'erasure'")
                if (condition,) in cursor.fetchall():
                    return
                time.sleep(0.05)
            raise AssertionError(f"it never came to: {condition}")

        writing.execute("lock table marts.dim_customer in row exclusive mode")
        cursor.execute("select pg_advisory_lock(0x5A1E0001), pg_advisory_lock(0x5A1E0004)")
        cursor.execute("select ledger.try_build_lease('another', 'dbt build', '')")
        may_begin.set()
        until("Another loader is at work")
        cursor.execute("select pg_advisory_unlock(0x5A1E0001)")
        until("A build is at work")
        cursor.execute("select ledger.give_back_build_lease('another')")
        until("advisory")
        for lease in ("loader_lease", "build_lease"):  # no other one can take it over
            cursor.execute(f"select 1 from ledger.{lease} for update skip locked")
            assert cursor.fetchall() == [], lease
        cursor.execute("select pg_advisory_unlock(0x5A1E0004)")
        until("relation")
        writer.rollback()


def test_roles_keep_no_table_from_the_command(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of the loader and of dbt have different owners, and the default role of the login is dbt's."""
    settings = {"HOME": database.home, "INBOX": database.inbox, "PROJECT": database.project}
    variables = read_connection(database) | {f"WAREHOUSE_{name}": str(path) for name, path in settings.items()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    path = database.inbox / "online_retail" / "2024-01-02.csv"
    path.parent.mkdir()
    path.write_text("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
                    "1,A,Tea,1,2024-01-02 10:00:00,2.50,17850.0,UK\n")  # fmt: skip

    def warehouse(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        return ended.value.code

    with closing(server.connect(database, application_name="test")) as connection:
        prepare_warehouse(connection, read_feeds(database.project))
        assert apply_grants(connection)
        assert warehouse("load", "--settle", "0") == 0
        assert warehouse("erase", "--where", "online_retail.invoice_lines.customer_id=17850.0") == 0
        with transaction(connection) as cursor:
            cursor.execute("select customer_id from raw.online_retail__invoice_lines")
            [(customer,)] = cursor.fetchall()
            assert customer.startswith("erased-")
    assert warehouse("erasures", "1", "--repeat") == 1  # the inbox is open
    assert warehouse("verify") == 0
