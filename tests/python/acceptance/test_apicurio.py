"""A real schema registry, Apicurio: what a producer registers there is what the decoder reads."""

import hashlib
import json
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from avro_messages import encode, logical, record
from sales_warehouse.broker.libraries import find_java
from sales_warehouse.feeds.messages import Messages
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.stream.decoders.choose import choose_value_decoder
from sales_warehouse.stream.decoders.registry import Patience, RegistryAway

pytestmark = pytest.mark.broker

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
SECONDS = 120  # until it answers; a busy machine needs half a minute

AT_ONCE = Patience(lambda _: None, lambda _: False, seconds=0)


class Apicurio:
    """A registry in memory on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as listener, socket.socket() as other:
            listener.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self._ports = listener.getsockname()[1], other.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._ports[0]}/apis/ccompat/v7"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it without waiting."""
        settings = [
            f"-Dquarkus.{name}={value}"
            for name, value in {
                "http.host": "127.0.0.1",
                "http.port": self._ports[0],
                "management.host": "127.0.0.1",
                "management.port": self._ports[1],
            }.items()
        ]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [find_java(), "-Xmx256m", *settings, "-jar", "quarkus-run.jar"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self._process is not None and self._process.poll() is None, (self._folder / "log").read_text()[
                -3000:
            ]
            try:
                self.ask("/subjects")
            except OSError:
                time.sleep(0.2)
            else:
                return
        pytest.fail((self._folder / "log").read_text()[-3000:])

    def stop(self) -> None:
        """Stop it; what it had is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def ask(self, path: str, body: object = None) -> Any:
        """Send a request, a POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30) as answer:
            return json.load(answer)

    def register(self, subject: str, schema: object, **more: object) -> int:
        """Register a schema, and return its id."""
        found = self.ask(f"/subjects/{subject}/versions", {"schema": json.dumps(schema), **more})
        return int(found["id"])


@pytest.fixture(scope="module")
def apicurio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    from jgo.maven import MavenContext  # one of the packages that only the broker needs

    component = MavenContext().project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
    archive = Path(component.artifact(classifier="all", packaging="tar.gz").resolve())
    with archive.open("rb") as content:
        assert hashlib.file_digest(content, "sha256").hexdigest() == SHA256
    folder = tmp_path_factory.mktemp("apicurio")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    it = Apicurio(folder)
    it.start()
    yield it
    it.stop()


@pytest.fixture(autouse=True)
def _names_the_registry(apicurio: Apicurio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", apicurio.url)


def decode(value: bytes, patience: Patience = AT_ONCE, **messages: Any) -> str | None:
    return choose_value_decoder(Messages(registry="main", **messages), "avro", [], patience)(value)


def test_a_registry_that_starts_is_waited_for(apicurio: Apicurio) -> None:
    said: list[str] = []

    def pause(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    # it has no schema yet: the first answer is that this id is unknown, and until then the message waits
    with pytest.raises(Unfit) as caught:
        decode(encode("string", "x", schema_id=999), Patience(said.append, pause, SECONDS))
    assert caught.value.reason == "unknown_schema"
    assert all("does not answer" in it for it in said)
    apicurio.wait()


def test_versions_of_a_schema_are_read_as_they_were_written(apicurio: Apicurio) -> None:
    price = logical("bytes", "decimal", precision=9, scale=2)
    old = record(("id", "long"), ("price", price))
    new = {**old, "fields": [*old["fields"], {"name": "channel", "type": "string", "default": "web"}]}
    first, second = apicurio.register("orders-value", old), apicurio.register("orders-value", new)
    assert first != second
    values = [
        encode(old, {"id": 1, "price": Decimal("1.10")}, first),
        encode(new, {"id": 2, "price": Decimal("2.00"), "channel": "app"}, second),
    ]
    assert [decode(value) for value in values] == ['{"id":1,"price":1.10}', '{"id":2,"price":2.00,"channel":"app"}']
    assert [decode(value, reader_schema=("orders-value", 2)) for value in values] == [
        '{"id":1,"price":1.10,"channel":"web"}',
        '{"id":2,"price":2.00,"channel":"app"}',
    ]


def test_a_schema_refers_to_another_subject(apicurio: Apicurio) -> None:
    line = {**record(("sku", "string"), name="Line"), "namespace": "shop"}
    apicurio.register("line", line)
    schema = record(("lines", {"type": "array", "items": "shop.Line"}), name="Basket")
    refer = [{"name": "shop.Line", "subject": "line", "version": 1}]
    schema_id = apicurio.register("basket-value", schema, references=refer)
    value = encode(record(("lines", {"type": "array", "items": line})), {"lines": [{"sku": "tea"}]}, schema_id)
    assert decode(value) == '{"lines":[{"sku":"tea"}]}'


def test_another_path_of_it_is_no_registry(apicurio: Apicurio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", apicurio.url.replace("ccompat/v7", "ccompat/v99"))
    with pytest.raises(Exception, match=r"No schema registry answers at .*HTTP 404"):
        decode(encode("string", "x", schema_id=1))


def test_messages_of_a_registry_that_went_away_are_no_rejects(apicurio: Apicurio) -> None:
    apicurio.stop()
    with pytest.raises(RegistryAway):
        decode(encode("string", "x", schema_id=1))
