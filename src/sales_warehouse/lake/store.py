"""The store of the lake's objects. Here a folder; another kind of store needs the same five methods."""

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sales_warehouse.errors import ConfigurationError, WarehouseError

_DRAFT = ".draft"  # end of the name of an object that is not complete
_MARK = "lake-id"
# Readers take the paths of the catalogue for URLs, and read a part behind one of these as something else.
_NOT_IN_URLS = frozenset("?#%")


@dataclass(frozen=True)
class Stored:
    """An object of the store."""

    uri: str
    size_bytes: int
    changed_at: float  # seconds since 1970


class Store(Protocol):
    """Where objects are: each has a URI, appears whole or not at all, and is never changed."""

    root: str  # URI of the lake, without a slash at the end

    def claim(self, lake_id: str) -> None:
        """Mark the store as that of this lake. Raises `ConfigurationError` when it is another one's."""

    def create(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """Return a context with a file to write; the object is there when the block ends without an error."""

    def open(self, uri: str) -> BinaryIO:
        """Open an object to read."""

    def list(self, prefix: str) -> Iterator[Stored]:
        """Give the objects below a URI, those that are not complete too."""

    def remove(self, uri: str) -> None:
        """Remove an object; one that is not there is removed already."""


class Folder:
    """A folder of this machine as a store."""

    def __init__(self, path: Path) -> None:
        if wrong := sorted(_NOT_IN_URLS & set(str(path))):
            raise ConfigurationError(f"The folder of the lake cannot have {' '.join(wrong)} in its path: {path}.")
        if path.exists() and not path.is_dir():
            raise ConfigurationError(f"The lake needs a folder, and {path} is a file.")
        self.path = path
        self.root = f"file://{path}"

    def claim(self, lake_id: str) -> None:
        """Make the folder, or check that it is this lake's. Only its owner can enter it, because raw has persons."""
        mark = self.path / _MARK
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not mark.exists():
                if any(path.suffix != _DRAFT for path in self.path.iterdir()):  # a draft is of a claim that was killed
                    raise ConfigurationError(
                        f"{self.path} is not empty and is no lake. Name another folder: warehouse lake LOCATION."
                    )
                self._write(mark, f"{lake_id}\n".encode())
            found = mark.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot be the folder of the lake: {error.strerror}. "
                "Name another: warehouse lake LOCATION."
            ) from None
        if found != lake_id:
            raise ConfigurationError(
                f"{self.path} is the lake of another warehouse, or of this one before its database was restored. "
                "Name another folder, or remove this one if nothing reads it any more."
            )

    @contextmanager
    def create(self, uri: str) -> Iterator[BinaryIO]:
        """Write under another name, and give the object its own when it is on the disk."""
        path = self._path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_DRAFT}")
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def open(self, uri: str) -> BinaryIO:
        """Open an object to read."""
        return self._path(uri).open("rb")

    def list(self, prefix: str) -> Iterator[Stored]:
        """Give the files below a folder."""
        for folder, _, names in os.walk(self._path(prefix)):
            for name in names:
                path = Path(folder, name)
                try:
                    state = path.stat()
                except FileNotFoundError:
                    continue
                yield Stored(f"file://{path}", state.st_size, state.st_mtime)

    def remove(self, uri: str) -> None:
        """Remove a file."""
        self._path(uri).unlink(missing_ok=True)

    def _path(self, uri: str) -> Path:
        path = Path(uri.removeprefix("file://"))
        if not path.is_relative_to(self.path):
            raise WarehouseError(
                f"The catalogue of the lake names {uri}, which is not below {self.path}. Nothing was changed."
            )
        return path

    def _write(self, path: Path, content: bytes) -> None:
        with self.create(f"file://{path}") as file:
            file.write(content)
