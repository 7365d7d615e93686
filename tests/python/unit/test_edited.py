"""Whether the project was edited since the last green build, by the times of its files."""

import os
from pathlib import Path

import pytest

from sales_warehouse.settings import Settings
from sales_warehouse.transform.targets import is_edited, keep_manifest


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project whose files are of the second 100, and the manifest of a build that began at 200."""
    model = tmp_path / "models/marts/a.sql"
    model.parent.mkdir(parents=True)
    (tmp_path / "macros").mkdir()
    for path in (model, tmp_path / "dbt_project.yml", tmp_path / "made.json"):
        path.write_text("", encoding="utf-8")
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.utime(path, (100, 100))
    settings = Settings(project=tmp_path, home=tmp_path / "home", inbox=tmp_path)
    keep_manifest(settings, tmp_path / "made.json", 200)
    return settings


def test_nothing_was_edited(settings: Settings) -> None:
    assert not is_edited(settings)


@pytest.mark.parametrize("name", ["models/marts/a.sql", "models/marts", "macros", "dbt_project.yml"])
def test_a_file_or_folder_that_is_newer_counts(settings: Settings, name: str) -> None:
    os.utime(settings.project / name, (200, 200))  # also while the build read it
    assert is_edited(settings)


def test_without_a_green_build_there_is_nothing_to_compare_with(settings: Settings) -> None:
    (settings.home / "state/manifest.json").unlink()
    assert not is_edited(settings)
