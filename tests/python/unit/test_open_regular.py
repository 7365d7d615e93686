"""Only regular files are opened, even if the file was replaced by something else in the meantime."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from sales_warehouse.feeds.inbox_file import SideFile
from sales_warehouse.load.inbox.open_file import ContentReader, hash_file, list_members, open_member, open_regular


def swap_for_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def swap_for_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_for_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def open_first(path: Path) -> None:
    with open_member(path, "a.csv"):
        pass


@pytest.mark.timeout(10)  # without precautions, opening a pipe without a writer would block forever
@pytest.mark.parametrize("swap", [swap_for_link, swap_for_pipe, swap_for_folder])
@pytest.mark.parametrize("read", [open_regular, ContentReader, hash_file, list_members, open_first])
def test_a_file_swapped_for_something_else_is_not_read(
    tmp_path: Path, swap: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
    swap(path)
    with pytest.raises(OSError, match="is now a link, a pipe or a device"):
        read(path)


def test_a_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "a.csv")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n")
    with open_regular(path) as file:
        assert file.read() == b"a\n1\n"


def test_the_directory_of_an_archive_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    opened = zipfile.ZipFile

    def count(file: BinaryIO) -> zipfile.ZipFile:
        read.append(file)
        return opened(file)

    path = tmp_path / "a.zip"
    for round_ in range(2):
        names = [f"{number}.csv" for number in range(20)]
        with opened(path, "w") as archive:
            archive.writestr("1.csv/", "")  # a folder
            for name in names:
                archive.writestr(name, f"{name} {round_}")
        with monkeypatch.context() as patched:
            patched.setattr(zipfile, "ZipFile", count)
            assert [member.name for member in list_members(path)] == names
            for name in names:
                with open_member(path, name) as (one, _), open_member(path, "0.csv") as (other, _):
                    assert one.read() == f"{name} {round_}".encode()
                    assert other.read() == f"0.csv {round_}".encode()
                side = SideFile(path, "", name)
                assert side.content == f"{name} {round_}".encode()
    assert len(read) == 2


def test_an_archive_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
    before = len(os.listdir("/dev/fd"))
    with open_member(path, "a.csv"):
        assert len(os.listdir("/dev/fd")) == before + 1
    assert len(os.listdir("/dev/fd")) == before
    path.write_bytes(b"no archive")
    with pytest.raises(OSError, match="no longer a zip archive"):
        open_first(path)
    assert len(os.listdir("/dev/fd")) == before
