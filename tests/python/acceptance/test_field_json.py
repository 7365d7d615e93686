"""JSON files that went wrong in the field, see shared/data/field/README.md."""

from pathlib import Path

import pytest
from field_folder import FieldFolder
from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.transaction import transaction

pytestmark = pytest.mark.acceptance


def test_undeclared_keys_that_differ_by_case_are_kept(
    connection: Connection, field_files: Path, tmp_path: Path
) -> None:
    folder = FieldFolder.copy(connection, field_files / "json-keys-by-case", tmp_path / "inbox")
    folder.load()
    assert folder.rows("jsoncase") == [("1001", "5.00"), ("1002", "6.00")]
    assert folder.rejects() == []
    with transaction(connection) as cursor:
        cursor.execute("select _extra from raw.w__jsoncase order by _row_number")
        assert cursor.fetchall() == [({"id": "a1", "Id": "7"},), ({"id": "a2", "Id": "8"},)]
    assert folder.verify().is_equal


def test_undeclared_keys_that_differ_by_case_are_ignored_where_declared(
    connection: Connection, field_files: Path, tmp_path: Path
) -> None:
    folder = FieldFolder.copy(connection, field_files / "json-keys-by-case", tmp_path / "inbox")
    (folder.inbox / "jsoncase").rename(folder.inbox / "jsoncase2")
    folder.load()
    assert folder.rows("jsoncase2") == [("1001", "5.00"), ("1002", "6.00")]
    assert folder.verify().is_equal
