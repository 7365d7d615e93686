"""Homes of warehouses for the commands of a user."""

import shutil
import tempfile
from pathlib import Path

from checkout import Checkout


class Homes:
    """Creates homes, each with an embedded server of its own."""

    def __init__(self) -> None:
        self._checkouts: list[tuple[Checkout, Path]] = []

    def make(self) -> Checkout:
        folder = Path(tempfile.mkdtemp(prefix="warehouse-accept-"))
        folder.chmod(0o755)
        checkout = Checkout.copy_to(folder / "project", WAREHOUSE_HOME=str(folder / "home"))
        self._checkouts.append((checkout, folder))
        return checkout

    def remove(self) -> None:
        for checkout, folder in self._checkouts:
            checkout.run("warehouse", "down", check=False)
            shutil.rmtree(folder)
