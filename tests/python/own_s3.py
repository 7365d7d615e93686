"""An S3 server of this machine: versitygw, built by Go from its module into a cache folder. A proxy makes faults."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.config import Config
from botocore.session import get_session

from fake_s3 import Fault, QuietServer, Request

MODULE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sales-warehouse"
BUCKET = "deliveries"
_KEY, _SECRET = "local-key", "local-secret-words"
_START_SECONDS = 20


def build_server() -> Path:
    """Return the server's program; build it the first time, which takes minutes. Raises `RuntimeError` without Go."""
    program = CACHE / f"versitygw-{VERSION}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise RuntimeError(
            f"Go is needed to build versitygw, the S3 server. Install it, or put the program at {program}."
        )
    folder = CACHE / "build"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["go", "install", f"{MODULE}@{VERSION}"], env=os.environ | {"GOBIN": str(folder)}, check=True)
    (folder / "versitygw").replace(program)
    return program


@dataclass(frozen=True)
class OwnS3:
    """A running server with one bucket."""

    folder: Path  # where it keeps the objects of the bucket
    port: int
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables that AWS's own tools read."""
        return environment_of(self.port)

    def client(self) -> object:
        """Return botocore's client."""
        return get_session().create_client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1", aws_access_key_id=_KEY,
            aws_secret_access_key=_SECRET, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip

    def put(self, key: str, content: bytes | str, seconds: float | None = None) -> None:
        """Put an object; its time is that of now, or `seconds` since 1970."""
        body = content.encode() if isinstance(content, str) else content
        self.client().put_object(Bucket=BUCKET, Key=key, Body=body)  # type: ignore[attr-defined]
        if seconds is not None:
            os.utime(self.folder / key, (seconds, seconds))

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Put all files of a folder, each with its time."""
        client = self.client()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())  # type: ignore[attr-defined]
            os.utime(self.folder / key, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))


def environment_of(port: int) -> dict[str, str]:
    """Return the variables for a server at a port of this machine."""
    return {
        "AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET, "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip


@contextmanager
def serve_s3(folder: Path) -> Iterator[OwnS3]:
    """Start a server that keeps its objects below a folder; stop it at the end."""
    program = build_server()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (folder / BUCKET).mkdir(parents=True)
    secrets = {"ROOT_ACCESS_KEY": _KEY, "ROOT_SECRET_KEY": _SECRET}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(folder)],
            env=os.environ | secrets, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"versitygw did not start: {(folder / 'log').read_text(errors='replace')}")
            time.sleep(0.05)
        yield OwnS3(folder / BUCKET, port, process.pid)
    finally:
        process.terminate()
        process.wait()


class FaultyProxy:
    """Passes requests on to a server, unless `before` raises a fault for one."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda _: None


@contextmanager
def put_in_front(server_port: int) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a server."""
    proxy = FaultyProxy(server_port)
    handler = type("Handler", (_Forward,), {"proxy": proxy})
    with QuietServer(("127.0.0.1", 0), handler) as listener:
        listener.daemon_threads = True
        proxy.port = listener.server_port
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield proxy
        finally:
            listener.shutdown()


class _Forward(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._forward("head")

    def do_GET(self) -> None:
        self._forward("get")

    def _forward(self, verb: str) -> None:
        url = urlsplit(self.path)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        token = parse_qs(url.query).get("continuation-token", [""])[0]
        request = Request(verb, key, first) if key else Request("list", token)
        self.proxy.requests.append(request)
        fault = None
        try:
            self.proxy.before(request)
        except Fault as raised:
            fault = raised
        if fault is not None and fault.cut:
            self.close_connection = True
            self.connection.close()
            return
        if fault is not None and fault.status:
            body = f"<Error><Code>{fault.code}</Code></Error>".encode()
            self._answer(fault.status, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=30)
        # the signature covers the name of the host, so all headers are passed on as they are
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders()
        answer = upstream.getresponse()
        body = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
        if fault is not None and fault.truncate is not None:
            body = body[: fault.truncate]
            self.close_connection = True
        self._answer(answer.status, headers, body)
        upstream.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(command: list[str]) -> int:
    """Run a command with the variables of a server that runs as long; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="warehouse-s3-") as folder, serve_s3(Path(folder) / "data") as store:
        return subprocess.run(command, env=os.environ | store.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
