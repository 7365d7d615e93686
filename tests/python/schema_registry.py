"""A stand-in for a schema registry, for tests: it answers as Confluent's interface does, and can misbehave."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sales_warehouse.stream.decoders.registry import Address, Patience, Registry


@dataclass
class StandIn:
    """What the registry has and how it answers."""

    url: str = ""
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)  # answers, by id
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)  # answers, by `subject/version`
    statuses: list[int] = field(default_factory=list)  # of the next answers, which have no schema
    body: bytes | None = None  # of all answers
    user_info: str | None = None  # asked for
    asked: list[str] = field(default_factory=list)

    def add(self, schema_id: int, schema: object, **more: Any) -> None:
        """Have a schema."""
        self.schemas[schema_id] = {"schema": json.dumps(schema), **more}

    def registry(self, **patience: Any) -> Registry:
        """A client that gives up at once by default."""
        patience = {"say": lambda _: None, "pause": lambda _: False, "seconds": 0} | patience
        return Registry(Address(self.url), Patience(**patience))


@contextmanager
def start_registry(port: int = 0) -> Iterator[StandIn]:
    """Run a registry on 127.0.0.1."""
    state = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            wanted = None if state.user_info is None else "Basic " + base64.b64encode(state.user_info.encode()).decode()
            if state.statuses:
                self._answer(state.statuses.pop(0), {"error_code": 0, "message": "told to"})
            elif wanted not in (None, self.headers["Authorization"]):
                self._answer(401, {"error_code": 40101, "message": "Unauthorized"})
            elif (found := self._find()) is None:
                self._answer(404, {"error_code": 40403, "message": "Schema not found"})
            else:
                self._answer(200, found)

        def _find(self) -> dict[str, Any] | None:
            parts = self.path.strip("/").split("/")
            if parts[0] == "schemas":
                return state.schemas.get(int(parts[2]))
            return state.versions.get(f"{parts[1]}/{parts[3]}")

        def _answer(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode() if state.body is None else state.body
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", state.url + "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()
