"""The demonstration files: always the same bytes, every kind of error, and a correct truth."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sales_warehouse.demo import Truth, write_sample
from sales_warehouse.demo.draft_file import pack_gzip

SMALL: dict[str, Any] = {"days": 90, "records": 23_809}
FEEDS = ("online_retail.invoice_lines", "store_orders.order_lines", "superstore.order_lines")
CITY, LISTS = "city_stores.receipt_lines", "city_stores.stores"
FEES = {"POST", "DOT", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK"}
ADJUSTMENTS = {"M", "D", "S", "B"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    directory = tmp_path_factory.mktemp("sample")
    return directory, write_sample(directory, **SMALL)


def read_content(directory: Path, uri: str) -> bytes:
    delivered = (directory / uri).read_bytes()
    return gzip.decompress(delivered) if uri.endswith(".gz") else delivered


def read_all(directory: Path) -> dict[str, bytes]:
    """Return the uncompressed content of every file below the folders."""
    uris = [path.relative_to(directory).as_posix() for path in directory.glob("*/**/*") if path.is_file()]
    return {uri: read_content(directory, uri) for uri in uris}


def read_rows(directory: Path, uri: str, *, leave_out: int | None = None) -> list[list[str]]:
    """Return the rows after the header, read strictly, without the one reject and without blank physical lines."""
    lines = read_content(directory, uri).decode().split("\n")
    if leave_out is not None:
        del lines[leave_out - 1]
    return [row for row in list(csv.reader(io.StringIO("\n".join(lines), newline=""), strict=True))[1:] if row]


def test_same_options_give_same_bytes_and_times(sample: tuple[Path, Truth], tmp_path: Path) -> None:
    directory, truth = sample
    again = write_sample(tmp_path, **SMALL)
    assert again == truth
    assert read_all(tmp_path) == read_all(directory)
    assert (tmp_path / "truth.json").read_bytes() == (directory / "truth.json").read_bytes()
    for file in truth.files:
        assert (tmp_path / file.uri).stat().st_mtime == datetime.fromisoformat(file.modified_at).timestamp()


def test_bytes_do_not_depend_on_the_machine(sample: tuple[Path, Truth]) -> None:
    # Fails if a change to the generator changes the demonstration files: then update the hashes.
    digests = {file.uri: file.content_sha256[:16] for file in sample[1].files}
    assert {uri: digests[uri] for uri in PINNED} == PINNED


def test_other_seed_gives_other_bytes(sample: tuple[Path, Truth], tmp_path: Path) -> None:
    directory, _ = sample
    write_sample(tmp_path, **SMALL, seed=7)
    ours, theirs = read_all(directory), read_all(tmp_path)
    assert ours.keys() == theirs.keys()
    # the stores are the same, what they sell is not
    assert {uri.rpartition("/")[0] for uri in ours if ours[uri] == theirs[uri]} == {"city_stores/stores"}


def test_truth_json_equals_the_returned_truth(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    told: dict[str, Any] = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
    assert [file["uri"] for file in told["files"]] == [file.uri for file in truth.files]
    for feed in FEEDS:
        assert Decimal(told["feeds"][feed]["net_amount"]) == truth.feeds[feed].net_amount
        assert re.fullmatch(r"-?\d+\.\d{6}", told["feeds"][feed]["net_amount"])
        assert sum(Decimal(net) for net in told["feeds"][feed]["by_month"].values()) == truth.feeds[feed].net_amount
    raw = [base64.b64decode(reject["raw"]) for file in told["files"] for reject in file["rejects"]]
    assert raw == [reject.raw for file in truth.files for reject in file.rejects]


def test_every_record_has_one_outcome(sample: tuple[Path, Truth]) -> None:
    _, truth = sample
    for file in truth.files:
        assert file.records_read == file.rows_loaded + file.rows_rejected + file.rows_skipped
        assert len(file.rejects) == file.rows_rejected
        # The loader refuses a file with more than 1 % rejects.
        assert file.rows_rejected * 100 < max(file.records_read, 1)
        if file.rows is not None:
            aside = sum(file.rows.skipped.values()) + len(file.rows.quarantined)
            assert file.rows_loaded == file.rows.accepted + aside
    for name in ("accepted", "exact_duplicates", "quantity", "gross_amount", "net_amount"):
        for feed in FEEDS:
            rows = [file.rows for file in truth.files if file.feed == feed and file.rows is not None]
            assert sum(getattr(row, name) for row in rows) == getattr(truth.feeds[feed], name)
    daily = [day for day in truth.daily if day.source_system == "online_retail"]
    assert sum(day.net_amount for day in daily) == truth.feeds[FEEDS[0]].net_amount
    assert sum(day.lines for day in daily) == truth.feeds[FEEDS[0]].accepted
    assert truth.totals.records_read == pytest.approx(SMALL["records"], rel=0.01)


def test_rejects_are_at_the_place_named_by_the_truth(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    reasons: Counter[str] = Counter()
    for file in truth.files:
        content = read_content(directory, file.uri)
        for reject in file.rejects:
            reasons[reject.reason] += 1
            end = reject.byte_offset + len(reject.raw)
            assert content[reject.byte_offset : end] == reject.raw
            assert content[end : end + 1] in (b"\n", b"")
            assert content[: reject.byte_offset].count(b"\n") + 1 == reject.line_number
            try:
                reject.raw.decode()
                decodable = True
            except UnicodeDecodeError:
                decodable = False
            assert decodable == (reject.reason != "encoding")
    assert set(reasons) == {"too_few_fields", "too_many_fields", "encoding", "unbalanced_quote"}
    assert len([file for file in truth.files if any(reject.reason == "encoding" for reject in file.rejects)]) == 2


def test_truncated_file_ends_in_the_middle_of_a_line(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    (file,) = [file for file in truth.files if any(reject.reason == "too_few_fields" for reject in file.rejects)]
    assert file.rejects[0].row_number == file.records_read
    assert read_content(directory, file.uri).endswith(file.rejects[0].raw)


def test_stray_quote_is_seen_by_a_strict_reader(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    (file,) = [file for file in truth.files if any(reject.reason == "unbalanced_quote" for reject in file.rejects)]
    with pytest.raises(csv.Error, match="expected after"):
        read_rows(directory, file.uri)
    assert len(read_rows(directory, file.uri, leave_out=file.rejects[0].line_number)) == file.rows_loaded


def judge_online(row: list[str]) -> tuple[str | None, dict[str, Any]]:
    invoice, code, _, quantity, when, price, customer, country = row
    reason = judge(invoice, quantity, price, when, "%Y-%m-%d %H:%M:%S")
    if reason:
        return reason, {}
    kind = "sale" if int(quantity) >= 0 else "return"
    kind = "fee" if code in FEES else "adjustment" if code in ADJUSTMENTS else kind
    kind = "cancellation" if invoice.startswith("C") else kind
    net = int(quantity) * Decimal(price)
    return None, {
        "order": invoice, "type": kind, "day": when[:10], "customer": customer.removesuffix(".0"), "product": code,
        "country": country, "quantity": int(quantity), "gross": net, "net": net,
    }  # fmt: skip


def judge_store(row: list[str]) -> tuple[str | None, dict[str, Any]]:
    order, product, quantity, price, when, _ = row
    if not any(row):
        return "row:blank", {}
    if order == "Order ID":
        return "row:repeated_header", {}
    reason = judge(order, quantity, price, when, "%m/%d/%y %H:%M")
    if reason:
        return reason, {}
    net = int(quantity) * Decimal(price)
    return None, {
        "order": order, "type": "sale", "day": datetime.strptime(when, "%m/%d/%y %H:%M").date().isoformat(),
        "customer": "", "product": product, "country": "United States", "quantity": int(quantity), "gross": net,
        "net": net,
    }  # fmt: skip


def judge_superstore(row: list[str]) -> tuple[str | None, dict[str, Any]]:
    order, day, customer, country, product = row[1], row[2], row[5], row[8], row[13]
    sales, quantity, discount, profit = row[17:]
    reason = judge(order, quantity, sales, day, "%Y-%m-%d")
    if reason:
        return reason, {}
    # Rounds half away from zero with integers, so that the check does not depend on decimal's rounding.
    scaled, share = int(Decimal(sales) * 1_000_000), int((1 - Decimal(discount)) * 100)
    gross = Decimal((2 * scaled * 100 + share) // (2 * share)).scaleb(-6)
    return None, {
        "order": order, "type": "sale", "day": day, "customer": customer, "product": product, "country": country,
        "quantity": int(quantity), "gross": gross, "net": Decimal(sales), "cost": Decimal(sales) - Decimal(profit),
    }  # fmt: skip


def judge_city(row: list[str]) -> tuple[str | None, dict[str, Any]]:
    receipt, store, when, article, *_, quantity, price, discount, _, _, reason = row
    if not any(row):
        return "row:blank", {}
    if receipt == "Receipt":
        return "row:repeated_header", {}
    issue = judge(receipt, quantity, price, when, "%Y-%m-%d %H:%M")
    if issue:
        return issue, {}
    assert (int(quantity) < 0) == (reason != "")
    gross = int(quantity) * Decimal(price)
    # the day of store 03 ends at four
    at = datetime.strptime(when, "%Y-%m-%d %H:%M")
    day = at - timedelta(days=int(store == "03" and at.hour < 4))
    countries = {"05": "France", "06": "France", "07": "France", "08": "Austria", "09": "Austria"}
    return None, {
        "order": receipt, "type": "sale" if int(quantity) >= 0 else "return", "day": day.date().isoformat(),
        "customer": "", "product": article, "country": countries.get(store, "Germany"), "quantity": int(quantity),
        "gross": gross,
        "net": gross - Decimal(discount), "store": store,
    }  # fmt: skip


def judge(order: str, quantity: str, price: str, when: str, pattern: str) -> str | None:
    if not order:
        return "order_id:missing"
    if not re.fullmatch(r"-?\d+", quantity):
        return "quantity:not_an_integer"
    if not re.fullmatch(r"-?\d+(\.\d+)?", price):
        return "unit_price:not_a_decimal"
    try:
        datetime.strptime(when, pattern)
    except ValueError:
        return "ordered_at:not_a_timestamp" if "%H" in pattern else "order_date:not_a_date"
    return None


@pytest.mark.parametrize(
    ("feed", "judge_row"),
    list(zip((*FEEDS, CITY), (judge_online, judge_store, judge_superstore, judge_city), strict=True)),
    ids=(*FEEDS, CITY),
)
def test_recount_with_another_reader_agrees(sample: tuple[Path, Truth], feed: str, judge_row: Any) -> None:
    directory, truth = sample
    told = truth.feeds[feed]
    reasons: Counter[str] = Counter()
    sales: list[dict[str, Any]] = []
    duplicates = 0
    for file in truth.files:
        if file.feed != feed or file.rows is None:
            continue
        content = read_content(directory, file.uri)
        for reject in reversed(file.rejects):
            content = content[: reject.byte_offset] + content[reject.byte_offset + len(reject.raw) + 1 :]
        seen: set[tuple[str, ...]] = set()
        for row in list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))[1:]:
            reason, sale = judge_row(row) if row else ("line:blank", {})
            if reason:
                reasons[reason] += 1
                continue
            duplicates += tuple(row) in seen
            seen.add(tuple(row))
            sales.append(sale)
    assert len(sales) == told.accepted
    assert duplicates == told.exact_duplicates
    assert reasons.pop("line:blank", 0) == told.rows_skipped
    assert dict(reasons) == {**told.skipped, **told.quarantined}
    assert sum(sale["quantity"] for sale in sales) == told.quantity
    assert sum(sale["gross"] for sale in sales) == told.gross_amount
    assert sum(sale["net"] for sale in sales) == told.net_amount
    assert sum(sale["gross"] - sale["net"] for sale in sales) == told.discount_amount
    cost = sum(sale["cost"] for sale in sales) if "cost" in sales[0] else None
    assert cost == told.cost_amount
    assert len({sale["order"] for sale in sales}) == told.orders
    assert len({sale["customer"] for sale in sales} - {""}) == told.customers
    assert len({sale["product"] for sale in sales}) == told.products
    types: defaultdict[str, list[Decimal]] = defaultdict(list)
    days: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for sale in sales:
        types[sale["type"]].append(sale["net"])
        days[sale["day"], sale["country"]].append(sale["net"])
    assert {key: (len(net), sum(net)) for key, net in types.items()} == {
        key: (line_type.lines, line_type.net_amount) for key, line_type in told.by_line_type.items()
    }
    daily = [day for day in truth.daily if day.source_system == feed.split(".")[0]]
    assert {key: (len(net), sum(net)) for key, net in days.items()} == {
        (day.order_date, day.country): (day.lines, day.net_amount) for day in daily
    }


def read_receipts(directory: Path, truth: Truth) -> list[dict[str, Any]]:
    """Return the sales of the chain of stores, as another reader sees them."""
    rows = (row for file in truth.files if file.feed == CITY for row in read_rows(directory, file.uri))
    return [sale for row in rows if not (judged := judge_city(row))[0] for sale in [judged[1]]]


def test_the_stores_have_what_their_receipts_say(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    sums: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for sale in read_receipts(directory, truth):
        sums[sale["store"], sale["day"][:7]].append(sale["net"])
    assert {(it.store_id, it.month): (it.lines, it.net_amount) for it in truth.stores} == {
        key: (len(net), sum(net)) for key, net in sums.items()
    }
    assert len({store for store, _ in sums}) == 10 and len({month for _, month in sums}) == 24
    assert sum(it.tax_amount for it in truth.stores) > 0


def test_lists_tell_of_an_opening_a_closing_a_move_and_a_refurbishment(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    lists = [{row[0]: row for row in read_rows(directory, file.uri)} for file in truth.files if file.feed == LISTS]
    assert [len(it) for it in lists] == [9, 10, 10, 10, 10, 10]
    assert [it["02"][3] for it in lists] == ["South", "South", "West", "West", "West", "West"]
    assert [it["04"][9] for it in lists] == [""] * 5 + ["2023-09-20"]
    assert [it["06"][10:] for it in lists] == [["", ""]] * 3 + [["2023-05-10", ""]] + [["2023-05-10", "2023-06-12"]] * 2
    assert (lists[-1]["10"][8], lists[-1]["03"][7]) == ("2022-12-15", "04:00")
    sold = {
        store: [sale["day"] for sale in read_receipts(directory, truth) if sale["store"] == store]
        for store in lists[-1]
    }
    assert max(sold["04"]) <= "2023-09-20" and min(sold["10"]) >= "2022-12-15"
    assert not [day for day in sold["06"] if "2023-05-10" <= day <= "2023-06-12"]


def test_like_for_like_is_of_the_stores_that_were_open_in_both_months(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    sales = read_receipts(directory, truth)
    for told in truth.like_for_like:
        year, month = map(int, told.month.split("-"))
        # from the 15th of December a year before, to the 20th of September, and the refurbishment
        left_out = {"10"} if date(year - 1, month, 1) < date(2022, 12, 15) else set[str]()
        left_out |= {"04"} if told.month >= "2023-09" else set()
        left_out |= {"06"} if told.month in ("2023-05", "2023-06") else set()
        assert set(told.store_ids) == {f"{number:02d}" for number in range(1, 11)} - left_out
        for amount, of in ((told.net_amount, told.month), (told.last_year_amount, f"{year - 1}-{month:02d}")):
            assert amount == sum(it["net"] for it in sales if it["store"] in told.store_ids and it["day"][:7] == of)
    assert [told.month for told in truth.like_for_like][::11] == ["2023-04", "2024-03"]


def test_a_small_sample_has_no_stores(tmp_path: Path) -> None:
    truth = write_sample(tmp_path, days=14, records=3_600)
    assert set(truth.feeds) == set(FEEDS) and not truth.stores and not (tmp_path / "city_stores").exists()


def test_quarantined_rows_are_at_the_place_named_by_the_truth(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    marks = {"quantity:not_an_integer": b",two,", "unit_price:not_a_decimal": b",abc,"}
    for file in truth.files:
        lines = read_content(directory, file.uri).split(b"\n")
        for row in file.rows.quarantined if file.rows else ():
            line = lines[row.line_number - 1]
            if row.reason == "order_id:missing":
                assert line.startswith(b",") or b',"",' in line
            elif row.reason in ("order_date:not_a_date", "ordered_at:not_a_timestamp"):
                assert b"02-30" in line or b"02/30" in line
            else:
                assert marks[row.reason] in line


@pytest.mark.parametrize("options", [SMALL, {"days": 14, "records": 3_080}, {"days": 31, "records": 9_000}])
def test_every_kind_of_dirt_occurs(tmp_path: Path, options: dict[str, Any]) -> None:
    truth = write_sample(tmp_path, **options)
    contents = read_all(tmp_path)
    texts = {
        feed: "\n".join(
            contents[file.uri].decode(errors="replace") for file in truth.files if file.feed == feed
        )
        for feed in FEEDS
    }  # fmt: skip
    online, store, office = (texts[feed] for feed in FEEDS)
    for pattern in (
        r"\nC\d+,\w+,[^\n]*,-\d+,",  # cancellation
        r"\n\d+,\w+,,-\d+,[^,]+,0\.0,,",  # return without price, customer and description
        r",\d{5}\.0,",  # customer id with a decimal
        r',"[^"\n]*,[^"\n]*",',  # comma inside quotes
        r'""',  # doubled quotes
        r',"[^"\n]*\n[^"\n]*",\d',  # line end inside quotes
        r"[É£]",
        r"\n\n",
        r",\d+\.\d{3},",  # price with three decimals
        r"\nA\d+,B,[^\n]*,-\d+\.",  # negative price
    ):
        assert re.search(pattern, online), pattern
    for code in FEES | ADJUSTMENTS:
        assert re.search(rf"\n[AC]?\d+,{code},", online), code
    assert {"sale", "return", "cancellation", "fee", "adjustment"} == set(truth.feeds[FEEDS[0]].by_line_type)
    assert set(truth.feeds[FEEDS[1]].skipped) == {"row:blank", "row:repeated_header"}
    assert len(set(truth.feeds[FEEDS[1]].by_month)) > len([file for file in truth.files if file.feed == FEEDS[1]])
    assert re.search(r',"\d+ \w+ St, [^"\n]+, [A-Z]{2} \d{5}"\n', store)
    assert "\u00a0" in office
    for pattern in (r",0,-?\d+(\.\d+)?\n", r",0\.\d+,-\d+(\.\d+)?\n", r",\d+\.\d{4},\d+,", r'"",'):
        assert re.search(pattern, office), pattern
    for feed in FEEDS[:2]:
        assert truth.feeds[feed].exact_duplicates > 0
        assert len(truth.feeds[feed].quarantined) == 4
    assert set(truth.feeds[FEEDS[2]].quarantined) == {
        "order_id:missing", "quantity:not_an_integer", "order_date:not_a_date",
    }  # fmt: skip
    assert truth.feeds[FEEDS[0]].rows_skipped == 3
    found = {reject.reason for file in truth.files for reject in file.rejects}
    assert found == {"too_few_fields", "too_many_fields", "encoding", "unbalanced_quote"}
    assert all(file.rows_rejected * 100 < max(file.records_read, 1) for file in truth.files)


def test_copy_and_correction_are_judged_in_order_of_arrival(sample: tuple[Path, Truth]) -> None:
    directory, truth = sample
    files = {file.uri: file for file in truth.files}
    assert list(files) == sorted(files, key=lambda uri: ((directory / uri).stat().st_mtime, uri))
    first, second = files["online_retail/2024-01-17.csv"], files["online_retail/2024-01-17_corrected.csv"]
    assert (first.status, first.version) == ("superseded", 1)
    assert (second.status, second.version) == ("active", 2)
    assert first.delivery_key == second.delivery_key == {"business_date": "2024-01-17"}
    assert first.sha256 != second.sha256
    original, copy = files["online_retail/2024-02-10.csv"], files["online_retail/2024-02-10 (copy).csv"]
    assert (original.status, copy.status, copy.records_read) == ("active", "duplicate", 0)
    assert original.sha256 == copy.sha256
    packed = files["online_retail/2024-02-20.csv.gz"]
    assert packed.sha256 != packed.content_sha256
    months = {file.delivery_key.get("month") for file in truth.files if not file.uri.startswith("city_stores")}
    assert months == {None, "January", "February", "March"}
    assert (truth.totals.files_delivered, truth.totals.files_active) == (126, 124)


def test_gzip_has_no_time_and_no_name() -> None:
    packed = pack_gzip(b"a,b\n1,2\n")
    assert gzip.decompress(packed) == b"a,b\n1,2\n"
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"days": 13}, "days must be between 14 and 1000, not 13"),
        ({"days": 14, "records": 3_079}, "records must be between 3080 and"),
        ({"days": 1001}, "days must be"),
        ({"records": 5_000_001}, "records must be"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_persons_files_are_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "superstore" / "superstore.csv"
    mine.parent.mkdir()
    mine.write_text("my own sales\n")
    with pytest.raises(ValueError, match="nothing was written"):
        write_sample(tmp_path, days=14, records=4_000)
    assert mine.read_text() == "my own sales\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_an_untouched_sample_is_replaced_and_a_changed_one_is_not(tmp_path: Path) -> None:
    write_sample(tmp_path, days=14, records=4_000)
    truth = write_sample(tmp_path, days=14, records=4_000, seed=5)
    assert read_content(tmp_path, truth.files[0].uri)
    # The corrected file of 14 days has another date than that of 30 and would remain as an unmatched file.
    with pytest.raises(ValueError, match="not a file of this sample"):
        write_sample(tmp_path, days=30, records=9_000, seed=5)
    with (tmp_path / truth.files[0].uri).open("ab") as file:
        file.write(b"1,2\n")
    with pytest.raises(ValueError, match=re.escape(truth.files[0].uri)):
        write_sample(tmp_path, days=14, records=4_000, seed=5)


PINNED: dict[str, str] = {
    "city_stores/receipts/receipts_2023-07.csv": "2fca9ed181e924a2",
    "city_stores/stores/stores_2023-06-13.csv": "9f4bdddbaac2052c",
    "online_retail/2024-01-01.csv": "9aeca68f79d1d0ca",
    "online_retail/2024-02-20.csv.gz": "c35d41f9f9f7fce0",
    "store_orders/Sales_March_2024.csv": "e1f96f2e590e1b3a",
    "superstore/superstore.csv": "aee90a84093f802a",
}
