"""Connect to the object store of an inbox."""

from functools import lru_cache

from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.store import ObjectStore


@lru_cache(maxsize=4)
def connect(inbox: RemoteInbox) -> ObjectStore:
    """Return the store of an inbox. Its client is made once in a process, and finds its login by itself.

    Raises `ConfigurationError`.
    """
    # each client is large, and a folder needs none
    if inbox.scheme == "s3":
        from sales_warehouse.stores.s3 import S3

        return S3(inbox)
    from sales_warehouse.stores.other_stores import open_store

    return open_store(inbox)
