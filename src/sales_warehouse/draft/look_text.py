"""Look at samples of delimited or aligned text: encoding, dialect and header, each with its evidence."""

from collections.abc import Sequence
from dataclasses import replace

from sales_warehouse.draft.evidence import Evidence, list_some
from sales_warehouse.draft.see_encoding import see_encoding
from sales_warehouse.draft.see_fixed import Fixed, see_fixed
from sales_warehouse.draft.see_text import TEXT_BYTES, TOTAL_WORDS, Text, Try, decode_lines, see_text
from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.readers.choose_reader import choose_grammar
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.find_header import find_header

_NAMES = {"\t": "tab", "\x1f": "U+001F", "\x01": "U+0001"}
NOT_SURE = "TODO_"


def look_at_text(evidence: Evidence, contents: Sequence[bytes]) -> list[str]:
    """See how the samples are read; set the dialect of the evidence's feed, and return the headers of the first.

    `contents` are the first bytes of each sample, unpacked. Raises `FileRefused` when no header can be read.
    """
    encoding = see_encoding(contents)
    evidence.see("encoding", encoding.name, encoding.evidence)
    if encoding.others:
        evidence.ask(
            "encoding",
            f"{encoding.name} reads the letters as in the evidence. Others read them too: "
            f"{list_some(encoding.others, 4, 60)}",
        )
    if encoding.is_mixed:
        evidence.ask(
            "encoding", f"some samples are UTF-8, others {encoding.name}: which of them, from which day (variants)?"
        )
    line_end = _see_line_end(evidence, contents[0], encoding.name)
    seen = see_text(decode_lines(contents[0], encoding.name, line_end), encoding.name, line_end)
    if seen.fixed is None and all(it.width < 2 for it in seen.tries if it.file_format == seen.file_format):
        seen.fixed = _see_fixed_in_bytes(contents[0], encoding.name, line_end)
        seen.dialect = replace(seen.dialect, bytes_of=encoding.name if seen.fixed else None)
    if seen.fixed is not None:
        return _look_at_fixed(evidence, seen.fixed, seen.dialect)
    _tell_dialect(evidence, seen)
    dialect = seen.dialect
    if seen.trailers:
        dialect = replace(dialect, trailer=rf"(?i)^\W*({TOTAL_WORDS})\b")
        evidence.see("total lines", f"{len(seen.trailers):,}", f"such as {list_some(seen.trailers, 2)}")
        evidence.ask(
            "trailer", f"lines such as {seen.trailers[0]!r} are left out as totals. Keep the option, or remove it"
        )
    if seen.short:
        evidence.ask(
            "short_records",
            f"{seen.short:,} records have fewer fields than the header. Are the last ones left out (null), "
            "or are the records "
            "cut (reject)?",
        )
    evidence.feed = replace(evidence.feed, dialect=dialect, file_format=seen.file_format)
    return _read_header(evidence, contents[0], seen)


def _see_fixed_in_bytes(content: bytes, encoding: str, line_end: str) -> Fixed | None:
    """Return the columns of lines that are equally long in bytes, though not in characters."""
    decoder = LineDecoder(encoding, "\r" if line_end == "cr" else "\n")
    lines = map(decoder.strip_carriage_return, decoder.split(content[decoder.start(content) :][:TEXT_BYTES]))
    # each byte as one character
    return see_fixed([line.decode("latin-1") for line in lines if line.strip()])


def _look_at_fixed(evidence: Evidence, fixed: Fixed, dialect: Dialect) -> list[str]:
    """Declare the places of the columns that the lines show, and ask; return their names."""
    base = Dialect(encoding=dialect.encoding, line_end=dialect.line_end, comment=dialect.comment)
    dialect = replace(base, header_lines=int(fixed.has_header), bytes_of=dialect.bytes_of)
    evidence.feed = replace(evidence.feed, dialect=dialect, file_format="fixed", positions=fixed.places)
    shown = [f"{name} {first}-{last}" for name, (first, last) in zip(fixed.names, fixed.places, strict=True)]
    evidence.see("format", "fixed", "all lines are equally long, and nothing separates fields")
    counted = "bytes" if dialect.bytes_of else "characters"
    evidence.see("positions", f"{len(shown):,} columns", f"in {counted}: {list_some(shown, 8)}")
    evidence.see("header", "line 1" if fixed.has_header else "none", list_some(fixed.names, 8, 30))
    evidence.ask(
        "positions",
        "by blanks in all lines, changes between digits and letters, and days. Columns that touch look like one: "
        "compare with the sender's record layout",
    )
    if not fixed.has_header:
        evidence.ask("header", f"the files name no column; the draft calls them column_1 to column_{len(shown)}")
    return list(fixed.names)


def _see_line_end(evidence: Evidence, content: bytes, encoding: str) -> str:
    ends = {name: LineDecoder(encoding, "\r" if name == "cr" else "\n").newline for name in ("lf", "cr")}
    is_cr = ends["lf"] not in content and ends["cr"] in content
    if is_cr:
        evidence.see("line end", "CR", "no line feed")
    else:
        with_cr = content.count(ends["cr"] + ends["lf"])
        evidence.see("line end", "CR LF" if with_cr else "LF")
    return "cr" if is_cr else "lf"


def _tell_dialect(evidence: Evidence, seen: Text) -> None:
    dialect = seen.dialect
    tried = [_describe(it) for it in seen.tries[:4] if it.width > 1 or it.dialect.delimiter == dialect.delimiter]
    if seen.file_format == "aligned":
        evidence.see("format", "aligned", "; ".join(_describe(it) for it in seen.tries[-1:]))
        evidence.see("delimiter", "runs of blanks")
    else:
        evidence.see("format", "csv")
        duckdb = f"DuckDB's sniffer: {_show(seen.duckdb)}" if seen.duckdb else "DuckDB's sniffer finds none"
        evidence.see("delimiter", _show(dialect.delimiter), "; ".join([*tried, duckdb]))
        if seen.duckdb and seen.duckdb != dialect.delimiter:
            evidence.ask(
                "delimiter",
                f"{_show(dialect.delimiter)} by the widths of records, {_show(seen.duckdb)} by DuckDB's sniffer",
            )
        elif seen.rivals:
            others = ", ".join(_describe(it) for it in seen.rivals)
            evidence.ask("delimiter", f"{_show(dialect.delimiter)} is used; {others}")
        usual = Dialect()
        for name in ("quote", "escape", "blanks", "trailing_delimiter", "stray_quotes", "null_text"):
            value = getattr(dialect, name)
            if value != getattr(usual, name):
                shown = ", ".join(value) if isinstance(value, tuple) else value or "none"
                evidence.see(name.replace("_", " "), shown, "more records have all fields so")
    if max((it.width for it in seen.tries), default=0) < 2:
        evidence.ask(
            "delimiter", "nothing separates fields in all lines: is there one column, or is it file_format: fixed?"
        )
    if seen.comments:
        evidence.see("comments", f"{seen.comments:,}", "lines that begin with #")


def _describe(it: Try) -> str:
    what = "runs of blanks" if it.file_format == "aligned" else _show(it.dialect.delimiter)
    rest = it.others + it.unsound
    return f"{what} gives {it.width} fields in {it.sound:,} lines" + (f", not in {rest:,}" if rest else "")


def _show(delimiter: str) -> str:
    return _NAMES.get(delimiter, delimiter)


def _read_header(evidence: Evidence, content: bytes, seen: Text) -> list[str]:
    dialect = evidence.feed.dialect
    head = find_header(content, replace(dialect, header_lines=1), choose_grammar(evidence.feed), final=True)
    texts = head.join_texts() if head else []
    if dialect.preamble_lines:
        evidence.see("preamble", f"{dialect.preamble_lines} lines", "in front of the first record of full width")
    if not dialect.header_lines:
        evidence.see("header", "none", f"the first record has values as those below: {list_some(texts, 4, 20)}")
        evidence.ask("header", f"the files name no column; the draft calls them column_1 to column_{len(texts)}")
        return [f"column_{number}" for number in range(1, len(texts) + 1)]
    evidence.see("header", f"line {head.lines if head else 1}", list_some(texts, 8, 30))
    if not seen.header_is_sure and not _looks_like_names(texts):
        evidence.ask(
            "header", "line 1 is read as the header, and no value below shows that it is none: `header: false`?"
        )
    return texts


def _looks_like_names(texts: Sequence[str]) -> bool:
    from sales_warehouse.draft.name_columns import plain, read_roles

    return any(plain(text) in role.exact for text in texts for role in read_roles())
