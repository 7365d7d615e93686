"""Look at samples that are workbooks, Parquet or JSON: where the table is, and what its columns are called."""

import json
from dataclasses import replace
from typing import Any

from sales_warehouse.draft.evidence import Evidence, list_some
from sales_warehouse.draft.name_columns import plain, read_roles
from sales_warehouse.draft.see_sheets import Sheet, see_sheets
from sales_warehouse.feeds.declare import Nesting
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.names import normalise_header
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import open_content
from sales_warehouse.load.readers.parse_in_subprocess import SubprocessContent

_SHAPES = "sales_warehouse.draft.sheet_shapes"
_MOST_OBJECTS = 2_000
_KEY_ROLES = ("order_date", "quantity", "net_amount", "unit_price", "order_id", "product_id")


def look_at_workbook(evidence: Evidence, file: InboxFile) -> list[str]:
    """Find the sheet with the sales and its header; return the header texts."""
    with ContentReader(file.path, file.member) as content, SubprocessContent(content, evidence.feed, _SHAPES) as shapes:
        sheets = see_sheets(json.loads(shapes.read())["header"])
    for sheet in sheets:
        where = (
            f"header in row {sheet.header_row}: {list_some(sheet.headers, 6, 25)}" if sheet.header_row else "no table"
        )
        hidden = ", hidden" if sheet.is_hidden else ""
        evidence.see(
            f"sheet {sheet.number}", sheet.name, f"{sheet.rows:,} rows × {sheet.columns:,} columns{hidden}; {where}"
        )
    tables = [sheet for sheet in sheets if sheet.header_row]
    if not tables:
        return []
    tables.sort(key=lambda sheet: (-_count_roles(sheet), -sheet.records))
    best = tables[0]
    alike = [sheet for sheet in tables[1:] if _count_roles(sheet) >= _count_roles(best)]
    if alike:
        evidence.ask(
            "sheet", f"{best.name!r} is read; as many columns of sales have: {list_some([it.name for it in alike])}"
        )
    elif len(tables) > 1:
        evidence.see("sheet", best.name, "has most of the columns of sales by name")
    if best.headers and len(best.headers) < best.columns:
        evidence.see("columns beside the table", f"{best.columns - len(best.headers):,}", "without a header")
    chosen: str | int = best.name if len(sheets) > 1 else 1
    workbook = replace(evidence.feed.workbook, sheet=chosen, header_row=best.header_row)
    evidence.feed = replace(evidence.feed, workbook=workbook)
    return list(best.headers)


def _count_roles(sheet: Sheet) -> int:
    names = {plain(text) for text in sheet.headers}
    return sum(bool(names & role.exact) for role in read_roles() if role.name in _KEY_ROLES)


def look_at_parquet(evidence: Evidence, file: InboxFile) -> list[str]:
    """Return the names of the columns of a Parquet file."""
    with open_content(replace(file, feed=evidence.feed)) as content:
        header: list[str] = json.loads(next(content.blocks()))["header"]
    evidence.see("header", f"{len(header)} columns", list_some(header, 8, 30))
    return header


def look_at_json(evidence: Evidence, content: bytes) -> list[str]:
    """Find the records in JSON, their items and the keys that are columns; return these."""
    text = content.decode(evidence.feed.dialect.encoding, "replace")
    objects, records = _find_objects(evidence, text)
    if not objects:
        return []
    lists = {key for one in objects for key, value in one.items() if _is_list_of_objects(value)}
    items = next(iter(lists)) if len(lists) == 1 else ""
    if len(lists) > 1:
        evidence.ask(
            "items",
            f"several keys have lists of objects: {', '.join(sorted(lists))}. Declare the one whose items are lines",
        )
    if items:
        each = [len(one[items]) for one in objects if items in one]
        evidence.see("items", items, f"a list of objects in each record; {sum(each):,} in {len(objects):,} records")
    names: dict[str, str] = {}  # column: path
    for one in objects:
        for entry in one.get(items) or [] if items else []:
            _add_paths(names, entry, items)
        _add_paths(names, {key: value for key, value in one.items() if key not in lists}, "")
    paths = [(name, tuple(path.split("."))) for name, path in names.items() if _needs_path(name, path, items)]
    nesting = Nesting(tuple(records.split(".")) if records else (), (items,) if items else (), tuple(paths))
    evidence.feed = replace(evidence.feed, nesting=nesting)
    evidence.see("keys", f"{len(names)}", list_some(list(names), 8, 30))
    return list(names)


def _find_objects(evidence: Evidence, text: str) -> tuple[list[dict[str, Any]], str]:
    lines = [line for line in text.splitlines() if line.strip()][:_MOST_OBJECTS]
    found = []
    is_whole = len(lines) < 2 or text.endswith("\n")  # the first bytes of a long sample end anywhere
    for line in lines if is_whole else lines[:-1]:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    are_objects = len(found) >= max(1, len(lines) - 1) and all(isinstance(one, dict) for one in found)
    is_sure = len(lines) > 1 or evidence.feed.file_format == "jsonl"
    if are_objects and is_sure:  # one line may be a document; json reads both
        evidence.feed = replace(evidence.feed, file_format="jsonl")
        evidence.see("format", "jsonl", "an object a line")
        return found, ""
    evidence.feed = replace(evidence.feed, file_format="json")
    try:
        document, _ = json.JSONDecoder().raw_decode(text.lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"The first sample begins like JSON and is none: {error}.") from None
    if isinstance(document, list):
        evidence.see("format", "json", "a list of objects")
        return [one for one in document if isinstance(one, dict)][:_MOST_OBJECTS], ""
    return _find_list(evidence, document) if isinstance(document, dict) else ([], "")


def _find_list(evidence: Evidence, document: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return the longest list of objects below the document's keys, or the document itself as the one record."""
    waiting, best = [("", document)], ("", [document])
    while waiting:
        path, value = waiting.pop()
        for key, child in value.items():
            here = f"{path}.{key}".lstrip(".")
            if isinstance(child, dict):
                waiting.append((here, child))
            elif _is_list_of_objects(child) and len(child) >= len(best[1]):
                best = here, child
    evidence.see("format", "json", f"records below {best[0]}" if best[0] else "one object")
    return best[1][:_MOST_OBJECTS], best[0]


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _add_paths(names: dict[str, str], value: dict[str, Any], path: str, name: str = "") -> None:
    for key, child in value.items():
        here, called = f"{path}.{key}".lstrip("."), normalise_header(f"{name} {key}")
        if isinstance(child, dict):
            _add_paths(names, child, here, called)
        elif called and "." not in key and not (called in names and names[called] != here):
            names.setdefault(called, here)
        elif called and "." not in key:
            names.setdefault(normalise_header(here), here)


def _needs_path(name: str, path: str, items: str) -> bool:
    return (
        path.removeprefix(f"{items}.") != path.rpartition(".")[2] or normalise_header(path.rpartition(".")[2]) != name
    )
