"""Read objects with obstore: of S3, Google Cloud Storage and Azure."""

import errno
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
from obstore import exceptions

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.remote_object import RemoteObject, seconds_of
from sales_warehouse.stores.store import ObjectReplaced, StoreAway

# A request is repeated for some seconds; after that the load begins again, see `load/retry.py`.
RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
CONNECT_SECONDS, READ_SECONDS = 5, 60
_PAGE = 1_000  # objects
_STATUS = re.compile(r"status code: (\d{3})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObstoreStore:
    """An inbox that obstore lists and reads."""

    def __init__(self, inbox: RemoteInbox, store: Any) -> None:
        """`store` is one of obstore's, of the whole bucket."""
        self._inbox, self._store = inbox, store

    def list_pages(self) -> Iterator[list[RemoteObject]]:
        """Give all objects below the prefix, page by page."""
        try:
            for page in obstore.list(self._store, self._inbox.prefix or None, chunk_size=_PAGE):
                yield [self._describe(found) for found in page]
        except exceptions.InvalidPathError as error:
            raise ConfigurationError(
                f"{self._inbox} has an object that its client cannot list: {str(error).splitlines()[0]}. Give it a key "
                "without empty segments, '.', '..' and control characters."
            ) from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise self._as_error_of_the_store(error) from None

    def find(self, key: str) -> RemoteObject | None:
        """Return the object with this key."""
        try:
            return self._describe(obstore.head(self._store, key))
        except FileNotFoundError:
            return None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise self._as_error_of_the_store(error) from None

    def read(self, found: RemoteObject, start: int, end: int) -> bytes:
        """Return a range of the object as it was found."""
        options: Any = {"range": (start, end)} | ({"if_match": found.etag} if found.etag else {})
        try:
            answer = obstore.get(self._store, found.key, options=options)
            now = self._describe(answer.meta)
            if not is_same(found, now):
                raise ObjectReplaced(str(found))
            return bytes(answer.bytes())
        except exceptions.PreconditionError:
            raise ObjectReplaced(str(found)) from None
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "it is not there any more", str(found)) from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
            raise PermissionError(errno.EACCES, "the store does not allow it", str(found)) from None
        except (exceptions.BaseError, ValueError) as error:
            status = _status_of(error)
            if status == 416:  # it is shorter now
                raise ObjectReplaced(str(found)) from None
            if 400 <= status < 500 and status not in (408, 429):
                raise OSError(errno.EIO, f"the store refuses the request with status {status}", str(found)) from None
            raise describe_away(self._inbox, status) from None

    def _describe(self, meta: Any) -> RemoteObject:
        mtime_ns = (meta["last_modified"] - _EPOCH) // timedelta(microseconds=1) * 1_000
        return RemoteObject(self._inbox, meta["path"], meta["size"], mtime_ns, usable_etag(meta["e_tag"]))

    def _as_error_of_the_store(self, error: Exception) -> Exception:
        """Return the error for a person; the text of the library is not shown, because it may have parts of a login."""
        status = _status_of(error)
        if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
            return refuse_login(self._inbox, "the store refuses it")
        if isinstance(error, FileNotFoundError) or status == 404:
            return refuse_bucket(self._inbox)
        if 400 <= status < 500 and status not in (408, 429):
            return refuse_login(self._inbox, f"the store answers with status {status}")
        return describe_away(self._inbox, status)


def is_same(found: RemoteObject, now: RemoteObject) -> bool:
    """Say whether an answer is of the object that was found; some stores ignore the condition of a request."""
    if found.etag and now.etag:
        return found.etag == now.etag
    return (found.size_bytes, seconds_of(found.mtime_ns)) == (now.size_bytes, seconds_of(now.mtime_ns))


def usable_etag(etag: str | None) -> str | None:
    """Return an ETag by which a range can be requested: a weak one (W/) never matches."""
    return etag if etag and not etag.startswith("W/") else None


def refuse_login(inbox: RemoteInbox, why: str) -> ConfigurationError:
    """Return the error for a login that the store does not accept."""
    return ConfigurationError(
        f"The credentials for {inbox} do not allow to list it: {why}. They are found as the store's own tools find "
        "them: in the environment, in the files of the account, or from the machine's role."
    )


def refuse_bucket(inbox: RemoteInbox) -> ConfigurationError:
    """Return the error for a bucket that is not there."""
    return ConfigurationError(f"There is no bucket {inbox.bucket} for {inbox}. Make it, or name another with --inbox.")


def describe_away(inbox: RemoteInbox, status: int = 0) -> StoreAway:
    """Return the error for a store that does not answer, or not as it should."""
    what = f"answers with status {status}" if status else "does not answer"
    return StoreAway(f"The store of {inbox} {what}, after several attempts. What was committed stays.")


def _status_of(error: Exception) -> int:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0
