"""`warehouse stream` with a schema registry that does not answer: its messages wait, and the other topics go on."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from avro_messages import encode, record
from brokers import Broker
from checkout import BIN, name_server
from sales_warehouse import server
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.settings import Settings
from schema_registry import StandIn, start_registry

pytestmark = pytest.mark.broker

SOURCES = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: orders
        identifier: shop__orders
        external: {{location: "kafka://main/{avro}", file_format: avro, options: {{registry: main}}}}
        columns: [{{name: id}}]
      - name: clicks
        identifier: shop__clicks
        external: {{location: "kafka://main/{plain}", file_format: json}}
        columns: [{{name: id}}]
"""
SCHEMA = record(("id", "long"))
SECONDS = 60


class Shop:
    """A topic in Avro and one in JSON, and the processes that read both."""

    def __init__(self, broker: Broker, settings: Settings, registry: StandIn, folder: Path) -> None:
        self.broker, self.registry, self._settings = broker, registry, settings
        self.avro, self.plain = broker.make_topic(1), broker.make_topic(1)
        self._project = folder / "project"
        (self._project / "models").mkdir(parents=True)
        (self._project / "dbt_project.yml").touch()
        sources = SOURCES.format(avro=self.avro, plain=self.plain)
        (self._project / "models" / "_shop__sources.yml").write_text(sources)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAREHOUSE_", "KAFKA"))}
        mine = {"WAREHOUSE_PROJECT": str(self._project), "SCHEMA_REGISTRY_URL": self.registry.url}
        return subprocess.Popen(
            [BIN / "warehouse", "stream", "--window", "0.5", *arguments],
            env=kept | name_server(self._settings) | self.broker.variables | mine | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def query(self, query: str) -> list[tuple[Any, ...]]:
        connect = server.connect(self._settings, application_name="test")
        with closing(connect) as connection, transaction(connection) as cursor:
            cursor.execute("select to_regclass('raw.shop__clicks')")
            if cursor.fetchone() == (None,):
                return []
            cursor.execute(query)
            return cursor.fetchall()

    def send_orders(self, *ids: int) -> None:
        self.broker.send(self.avro, [encode(SCHEMA, {"id": it}) for it in ids])

    def send_clicks(self, *ids: int) -> None:
        self.broker.send(self.plain, [json.dumps({"id": it}).encode() for it in ids])

    def ids(self, table: str) -> list[int]:
        return [int(it) for (it,) in self.query(f"select id from raw.{table} order by _offset")]


@pytest.fixture
def shop(kafka: Broker, database: Settings, tmp_path: Path) -> Iterator[Shop]:
    with start_registry() as registry:
        yield Shop(kafka, database, registry, tmp_path)


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_messages_wait_for_their_registry_and_other_topics_go_on(shop: Shop) -> None:
    shop.registry.statuses = [503] * 10_000
    shop.send_orders(1, 2, 3)
    shop.send_clicks(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = shop.start(WAREHOUSE_METRICS_PORT=str(port))

    def ask(page: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", page)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    try:
        wait_for(lambda: shop.ids("shop__clicks") == [1] and len(shop.registry.asked) > 0)
        shop.send_clicks(2)
        shop.send_orders(4)
        wait_for(lambda: shop.ids("shop__clicks") == [1, 2] and len(shop.registry.asked) > 1)
        assert shop.ids("shop__orders") == []
        wait_for(lambda: ask("/healthz") == (503, "a schema registry is away\n"))
        lag = f'warehouse_stream_lag_messages{{feed="shop.orders",topic="{shop.avro}",partition="0"}} '
        wait_for(lambda: f"{lag}4\n" in ask("/metrics")[1])
        assert "warehouse_stream_rows_total 2\n" in ask("/metrics")[1]
        shop.registry.add(7, SCHEMA)
        shop.registry.statuses.clear()
        wait_for(lambda: len(shop.ids("shop__orders")) == 4)
        wait_for(lambda: ask("/healthz")[0] == 200 and f"{lag}0\n" in ask("/metrics")[1])
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert shop.ids("shop__orders") == [1, 2, 3, 4]
    assert shop.query("select count(*) from ledger.rejects") == [(0,)]
    assert said.count("does not answer (HTTP 503)") == 1 and "Messages of shop.orders wait for it" in said


def test_a_stop_ends_the_wait_for_a_registry(shop: Shop) -> None:
    shop.registry.statuses = [503] * 10_000
    shop.send_orders(1)
    process = shop.start("--until-idle")
    wait_for(lambda: len(shop.registry.asked) > 1)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 3), said
    assert shop.query("select count(*) from ledger.rejects") == [(0,)]
    assert shop.ids("shop__orders") == []


def test_wrong_credentials_and_a_missing_address_are_exit_code_2(shop: Shop) -> None:
    shop.registry.user_info = "tester:b9-secret"
    shop.send_orders(1)
    process = shop.start("--until-idle", SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO="tester:other")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 2, said
    assert "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO" in said and "tester" not in said
    process = shop.start("--until-idle", SCHEMA_REGISTRY_URL="")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 2 and "Set SCHEMA_REGISTRY_URL" in said
    assert shop.query("select count(*) from ledger.rejects") == [(0,)]
