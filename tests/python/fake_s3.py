"""A bucket in memory behind the part of S3's protocol that an inbox needs, with faults on request.

For keys that no other server here can keep, and for faults at an exact request. `make accept-remote` has a real server.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

KEY, SECRET = "AKIDTEST", "top-secret-words"
BUCKET = "deliveries"


@dataclass
class Object:
    """An object; one put straight into a gateway's folder has no ETag."""

    content: bytes
    modified: datetime
    etag: str | None


@dataclass(frozen=True)
class Request:
    """A request: `list`, `get` or `head`, with its key (or the continuation), and its first byte."""

    verb: str
    key: str
    first_byte: int = 0


@dataclass
class FakeS3:
    """The bucket, and what was asked of it. `before` is called with each request; it may raise `Fault`."""

    objects: dict[str, Object] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    before: Callable[[Request], None] = lambda request: None
    page_size: int = 1000
    port: int = 0

    def put(self, key: str, content: bytes | str, seconds: float = 1_700_000_000, has_etag: bool = True) -> None:
        """Put or replace an object; `seconds` since 1970 is its time."""
        content = content.encode() if isinstance(content, str) else content
        etag = f'"{hashlib.md5(content).hexdigest()}"' if has_etag else None
        self.objects[key] = Object(content, datetime.fromtimestamp(seconds, UTC), etag)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that AWS's own tools read."""
        return {
            "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "NO_PROXY": "127.0.0.1",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere",
            "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        }  # fmt: skip

    def count(self, verb: str) -> int:
        """Return how many requests were of this kind."""
        return sum(request.verb == verb for request in self.requests)


class Fault(Exception):
    """What a request gets in place of its answer: a status, a cut after some bytes, or a truncated body."""

    def __init__(self, status: int = 0, code: str = "", cut: bool = False, truncate: int | None = None) -> None:
        self.status, self.code, self.cut, self.truncate = status, code, cut, truncate


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that break a connection off."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serve_bucket() -> Iterator[FakeS3]:
    """Serve an empty bucket on 127.0.0.1."""
    bucket = FakeS3()
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        bucket.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    bucket: FakeS3
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve("head")

    def do_GET(self) -> None:
        self._serve("get")

    def _serve(self, verb: str) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        is_list = verb == "get" and not key
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        request = Request("list" if is_list else verb, query.get("continuation-token", "") if is_list else key, first)
        self.bucket.requests.append(request)
        try:
            self.bucket.before(request)
            if f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
                raise Fault(403, "InvalidAccessKeyId")
            if bucket != BUCKET:
                raise Fault(404, "NoSuchBucket")
            if is_list:
                self._list(query)
            else:
                self._give(key, verb)
        except Fault as fault:
            self._fail(fault, key)

    def _fail(self, fault: Fault, key: str) -> None:
        if fault.cut:
            self.close_connection = True
            self.connection.close()
        elif fault.truncate is not None:
            self._give(key, "get", fault.truncate)
            self.close_connection = True
        else:
            # as servers do, with what must not be printed
            told = f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId><StringToSign>{SECRET}</StringToSign>"
            body = f"<Error><Code>{fault.code}</Code><Message>no</Message>{told}</Error>"
            self._answer(fault.status, body.encode(), {"Content-Type": "application/xml"})

    def _list(self, query: dict[str, str]) -> None:
        prefix, after = query.get("prefix", ""), bytes.fromhex(query.get("continuation-token", "")).decode()
        keys = sorted((key for key in self.bucket.objects if key.startswith(prefix) and key > after), key=str.encode)
        page = keys[: self.bucket.page_size]
        encode = quote if query.get("encoding-type") == "url" else escape
        entries = "".join(
            f"<Contents><Key>{encode(key)}</Key><LastModified>{it.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            + (f"<ETag>{escape(it.etag)}</ETag>" if it.etag else "")
            + f"<Size>{len(it.content)}</Size></Contents>"
            for key, it in ((key, self.bucket.objects[key]) for key in page)
        )
        is_cut = len(keys) > len(page)
        token = f"<NextContinuationToken>{page[-1].encode().hex()}</NextContinuationToken>" if is_cut else ""
        head = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        told = f"<EncodingType>url</EncodingType><IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        body = f"{head}{told}{token}{entries}</ListBucketResult>"
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _give(self, key: str, verb: str, truncate: int | None = None) -> None:
        found = self.bucket.objects.get(key)
        if found is None:
            raise Fault(404, "NoSuchKey")
        if (wanted := self.headers.get("If-Match")) and wanted != found.etag:
            raise Fault(412, "PreconditionFailed")
        content, status, headers = found.content, 200, {"Last-Modified": format_datetime(found.modified, usegmt=True)}
        if found.etag:
            headers["ETag"] = found.etag
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._answer(status, content, headers, verb == "head", truncate)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str], is_head: bool = False, truncate: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not is_head:
            self.wfile.write(body if truncate is None else body[:truncate])
