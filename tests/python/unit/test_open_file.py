"""The bytes of a delivery are complete or refused, with the hash of exactly the delivered bytes."""

import bz2
import gzip
import hashlib
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from sales_warehouse.feeds.declare import Unpacking
from sales_warehouse.load.inbox import unpack
from sales_warehouse.load.inbox.open_file import ContentReader, HashingReader, hash_file
from sales_warehouse.load.outcome import FileRefused

# Several blocks long, also when compressed.
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
def test_the_hash_covers_the_whole_file_after_a_partial_read(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    with ContentReader(path) as reader:
        reader.read(10)
        assert reader.delivered.finish() == sha256(path)
        assert reader.delivered.bytes_read == path.stat().st_size


def test_the_hash_covers_the_bytes_read_and_no_later_change(plain: Path) -> None:
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
    intact = gzip.compress(CONTENT, mtime=0)
    flipped = bytearray(intact)
    flipped[len(flipped) // 2] ^= 0xFF
    wrong_sum = bytearray(intact)
    wrong_sum[-5] ^= 0xFF
    return {
        "cut in the head": intact[:5],
        "cut in the middle": intact[: len(intact) // 2],
        "cut before the checksum": intact[:-8],
        "cut by one byte": intact[:-1],
        "garbage after the end": intact + b"garbage",
        "second member cut": intact + intact[:-100],
        "not packed at all": CONTENT,
        "a byte changed": bytes(flipped),
        "wrong checksum": bytes(wrong_sum),
        "invalid deflate stream": intact[:10] + b"\xff" * 100,
        "unknown method": b"\x1f\x8b\x07" + intact[3:],
    }


@pytest.mark.parametrize("damage", packed_variants())
def test_a_damaged_packed_file_is_refused_with_a_remedy_and_hashed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed_variants()[damage])
    with ContentReader(path) as reader:
        with pytest.raises(FileRefused, match=r"a\.csv\.gz cannot be uncompressed .*Ask for it again"):
            read_all(reader)
        assert reader.delivered.finish() == sha256(path)
        assert reader.delivered.bytes_read == path.stat().st_size


def test_trailing_padding_with_zeros_is_no_damage(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() + bytes(512))
    with ContentReader(packed) as reader:
        assert read_all(reader) == CONTENT


def test_a_file_is_closed_after_reading(plain: Path, packed: Path) -> None:
    for path in (plain, packed):
        with ContentReader(path) as reader:
            delivered = reader.delivered
        with pytest.raises(ValueError, match="closed"):
            delivered.read(1)


def test_reading_in_small_pieces_hashes_each_byte_once(plain: Path) -> None:
    reader = HashingReader(plain)
    while reader.read(1000):
        pass
    assert reader.finish() == sha256(plain)
    assert reader.bytes_read == len(CONTENT)
    reader.close()


# --- the other compressions ---------------------------------------------------------------------------------------

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
every_compression = pytest.mark.parametrize("suffix", PACKERS)


def pack(folder: Path, suffix: str, *parts: bytes) -> Path:
    path = folder / f"a.csv{suffix}"
    path.write_bytes(b"".join(PACKERS[suffix](part) for part in parts))
    return path


@every_compression
@pytest.mark.parametrize("size", [1, 999, 100_000])
def test_concatenated_packed_streams_are_one_content(tmp_path: Path, suffix: str, size: int) -> None:
    parts = (b"a,b\n", CONTENT[:20_000] if size < 1000 else CONTENT, b"", b"x" * 1000)
    path = pack(tmp_path, suffix, *parts)
    with ContentReader(path) as reader:
        blocks = []
        while block := reader.read(size):
            blocks.append(block)
        assert b"".join(blocks) == b"".join(parts)
        assert reader.delivered.finish() == sha256(path)


@every_compression
@pytest.mark.parametrize(
    "damage", ["cut", "cut by one byte", "garbage after the end", "changed", "second cut", "plain"]
)
def test_damage_is_refused_in_every_compression(tmp_path: Path, suffix: str, damage: str) -> None:
    path = pack(tmp_path, suffix, CONTENT)
    intact = path.read_bytes()
    changed = bytearray(intact)
    changed[len(intact) // 2] ^= 0xFF
    path.write_bytes(
        {
            "cut": intact[: len(intact) // 2],
            "cut by one byte": intact[:-1],
            "garbage after the end": intact + b"garbage",
            "changed": bytes(changed),
            "second cut": intact + intact[:-100],
            "plain": CONTENT,
        }[damage]
    )
    with ContentReader(path) as reader:
        with pytest.raises(FileRefused, match=r"a\.csv\.\w+ cannot be uncompressed \(.*Ask for it again"):
            read_all(reader, 300_000)
        assert reader.delivered.finish() == sha256(path)


@every_compression
def test_an_empty_packed_file_is_empty(tmp_path: Path, suffix: str) -> None:
    with ContentReader(pack(tmp_path, suffix)) as reader:
        assert reader.read() == b""


def test_padding_between_xz_streams_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.xz"
    path.write_bytes(lzma.compress(b"a\n") + bytes(300_000) + lzma.compress(b"1\n") + bytes(8))
    with ContentReader(path) as reader:
        assert read_all(reader) == b"a\n1\n"


@every_compression
def test_a_decompression_bomb_is_refused_with_the_figures(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "RATIO_MATTERS_FROM_BYTES", 1_000_000)
    path = pack(tmp_path, suffix, bytes(900_000))
    with ContentReader(path) as reader:
        assert len(b"".join(iter(reader.read, b""))) == 900_000  # a small file may have a high ratio
    path = pack(tmp_path, suffix, bytes(50_000_000))
    with ContentReader(path) as reader:
        with pytest.raises(FileRefused, match=r"beyond 1,000,000 bytes at most 200 times as many"):
            list(iter(reader.read, b""))
        assert reader.delivered.finish() == sha256(path)


@every_compression
def test_a_file_over_max_unpacked_bytes_is_refused_with_the_figure(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 500_000)
    refused = pytest.raises(FileRefused, match=r"500,000 bytes, the most there may be.*raise max_unpacked_bytes")
    with ContentReader(pack(tmp_path, suffix, CONTENT)) as reader, refused:
        list(iter(reader.read, b""))


def test_the_limits_have_their_documented_values() -> None:
    assert unpack.MAX_UNPACKED_BYTES == 10 * 1024**3
    assert (unpack.MAX_UNPACKED_RATIO, unpack.RATIO_MATTERS_FROM_BYTES) == (200, 100_000_000)


# --- members of archives ------------------------------------------------------------------------------------------


def put_in_archive(folder: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    path = folder / "box.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_hash_and_size_of_a_member_are_those_of_its_content(tmp_path: Path, method: int) -> None:
    path = put_in_archive(tmp_path, method, a=CONTENT, b=b"")
    for member, content in (("a", CONTENT), ("b", b"")):
        with ContentReader(path, member) as reader:
            assert read_all(reader) == content
            assert reader.delivered.finish() == hashlib.sha256(content).hexdigest() == hash_file(path, member)
            assert reader.delivered.bytes_read == len(content)
            assert reader.delivered.is_whole
        with pytest.raises(unpack.Damaged, match="closed"):
            reader.delivered.read(1)


@every_compression
def test_a_packed_member_is_unpacked_and_known_by_its_packed_bytes(tmp_path: Path, suffix: str) -> None:
    packed_bytes = PACKERS[suffix](CONTENT)
    path = put_in_archive(tmp_path, **{f"a.csv{suffix}": packed_bytes})
    with ContentReader(path, f"a.csv{suffix}") as reader:
        assert read_all(reader) == CONTENT
        assert reader.delivered.finish() == hashlib.sha256(packed_bytes).hexdigest()


def test_a_damaged_member_is_refused_and_still_hashed(tmp_path: Path) -> None:
    path = put_in_archive(tmp_path, zipfile.ZIP_STORED, a=CONTENT)
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 0xFF
    path.write_bytes(changed)
    with ContentReader(path, "a") as reader:
        with pytest.raises(FileRefused, match=r"a cannot be uncompressed \(Bad CRC-32.*Ask for it again"):
            read_all(reader)
        assert not reader.delivered.is_whole
        assert reader.delivered.finish() == hash_file(path, "a")


def test_a_member_over_the_ratio_is_refused_and_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "RATIO_MATTERS_FROM_BYTES", 1_000_000)
    path = put_in_archive(tmp_path, a=bytes(50_000_000))
    with ContentReader(path, "a") as reader:
        with pytest.raises(FileRefused, match=r"a unpacks to .* at most 200 times as many"):
            list(iter(reader.read, b""))
        assert reader.delivered.finish() == hash_file(path, "a")
        assert reader.delivered.bytes_read < 20_000_000


def test_an_archive_as_a_whole_is_no_content_but_has_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "box.zip"
    path.write_bytes(b"PK cut")
    with ContentReader(path) as reader:
        with pytest.raises(FileRefused, match=r"box\.zip cannot be uncompressed \(its list of members cannot be read"):
            reader.read()
        assert reader.delivered.finish() == sha256(path)


def test_a_missing_member_cannot_be_read(tmp_path: Path) -> None:
    path = put_in_archive(tmp_path, a=b"1")
    with pytest.raises(OSError, match="no longer in the archive"):
        ContentReader(path, "b")
    path.write_bytes(b"something else")
    with pytest.raises(OSError, match="no longer a zip archive"):
        ContentReader(path, "a")


# --- limits of a feed ---------------------------------------------------------------------------------------------


@every_compression
def test_a_feed_may_declare_other_limits_and_the_message_names_the_option(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "RATIO_MATTERS_FROM_BYTES", 1_000_000)
    path = pack(tmp_path, suffix, b"\0" * 5_000_000)

    def read(unpacking: Unpacking) -> int:
        with ContentReader(path, None, unpacking) as reader:
            return sum(map(len, iter(reader.read, b"")))

    with pytest.raises(FileRefused, match="raise max_unpacked_ratio in the options of its feed"):
        read(Unpacking())
    assert read(Unpacking(max_ratio=1_000_000)) == 5_000_000
    with pytest.raises(FileRefused, match=r"more than 4,000,000 bytes.*raise max_unpacked_bytes in the options"):
        read(Unpacking(max_bytes=4_000_000, max_ratio=1_000_000))


def test_the_limits_of_a_feed_hold_for_members_and_their_hashes(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(3_000_000))
    few = Unpacking(max_bytes=1_000_000)
    with ContentReader(path, "a.csv", few) as reader:
        with pytest.raises(FileRefused, match="raise max_unpacked_bytes"):
            list(iter(reader.read, b""))
        assert reader.delivered.finish() == hash_file(path, "a.csv", few) != hash_file(path, "a.csv")
