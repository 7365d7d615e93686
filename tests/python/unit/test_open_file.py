"""The bytes of a delivery: whole or refused, with the hash of exactly what was delivered."""

import gzip
import hashlib
import random
from pathlib import Path

import pytest

from sales_warehouse.load.open_file import ContentReader, HashingReader, hash_file
from sales_warehouse.load.outcome import FileRefused

# Several blocks long, compressed too.
CONTENT = b"a,b\n" + random.Random(1).randbytes(700_000)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    return path


def read_all(reader: ContentReader, size: int = 100_000) -> bytes:
    blocks = []
    while block := reader.read(size):
        assert len(block) <= size
        blocks.append(block)
    return b"".join(blocks)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_plain_content_is_read_as_it_is(plain: Path) -> None:
    with ContentReader(plain) as reader:
        assert read_all(reader) == CONTENT


def test_packed_content_is_unpacked(packed: Path) -> None:
    with ContentReader(packed) as reader:
        assert read_all(reader) == CONTENT


def test_several_packed_members_are_one_content(packed: Path) -> None:
    packed.write_bytes(gzip.compress(b"a\n1\n") + gzip.compress(b"2\n"))
    with ContentReader(packed) as reader:
        assert read_all(reader) == b"a\n1\n2\n"


@pytest.mark.parametrize("name", ["plain", "packed"])
def test_hash_and_size_are_those_of_the_bytes_delivered(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with ContentReader(path) as reader:
        read_all(reader)
        assert reader.delivered.finish() == sha256(path) == hash_file(path)
        assert reader.delivered.bytes_read == path.stat().st_size


@pytest.mark.parametrize("name", ["plain", "packed"])
def test_the_hash_is_that_of_the_whole_file_however_little_was_read(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with ContentReader(path) as reader:
        reader.read(10)
        assert reader.delivered.finish() == sha256(path)
        assert reader.delivered.bytes_read == path.stat().st_size


def test_the_hash_follows_what_was_read_and_not_what_lies_there_later(plain: Path) -> None:
    with ContentReader(plain) as reader:
        content = read_all(reader)
        plain.write_bytes(b"something else")
        assert reader.delivered.finish() == hashlib.sha256(content).hexdigest()


def test_an_empty_file_has_a_hash_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with ContentReader(tmp_path / "a.csv") as reader:
        assert reader.read() == b""
        assert reader.delivered.finish() == hashlib.sha256(b"").hexdigest() == hash_file(tmp_path / "a.csv")


def packed_variants() -> dict[str, bytes]:
    sound = gzip.compress(CONTENT, mtime=0)
    flipped = bytearray(sound)
    flipped[len(flipped) // 2] ^= 0xFF
    wrong_sum = bytearray(sound)
    wrong_sum[-5] ^= 0xFF
    return {
        "cut in the head": sound[:5],
        "cut in the middle": sound[: len(sound) // 2],
        "cut before the checksum": sound[:-8],
        "cut by one byte": sound[:-1],
        "garbage behind": sound + b"garbage",
        "second member cut": sound + sound[:-100],
        "not packed at all": CONTENT,
        "a byte changed": bytes(flipped),
        "wrong checksum": bytes(wrong_sum),
        "senseless content": sound[:10] + b"\xff" * 100,
        "unknown method": b"\x1f\x8b\x07" + sound[3:],
    }


@pytest.mark.parametrize("damage", packed_variants())
def test_a_damaged_packed_file_is_refused_with_name_and_remedy_and_still_hashed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed_variants()[damage])
    with ContentReader(path) as reader:
        with pytest.raises(FileRefused, match=r"a\.csv\.gz cannot be uncompressed .*Ask for it again"):
            read_all(reader)
        assert reader.delivered.finish() == sha256(path)
        assert reader.delivered.bytes_read == path.stat().st_size


def test_padding_with_zeros_behind_is_no_damage(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() + bytes(512))
    with ContentReader(packed) as reader:
        assert read_all(reader) == CONTENT


def test_a_file_is_closed_when_it_is_done_with(plain: Path, packed: Path) -> None:
    for path in (plain, packed):
        with ContentReader(path) as reader:
            delivered = reader.delivered
        assert delivered.closed


def test_reading_in_small_pieces_hashes_each_byte_once(plain: Path) -> None:
    reader = HashingReader(plain)
    buffer = bytearray(1000)
    while reader.readinto(buffer):
        pass
    assert reader.finish() == sha256(plain)
    assert reader.bytes_read == len(CONTENT)
    reader.close()
