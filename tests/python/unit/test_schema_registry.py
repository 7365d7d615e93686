"""A schema registry is waited for, asked once for each schema, and its credentials are in no message."""

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.stream.decoders.registry import Address, Found, Patience, Registry, RegistryAway, find_address
from schema_registry import StandIn, start_registry

SECRET = "tester:b9-secret"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with start_registry() as registry:
        yield registry


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_schema_is_found_by_its_id(stand_in: StandIn) -> None:
    stand_in.add(7, "string")
    assert stand_in.registry().find(7) == Found("string")
    assert stand_in.asked == ["/schemas/ids/7"]


def test_a_version_is_found_by_its_subject(stand_in: StandIn) -> None:
    stand_in.versions["orders%2Fweb/3"] = {"schema": '"long"'}
    assert stand_in.registry().find_version("orders/web", 3).schema == "long"


def test_references_come_each_behind_its_own(stand_in: StandIn) -> None:
    def refer(*names: str) -> list[dict[str, object]]:
        return [{"name": name, "subject": name, "version": 1} for name in names]

    stand_in.add(1, "top", references=refer("b", "c"))
    stand_in.versions = {
        "b/1": {"schema": '"b"', "references": refer("c")},
        "c/1": {"schema": '"c"', "references": refer("d")},
        "d/1": {"schema": '"d"'},
    }
    assert stand_in.registry().find(1) == Found("top", ("d", "c", "b"))
    assert len(stand_in.asked) == 4  # c is there twice and asked for once
    stand_in.versions["d/1"]["references"] = refer("b")
    with pytest.raises(Unfit, match="refers to itself"):
        stand_in.registry().find(1)


def test_a_missing_reference_is_an_unknown_schema(stand_in: StandIn) -> None:
    stand_in.add(1, "top", references=[{"name": "x", "subject": "gone", "version": 2}])
    with pytest.raises(Unfit) as caught:
        stand_in.registry().find(1)
    assert caught.value.reason == "unknown_schema"
    assert "version 2 of the subject gone" in caught.value.detail


def test_an_unknown_id_is_asked_for_once_in_a_while(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = stand_in.registry()
    for _ in range(3):
        with pytest.raises(Unfit) as caught:
            registry.find(9)
        assert (caught.value.reason, caught.value.detail) == (
            "unknown_schema",
            "the registry has no schema with the id 9",
        )
    assert len(stand_in.asked) == 1
    monkeypatch.setattr("sales_warehouse.stream.decoders.registry._UNKNOWN_SECONDS", 0)
    stand_in.add(9, "long")
    assert stand_in.registry().find(9).schema == "long"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_for_later_is_waited_for(stand_in: StandIn, status: int) -> None:
    said: list[str] = []
    waits: list[float] = []
    stand_in.add(7, "long")
    stand_in.statuses = [status, status]
    registry = stand_in.registry(say=said.append, pause=waits.append, seconds=60)
    assert registry.find(7).schema == "long"
    assert len(said) == len(waits) == 2
    assert f"HTTP {status}" in said[0] and "trying again in 0." in said[0]
    assert 0.4 <= waits[0] <= 0.6 and 0.8 <= waits[1] <= 1.2


def test_a_registry_that_starts_late_is_waited_for() -> None:
    port = free_port()
    running = []

    def start_it(_: float) -> bool:
        context = start_registry(port)
        context.__enter__().add(7, "long")
        running.append(context)
        return False

    registry = Registry(Address(f"http://127.0.0.1:{port}"), Patience(lambda _: None, start_it))
    try:
        assert registry.find(7).schema == "long"
    finally:
        running[0].__exit__(None, None, None)


def test_a_stop_ends_the_wait() -> None:
    pauses: list[float] = []

    def stop(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    registry = Registry(Address(f"http://127.0.0.1:{free_port()}"), Patience(lambda _: None, stop))
    with pytest.raises(RegistryAway, match="wait was ended"):
        registry.find(7)
    assert len(pauses) == 1


def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def pause(seconds: float) -> bool:
        clock[0] += seconds
        return False

    monkeypatch.setattr("sales_warehouse.stream.decoders.registry.time.monotonic", lambda: clock[0])
    registry = Registry(Address(f"http://127.0.0.1:{free_port()}"), Patience(lambda _: None, pause, seconds=45))
    with pytest.raises(RegistryAway, match=r"does not answer .* Start it, or correct SCHEMA_REGISTRY_URL"):
        registry.find(7)
    assert clock[0] == pytest.approx(45)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_variable_only(stand_in: StandIn, status: int) -> None:
    stand_in.statuses = [status]
    address = Address(stand_in.url, SECRET)
    with pytest.raises(ConfigurationError) as caught:
        Registry(address, Patience(print, lambda _: True)).find(7)
    assert f"(HTTP {status}). Correct SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO" in caught.value.message
    assert "b9-secret" not in caught.value.message + repr(address)
    assert caught.value.exit_code == 2


def test_credentials_are_sent_and_missing_ones_are_named(stand_in: StandIn) -> None:
    stand_in.user_info = SECRET
    stand_in.add(7, "long")
    assert Registry(Address(stand_in.url, SECRET), Patience(print, lambda _: True)).find(7).schema == "long"
    with pytest.raises(ConfigurationError, match=r"missing credentials \(HTTP 401\). Set SCHEMA_REGISTRY_BASIC"):
        stand_in.registry().find(7)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(stand_in: StandIn, status: int) -> None:
    stand_in.statuses = [status]
    with pytest.raises(ConfigurationError, match=f"No schema registry answers at .*HTTP {status}"):
        stand_in.registry().find(7)
    assert stand_in.asked == ["/schemas/ids/7"]


@pytest.mark.parametrize(
    ("statuses", "body"),
    [
        ([404], b"<html>no such page</html>"),
        ([], b"<html>welcome</html>"),
        ([], b"[]"),
        ([400], b"{}"),
        ([], b"[" * 9999),
    ],
)
def test_another_server_is_a_wrong_address_and_no_reject(stand_in: StandIn, statuses: list[int], body: bytes) -> None:
    stand_in.add(7, "long")
    stand_in.statuses, stand_in.body = statuses, body
    with pytest.raises(ConfigurationError, match="Correct SCHEMA_REGISTRY_URL, with the path of the interface"):
        stand_in.registry().find(7)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ({"schema": "{}", "schemaType": "PROTOBUF"}, "the schema is of PROTOBUF, not of AVRO"),
        ({"schema": "record"}, "'record' is not JSON"),
        ({"schema": "[" * 5000}, "is not JSON"),
    ],
)
def test_a_schema_of_another_kind_is_a_reject(stand_in: StandIn, answer: dict[str, str], detail: str) -> None:
    stand_in.schemas[7] = answer
    with pytest.raises(Unfit) as caught:
        stand_in.registry().find(7)
    assert caught.value.reason == "bad_schema" and detail in caught.value.detail


def test_an_address_is_found_by_the_name_of_the_registry() -> None:
    plain = {"SCHEMA_REGISTRY_URL": "http://a:1/", "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": SECRET}
    assert find_address("main", plain) == Address("http://a:1", SECRET)
    other = {**plain, "SCHEMA_REGISTRY_URL_MAIN": "https://b:2/apis/ccompat/v7"}
    found = find_address("main", other)
    # the user of one registry is not told to another one
    assert (found.url, found.user_info) == ("https://b:2/apis/ccompat/v7", "")
    assert found.user_variable == "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO_MAIN"
    assert find_address("other", other).url == "http://a:1"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "Set SCHEMA_REGISTRY_URL, or SCHEMA_REGISTRY_URL_MAIN if there are several"),
        ({"SCHEMA_REGISTRY_URL": "ftp://a"}, "SCHEMA_REGISTRY_URL must be one address"),
        ({"SCHEMA_REGISTRY_URL": "http://"}, "SCHEMA_REGISTRY_URL must be one address"),
        ({"SCHEMA_REGISTRY_URL": "http://a:b"}, "SCHEMA_REGISTRY_URL must be one address"),
        ({"SCHEMA_REGISTRY_URL": f"http://{SECRET}@a"}, "Move user:password into SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"),
        (
            {"SCHEMA_REGISTRY_URL": "http://a", "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO": "b9-secret"},
            "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO must be user:password",
        ),
    ],
)
def test_a_wrong_address_names_its_variable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_address("main", environment)
    assert message in caught.value.message
    assert "b9-secret" not in caught.value.message


def test_a_certificate_that_is_not_trusted_is_not_waited_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.handle_request)
        thread.start()
        address = Address(f"https://127.0.0.1:{http.server_port}")
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            Registry(address, Patience(print, lambda _: True)).find(7)
        thread.join()
