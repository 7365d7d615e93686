"""Google Cloud Storage and Azure Blob Storage: login, listing and bytes by obstore."""

from typing import Any

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.by_obstore import CONNECT_SECONDS, READ_SECONDS, RETRIES, ObstoreStore


def open_store(inbox: RemoteInbox) -> ObstoreStore:
    """Return the store of an inbox. Raises `ConfigurationError` when its settings are not complete."""
    make: Any = {"gs": GCSStore, "az": AzureStore}[inbox.scheme]
    timeouts = {"connect_timeout": f"{CONNECT_SECONDS}s", "timeout": f"{READ_SECONDS}s"}
    try:
        return ObstoreStore(inbox, make(inbox.bucket, client_options=timeouts, retry_config=RETRIES))
    except (BaseError, ValueError) as error:
        raise ConfigurationError(
            f"The settings for {inbox} are not complete ({type(error).__name__}). They are read from the environment, "
            "as obstore's documentation lists them."
        ) from None
