"""Bad files at random: bytes, headers, names, paths, times, packing and archives, in every format."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sales_warehouse.load.inbox.pass_over import find_leftover
from workbook import make_xls, make_xlsx

DECLARATIONS = """\
sources:
  - name: w
    schema: raw
    tables:
"""
_TABLE = """\
      - name: {name}
        identifier: w__{name}
        external: {{location: "{name}/**/*", file_format: {name}, options: {{{options}}}}}
        columns: [{{name: order_no, data_type: text}}, {{name: amount, data_type: text}}]
"""
_POSITIONS = ", positions: {order_no: 1-4, amount: 5-9}"
FORMATS = ("csv", "aligned", "fixed", "jsonl", "parquet", "xlsx", "xls")
SOUND_TIME = 9_200_000_000  # in the year 2261, later than all but the strangest times

_MAX_PATH = 3_900  # characters; the system allows 4,095 bytes

HEADER = b"order_no,amount\n"
_SYSTEM = ("xmin", "xmax", "ctid", "cmin", "cmax", "tableoid", "_file_id", "_row_number", "oid")
_MAGIC = (
    b"\x1f\x8b\x08", b"PK\x03\x04", b"PAR1\x15", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xff\xfe", b"\xfe\xff", b"\0",
    b"7z\xbc\xaf\x27\x1c", b"%PDF-", b"<html>", b"<?xml ", b"\0\5\x16\7", b"SQLite format 3\0", b"\x28\xb5\x2f\xfd",
    b"\xef\xbb\xbf", b'"', b"\r", b"\x1a",
)  # fmt: skip


@dataclass(frozen=True)
class BadFile:
    """One file; `member` is its name inside a zip archive."""

    feed: str
    path: bytes  # below the folder of its feed
    content: bytes
    seconds: int
    member: str | None = None
    aim: str = ""  # the reader that is to meet it


def write_declarations(project: Path) -> None:
    """Write a dbt project that declares a feed for each format."""
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: guard\nmodel-paths: [models]\n", encoding="utf-8")
    options = {name: "max_rejects: 50%" + (_POSITIONS if name == "fixed" else "") for name in FORMATS}
    tables = "".join(_TABLE.format(name=name, options=options[name]) for name in FORMATS)
    (project / "models" / "_w__sources.yml").write_text(DECLARATIONS + tables, encoding="utf-8")


def write_parquet(names: list[str], rows: list[list[str | None]]) -> bytes:
    out = io.BytesIO()
    columns = [pa.array([row[number] for row in rows], pa.string()) for number in range(len(names))]
    pq.write_table(pa.Table.from_arrays(columns, names=names), out)
    return out.getvalue()


def make_sound(feed: str, number: int) -> bytes:
    """Return a sound file of one record, another one for each number."""
    row: list[str | None] = [str(number), "2.50"]
    if feed == "parquet":
        return write_parquet(["order_no", "amount"], [row])
    if feed in ("xlsx", "xls"):
        return (make_xlsx if feed == "xlsx" else make_xls)({"A": [["order_no", "amount"], row]})
    if feed == "jsonl":
        return f'{{"order_no": {number}, "amount": 2.50}}\n'.encode()
    texts = {
        "csv": f"order_no,amount\n{number},2.50\n",
        "aligned": f"order_no  amount\n{number}  2.50\n",
        "fixed": f"head\n{number:4} 2.50\n",
    }
    return texts[feed].encode()


# --- names, paths and times ---------------------------------------------------------------------------------------

_any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_parts = st.one_of(
    st.text(st.characters(exclude_characters="/\0"), max_size=40).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=40).map(lambda data: data.replace(b"/", b"").replace(b"\0", b"")),
)
# incompressible, as the entry of a B-tree is packed
# random digits, as the entry of a B-tree is packed
_long = st.builds(
    lambda seed, count: b"/".join(random.Random(seed).randbytes(100).hex().encode() for _ in range(count)),
    st.integers(0, 2**32), st.integers(9, 17),
)  # fmt: skip
_folders = st.lists(_parts.map(lambda part: b"d" + part), max_size=4).map(b"/".join)
_short = st.one_of(*[_parts] * 4, _folders)
_paths = st.integers(0, 49).flatmap(lambda number: _long if number == 25 else _short)
_seconds = st.one_of(
    st.integers(1_600_000_000, 1_800_000_000),
    st.integers(-(2**31), 2**34),
    st.sampled_from([0, -1, -(2**31), 2**31, 2**32, 2**33 - 1, 9_223_372_036, 9_223_372_037, 15_032_390_400]),
)

# --- contents -----------------------------------------------------------------------------------------------------

_names = st.one_of(
    st.sampled_from([*_SYSTEM, "order_no", "amount", "Order No", ""]),
    _any_text,
    st.integers(60, 200).map(lambda count: "x" * count),
    st.integers(20, 40).map(lambda count: "é" * count),
)
_texts = st.one_of(st.just("1"), st.just("2.50"), _any_text)


def _join(names: list[str]) -> bytes:
    return ("order_no,amount," + ",".join(names)).encode() + b"\n1,2" + b"," * len(names) + b"\n"


_headers = st.one_of(
    st.lists(_names, min_size=1, max_size=6).map(_join),
    st.integers(1_400, 1_800).map(lambda count: _join([f"c{number}" for number in range(count)])),
    st.tuples(st.sampled_from(_MAGIC), st.binary(max_size=200)).map(b"".join),
    st.binary(min_size=1, max_size=300),
    st.tuples(st.binary(max_size=30), st.just(b"\n"), st.binary(max_size=30)).map(b"".join),
    st.builds(
        lambda text, encoding: f"a{text}\n1".encode(encoding),
        _any_text,
        st.sampled_from(["utf-16-le", "utf-16-be", "utf-16", "utf-32"]),
    ),
    st.integers(1, 5_000).map(bytes),
)
_lines = st.one_of(
    st.just(b"1,2.50"), st.just(b"1,2.50"), st.just(b'   1 2.50'), st.just(b'{"order_no": "1", "amount": 2}'),
    st.binary(max_size=40), _any_text.map(str.encode),
    st.tuples(_texts, _texts).map(lambda pair: ",".join(pair).encode()),
    st.sampled_from([b'{"order_no": "\\u0000"}', b'{"order_no": "\\ud800", "a": 1e999}', b'{"xmin": ' * 50, bytes(20)]),
)  # fmt: skip
_rows = st.lists(_lines, min_size=1, max_size=6).map(b"\n".join)


def _damage(data: bytes, where: float, what: bytes, cut: bool) -> bytes:
    place = int(where * len(data))
    return data[:place] + what + (b"" if cut else data[place + len(what) :])


def _damaged(contents: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Damage most of the contents: other bytes at some place, and perhaps nothing behind it."""
    damaged = st.builds(_damage, contents, st.floats(0, 1), st.binary(min_size=1, max_size=8), st.booleans())
    return st.one_of(contents, *[damaged] * 4)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
_AIMS = ("header", "body", "archive", "workbook")
_text_formats = st.sampled_from(["csv", "csv", "csv", "aligned", "fixed", "jsonl"])
_table_formats = st.sampled_from(["parquet", "xlsx", "xls"])


@st.composite
def _tables(draw: st.DrawFn, file_format: str) -> bytes:
    """Return a workbook or a Parquet file with any header and cells, damaged or not."""
    names = draw(st.one_of(st.just(["order_no", "amount"]), st.lists(_names, min_size=1, max_size=4)))
    rows: list[list[str | None]] = [[draw(st.one_of(st.none(), _texts)) for _ in names] for _ in range(2)]
    try:
        if file_format == "parquet":
            data = write_parquet(names, rows)
        else:
            make = make_xlsx if file_format == "xlsx" else make_xls
            data = make({"A": [names, *rows]})
    except Exception:  # the writer cannot write such a text
        data = make_sound(file_format, 1)
    return draw(_damaged(st.just(data)))


@st.composite
def _bad_files(draw: st.DrawFn) -> BadFile:
    where = draw(st.sampled_from(_AIMS))
    path, seconds = draw(_paths), draw(_seconds)
    if where == "workbook":
        feed = draw(_table_formats)
        content = draw(_tables(feed))
    else:
        feed = draw(_text_formats)
        head = HEADER if feed == "csv" else b""
        content = draw(_headers if where == "header" else _rows.map(lambda rows: head + rows))
    packing = draw(st.sampled_from([".gz", ".bz2", ".xz", ".zst", "zip", "zip"])) if where == "archive" else ""
    if where == "workbook" and draw(st.integers(0, 9)) == 0:
        packing = "zip"
    if packing in PACKERS:
        packed = draw(_damaged(st.just(PACKERS[packing](content))))
        return BadFile(feed, path[:3500] + packing.encode(), packed, seconds, aim=where)
    if packing == "zip":
        member = draw(_any_text.map(lambda text: f"m{text}m"))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
            archive.writestr(member, content)
        whole = st.just(out.getvalue())
        packed = draw(_damaged(whole) if where == "archive" else whole)
        return BadFile(feed, path[:3500] + b".zip", packed, seconds, member, where)
    return BadFile(feed, path, content, seconds, aim=where)


def draw_bad_files(count: int) -> list[BadFile]:
    """Return so many files of different content, none of which is a leftover by its name.

    Hypothesis draws constants of the modules that are imported, so they depend on the tests before.
    """
    found: dict[tuple[str, bytes], BadFile] = {}

    @settings(max_examples=1_200, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(_bad_files())
    def collect(file: BadFile) -> None:
        names = "x" + os.fsdecode(file.path), file.member or "x"
        if not any(map(find_leftover, names)):
            found.setdefault((file.feed, file.content), file)

    collect()
    # in turn, so that each reader meets about as many
    places = {aim: itertools.count() for aim in _AIMS}
    in_turn = sorted(found.values(), key=lambda file: next(places[file.aim]))
    return in_turn[:count]


def deliver(inbox: Path, files: list[BadFile]) -> list[str]:
    """Write the files, and a sound one behind some of a feed; return the paths of the sound ones.

    The name of file n begins with ``x`` and n.
    """
    sound: list[str] = []
    for number, file in enumerate(files):
        folder = inbox / file.feed / f"{number // 50:03}"
        path = Path(f"{folder}/x{number:04}{os.fsdecode(file.path)}"[:_MAX_PATH])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        os.utime(path, (file.seconds, file.seconds))
        behind = folder / "sound"
        if not behind.exists():
            behind.write_bytes(make_sound(file.feed, number + 2))  # the bad files hold number 1
            os.utime(behind, (SOUND_TIME, SOUND_TIME))
            sound.append(behind.relative_to(inbox).as_posix())
    return sound
