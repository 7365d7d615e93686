"""An inbox of three feeds in two deliveries, with every case that a load has to decide about."""

import gzip
import os
import shutil
from pathlib import Path

DECLARATIONS = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external:
          location: "shop/*.csv"
          file_format: csv
          options: {delivery_key: '(?P<day>\\d{4}-\\d{2}-\\d{2})', max_rejects: 50%}
        columns:
          - {name: order_no, data_type: text}
          - {name: product, data_type: text}
          - {name: amount, data_type: text}
  - name: web
    schema: raw
    tables:
      - name: orders
        identifier: web__orders
        external:
          location: "web/*.txt"
          file_format: csv
          options: {delimiter: ";", encoding: latin-1, delivery_key: '(?P<day>\\d{4}-\\d{2}-\\d{2})', max_rejects: 0}
        columns:
          - {name: order_id, data_type: text}
          - {name: customer, data_type: text}
      - name: clicks
        identifier: web__clicks
        external:
          location: "web/*.jsonl"
          file_format: jsonl
          options: {delivery_key: '(?P<day>\\d{4}-\\d{2}-\\d{2})', max_rejects: 50%}
        columns:
          - {name: page, data_type: text}
"""

CORRECTED = "shop/2024-01-02.csv"
DAY = 86_400
_BEGIN = 1_700_000_000
_HEADER = b"Order No,Product,Amount\n"
_BROKEN_EVERY = 97  # about 1 % rejects


def write_project(folder: Path) -> None:
    """Write the smallest dbt project that declares the feeds."""
    staging = folder / "models" / "staging" / "shop"
    staging.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: faults\nmodel-paths: [models]\n", encoding="utf-8")
    (staging / "_shop__sources.yml").write_text(DECLARATIONS, encoding="utf-8")


def deliver(inbox: Path, name: str, data: bytes, second: int) -> Path:
    """Put a file into the inbox atomically, modified `second` seconds after the first of all."""
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    os.utime(fresh, (_BEGIN + second, _BEGIN + second))
    fresh.replace(path)
    return path


def deliver_first(inbox: Path) -> None:
    """Empty the inbox and deliver the files that the warehouse contains before the faults."""
    shutil.rmtree(inbox, ignore_errors=True)
    deliver(inbox, "shop/2024-01-01.csv", _HEADER + b'1,"tea, green",2.50\n2,pot\n3,cup,4\n', 1)
    deliver(inbox, CORRECTED, shop_lines("first", 6_000), 2)
    deliver(inbox, "web/2024-01-01.txt", b"order_id;customer\r\n7;Zo\xeb\r\n", 3)


def deliver_second(inbox: Path) -> None:
    """Deliver the files that are loaded during the fault, in the order in which they are loaded.

    A packed file; the correction of a large file, with a new column; a duplicate; a file refused for its rejects; JSON
    Lines; a file refused for its header; a small valid one.
    """
    deliver(inbox, "shop/2024-01-03.csv.gz", shop_lines("packed", 2_000), DAY + 1)
    deliver(inbox, CORRECTED, shop_lines("corrected", 60_000, colour=True), DAY + 2)
    deliver(inbox, "shop/2024-01-01 again.csv", (inbox / "shop/2024-01-01.csv").read_bytes(), DAY + 3)
    deliver(inbox, "web/2024-01-02.txt", b"order_id;customer\r\n8;Ann\r\n9\r\n", DAY + 4)
    deliver(inbox, "web/2024-01-03.jsonl", b'{"page": "/", "ms": 3}\n{"page": \n{"page": "/a\\u00e9"}\n', DAY + 5)
    deliver(inbox, "shop/2024-01-05.csv", b"Order No,Product\n1,tea\n", DAY + 6)
    deliver(inbox, "web/2024-01-04.txt", b'order_id;customer\r\n10;"Bo\r\nlast line of Bo"\r\n\r\n', DAY + 7)


def shop_lines(word: str, records: int, colour: bool = False, broken_every: int = _BROKEN_EVERY) -> bytes:
    """Return a file of `shop.lines`; broken records are truncated."""
    more = ",red" if colour else ""
    lines = [
        f"{n},{word * 9}" if n % broken_every == 0 else f'{n},"{word} no. {n}",{n % 1000}.{n % 100:02}{more}'
        for n in range(1, records + 1)
    ]
    return _HEADER.replace(b"\n", b",Colour\n" if colour else b"\n") + "\n".join(lines).encode() + b"\n"
