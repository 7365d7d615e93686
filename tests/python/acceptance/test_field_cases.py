"""Every folder of small files that went wrong in the field has a test with its right outcome."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance


def test_every_folder_of_field_files_has_a_test(field_files: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_field_*.py"))
    folders = sorted(path.name for path in field_files.iterdir() if path.is_dir())
    assert [name for name in folders if f'field_files / "{name}"' not in text] == []
    assert folders
