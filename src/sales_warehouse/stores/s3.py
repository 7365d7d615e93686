"""S3: login and listing by botocore, the bytes by obstore.

obstore lists faster, but refuses a whole page for one key that it cannot write as a path, such as `a//b`, and does not
show which objects are markers of folders. Its own login does not know AWS's files and profiles.
"""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

import botocore.exceptions
import botocore.session
from botocore.config import Config
from obstore.store import S3Store

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.by_obstore import (
    CONNECT_SECONDS,
    READ_SECONDS,
    RETRIES,
    ObstoreStore,
    describe_away,
    is_same,
    refuse_bucket,
    refuse_login,
    usable_etag,
)
from sales_warehouse.stores.remote_object import RemoteObject
from sales_warehouse.stores.store import ObjectReplaced

_ATTEMPTS = 3
_LOGIN_CODES = {
    "InvalidAccessKeyId": "the store does not know the access key",
    "XAdminUserNotFound": "the store does not know the access key",  # of versitygw
    "SignatureDoesNotMatch": "the secret key is not the one of the access key",
    "AccessDenied": "the store denies access",
    "ExpiredToken": "they have expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "403": "the store denies access",
}
_BUCKET_CODES = {"NoSuchBucket", "404"}
_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn")
_AWAY = (
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.IncompleteReadError,
)
_RENEW = timedelta(minutes=10)  # until obstore asks botocore again, which renews what expires
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class S3:
    """A prefix of a bucket of S3."""

    def __init__(self, inbox: RemoteInbox) -> None:
        self._session = botocore.session.get_session()
        self._inbox = inbox

    def list_pages(self) -> Iterator[list[RemoteObject]]:
        """Give all objects below the prefix; the next page comes while one is used."""
        with ThreadPoolExecutor(1) as ahead:
            pages = [ahead.submit(self._list_page, {"Prefix": self._inbox.start})]
            while pages:
                objects, token = pages.pop().result()
                if token:
                    query = {"Prefix": self._inbox.start, "ContinuationToken": token}
                    pages.append(ahead.submit(self._list_page, query))
                yield objects

    def find(self, key: str) -> RemoteObject | None:
        """Return the object with this key, from a listing: its time is the same there, to the millisecond."""
        objects, _ = self._list_page({"Prefix": key, "MaxKeys": 1})
        return objects[0] if objects and objects[0].key == key else None

    def read(self, found: RemoteObject, start: int, end: int) -> bytes:
        """Return a range of the object as it was found."""
        if is_plain(found.key):
            return self._reader.read(found, start, end)
        return self._read_strange(found, start, end)

    @cached_property
    def _client(self) -> Any:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            response_checksum_validation="when_required",
        )
        try:
            # botocore itself does not read the variable of AWS's newer tools
            region = self._session.get_config_variable("region") or os.environ.get("AWS_REGION")
            client = self._session.create_client("s3", region, config=config)
            if not _is_of_aws(client):  # a store of another make may not have names for its buckets
                path_style = config.merge(Config(s3={"addressing_style": "path"}))
                client = self._session.create_client("s3", region, config=path_style)
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise self._as_error_for_a_person(error) from None
        client.meta.events.register("before-parse.s3.ListObjectsV2", _parse_fast)
        return client

    @cached_property
    def _where(self) -> RemoteInbox:
        """The inbox with endpoint and region, for workers."""
        if self._inbox.region:
            return self._inbox
        client = self._client
        region = client.meta.region_name
        if _is_of_aws(client):
            answer = self._ask("head_bucket")
            region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", region)
        endpoint = None if _is_of_aws(client) else client.meta.endpoint_url
        return RemoteInbox(self._inbox.scheme, self._inbox.bucket, self._inbox.prefix, endpoint, region)

    @cached_property
    def _reader(self) -> ObstoreStore:
        where = self._where
        options: Any = {"connect_timeout": f"{CONNECT_SECONDS}s", "timeout": f"{READ_SECONDS}s"}
        address: Any = {}
        if where.endpoint is not None:
            address["endpoint"] = where.endpoint
            options["allow_http"] = where.endpoint.startswith("http://")
        store = S3Store(
            where.bucket,
            region=where.region,
            credential_provider=self._give_credentials,
            client_options=options,
            retry_config=RETRIES,
            **address,
        )
        return ObstoreStore(where, store)

    def _give_credentials(self) -> Any:
        """Return the login of AWS's standard chain, for obstore."""
        try:
            found = self._session.get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except botocore.exceptions.BotoCoreError as error:
            raise self._as_error_for_a_person(error) from None
        if frozen is None:
            raise self._as_error_for_a_person(botocore.exceptions.NoCredentialsError())
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _RENEW,
        }

    def _list_page(self, query: dict[str, Any]) -> tuple[list[RemoteObject], str | None]:
        """Return the objects of a page, and what the next page is requested with."""
        answer = self._ask("list_objects_v2", EncodingType="url", **query)
        where = self._where
        decode = unquote_plus if answer["IsEncoded"] else str  # not every store does what the query asks for
        objects = [
            RemoteObject(where, decode(key), int(size), _nanoseconds(time), usable_etag(etag))
            for key, size, time, etag in answer["Objects"]
        ]
        return objects, answer["Token"]

    def _ask(self, operation: str, **query: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._inbox.bucket, **query)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise self._as_error_for_a_person(error) from None

    def _read_strange(self, found: RemoteObject, start: int, end: int) -> bytes:
        """Return a range of an object that obstore has no path for."""
        query = {"Bucket": found.inbox.bucket, "Key": found.key, "Range": f"bytes={start}-{end - 1}"}
        query |= {"IfMatch": found.etag} if found.etag else {}
        for _ in range(_ATTEMPTS):  # botocore repeats a request, but does not read an answer again
            try:
                answer = self._client.get_object(**query)
                mtime_ns = (answer["LastModified"] - _EPOCH) // timedelta(seconds=1) * 10**9
                size, etag = int(answer["ContentRange"].rpartition("/")[2]), usable_etag(answer.get("ETag"))
                if not is_same(found, RemoteObject(found.inbox, found.key, size, mtime_ns, etag)):
                    raise ObjectReplaced(str(found))
                return bytes(answer["Body"].read())
            except botocore.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status in (412, 416):
                    raise ObjectReplaced(str(found)) from None
                if status == 404:
                    raise FileNotFoundError(errno.ENOENT, "it is not there any more", str(found)) from None
                if 400 <= status < 500:
                    raise PermissionError(errno.EACCES, "the store does not allow it", str(found)) from None
                raise describe_away(self._inbox, status) from None
            except _AWAY:
                continue
            except botocore.exceptions.BotoCoreError as error:
                raise self._as_error_for_a_person(error) from None
        raise describe_away(self._inbox)

    def _as_error_for_a_person(self, error: Exception) -> Exception:
        """Return the error with what to do; what the store writes beside its code may have parts of the login."""
        inbox = self._inbox
        if isinstance(error, botocore.exceptions.ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in _BUCKET_CODES:
                return refuse_bucket(inbox)
            if code in _LOGIN_CODES:
                return refuse_login(inbox, _LOGIN_CODES[code])
            if status in (408, 429) or status >= 500 or status < 400:
                return describe_away(inbox, status)
            return ConfigurationError(f"The store of {inbox} refuses to list it: {code}, status {status}.")
        if isinstance(error, _AWAY):
            return describe_away(inbox)
        if isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.CredentialRetrievalError):
            return refuse_login(inbox, "there are none, or they cannot be read")
        return ConfigurationError(f"The settings for {inbox} cannot be used: {type(error).__name__}.")


def is_plain(key: str) -> bool:
    """Say whether obstore has a path for this key."""
    return key.isprintable() and not {"", ".", ".."} & set(key.split("/"))


def _is_of_aws(client: Any) -> bool:
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_OF_AWS)


def _parse_fast(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Parse a page of a listing in place of botocore, which takes ten times as long."""
    if response_dict["status_code"] != 200:
        return
    root = ElementTree.fromstring(response_dict["body"])  # noqa: S314, as botocore itself does
    space = root.tag.rpartition("}")[0] + "}" if "}" in root.tag else ""
    names = [f"{space}{name}" for name in ("Key", "Size", "LastModified", "ETag")]
    found = [tuple(item.findtext(name) for name in names) for item in root.iterfind(f"{space}Contents")]
    is_cut = root.findtext(f"{space}IsTruncated") == "true"
    customized_response_dict.update(
        Objects=found,
        Token=root.findtext(f"{space}NextContinuationToken") if is_cut else None,
        IsEncoded=root.findtext(f"{space}EncodingType") == "url",
    )
    response_dict["body"] = b""


def _nanoseconds(told: str) -> int:
    return (datetime.fromisoformat(told) - _EPOCH) // timedelta(microseconds=1) * 1_000
