"""Paths of the real files. They are not part of this project; the README of their folder gives their exact figures."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Homes
from spark_home import Spark

from checkout import PROJECT, Checkout


@pytest.fixture(scope="session")
def inbox() -> Path:
    """The inbox of the real files. Without it a test is skipped with a message, or fails if CI=true."""
    return _find("inbox")


@pytest.fixture(scope="session")
def more() -> Path:
    """The real files of other formats."""
    return _find("more")


@pytest.fixture(scope="session")
def suites() -> Path:
    """Public suites of difficult CSV files."""
    return _find("suites")


@pytest.fixture(scope="session")
def field_files() -> Path:
    """Small files that went wrong in the field, each folder with the declaration of its feeds."""
    return _find("field")


def _find(folder: str) -> Path:
    data = Path(os.environ.get("WAREHOUSE_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not (data / folder).is_dir():
        message = f"left out: the real files are not in {data} (WAREHOUSE_TEST_DATA can name another folder)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return data / folder


@pytest.fixture(scope="session")
def make_checkout() -> Iterator[Homes]:
    homes = Homes()
    yield homes
    homes.remove()


@pytest.fixture(scope="session")
def built(make_checkout: Homes, inbox: Path) -> Checkout:
    """A new home after `warehouse load` and a plain `dbt build`."""
    checkout = make_checkout.make()
    report = checkout.load(inbox)
    assert report["totals"]["files"] == {"active": 318}
    checkout.dbt("build", "--quiet")
    return checkout


@pytest.fixture(scope="session")
def spark_home() -> Iterator[Spark]:
    """A home with a running Spark. The last test of test_real_spark.py stops it."""
    # a blank in the path must not matter
    folder = Path(tempfile.mkdtemp(prefix="warehouse test "))
    folder.chmod(0o755)  # the server's own user must be able to enter
    # a copy of the project, so that no profiles.yml of the user is touched
    home = Spark(folder / "home", Checkout.copy_to(folder / "project").project)
    try:
        home.run("spark", "up")
        yield home
    finally:
        home.run("spark", "down")
        home.run("down")
        shutil.rmtree(folder)
