"""How the lines of a text sample are cut into records and fields: which delimiter, quote, header and lines around it.

DuckDB's sniffer proposes, and the loader's own grammar counts: a dialect is certain if it gives every record one width.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sales_warehouse.draft.see_fixed import Fixed, see_fixed
from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.grammar import AlignedGrammar, Grammar, Parsed
from sales_warehouse.load.readers.parse_record import RecordGrammar

_DELIMITERS = (",", ";", "\t", "|", "||", "^", "~", "\x1f", "\x01", ":")
_MOST_LINES = 3_000
TEXT_BYTES = 1024 * 1024  # of each sample, in which the dialect is looked for
_MOST_TITLES = 50  # records in which the header is looked for
_OF_A_HEADER = 0.6  # of the fields of the fullest record have a text in a header
_NUMBER = re.compile(r"[-+(]?[£$€]?\s?[0-9][0-9.,' \u00a0]*\)?%?|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}.*")
TOTAL_WORDS = (
    "grand total|sub-?total|total|sum|summe|gesamt(?:summe)?|totaux|somme|suma|totale|totaal|som|totalt|soma|razem"
)
_TOTAL = re.compile(rf"\W*(?:{TOTAL_WORDS})\b", re.IGNORECASE)


def is_total(values: Sequence[str]) -> bool:
    """Say whether a record looks like the sum of others: its first value says so, and half of its fields are empty."""
    held = [value for value in values if value.strip()]
    return bool(held) and _TOTAL.match(held[0]) is not None and len(held) <= max(2, len(values) / 2)


@dataclass(frozen=True)
class Try:
    """A dialect, and what the lines are by it: records of the commonest width, others, and lines that are none."""

    dialect: Dialect
    file_format: str
    width: int
    sound: int
    others: int
    unsound: int

    @property
    def share(self) -> float:
        """The part of the records that have the commonest width."""
        return self.sound / max(1, self.sound + self.others + self.unsound)


@dataclass
class Text:
    """How a sample of text is read."""

    dialect: Dialect
    file_format: str
    tries: list[Try] = field(default_factory=list)
    rivals: list[Try] = field(default_factory=list)  # that read the sample as well
    duckdb: str = ""  # what its sniffer says
    header_is_sure: bool = True
    trailers: list[str] = field(default_factory=list)
    comments: int = 0
    short: int = 0  # records with fewer fields than the first, if no record has more
    fixed: Fixed | None = None  # the columns of lines that are equally long, with nothing between fields


def decode_lines(content: bytes, encoding: str, line_end: str) -> str:
    """Return the first lines of a content as text, without one that is cut."""
    decoder = LineDecoder(encoding, "\r" if line_end == "cr" else "\n")
    start = decoder.start(content)
    body = content[start : start + TEXT_BYTES]
    if len(content) - start > TEXT_BYTES:
        body = body[: decoder.end_of_last_line(body)]
    text, _, _ = decoder.to_utf8(body)
    return text.decode("utf-8", "replace")


def see_text(text: str, encoding: str, line_end: str) -> Text:
    """Return how a sample is read; `text` has whole lines."""
    end = "\r" if line_end == "cr" else "\n"
    lines = [line.removesuffix("\r") for line in text.split(end)]
    while lines and not lines[-1].strip():
        lines.pop()
    lines = lines[:_MOST_LINES]
    base = Dialect(encoding=encoding, line_end=line_end)
    comments = _count_comments(lines)
    body = [line for line in lines if not (comments and line.startswith("#"))]
    tries = [_try(body, replace(base, delimiter=one, quote=_quote_of(body, one)), "csv") for one in _present(body)]
    tries.sort(key=lambda it: (-round(it.share, 2), -(it.width > 1), -it.width))
    proposed = _ask_duckdb("\n".join(body))
    tries = [
        _improve(body, it) if it.width > 1 and (n < 2 or it.dialect.delimiter == proposed) else it
        for n, it in enumerate(tries)
    ]
    sound = [it for it in tries if it.width > 1 and (it.share >= 0.5 or it.dialect.delimiter == proposed)]
    aligned = _try(body, base, "aligned")
    if aligned.width > 2 and aligned.share > 0.98 and not (sound and sound[0].share > 0.98):
        seen = Text(base, "aligned", [*tries, aligned], duckdb=proposed)
        records = _records(body, AlignedGrammar(base))
        best = aligned
    elif sound:
        best = _choose(sound, proposed)
        seen = Text(best.dialect, "csv", tries, duckdb=proposed)
        seen.rivals = [
            it for it in sound if it.dialect.delimiter != best.dialect.delimiter and it.share >= best.share > 0.98
        ]
        records = _records(body, RecordGrammar(best.dialect))
    else:
        fixed = see_fixed([line for line in body if line.strip()])
        seen = Text(base, "csv", [*tries, aligned], duckdb=proposed, fixed=fixed)
        best, records = _try(body, base, "csv"), _records(body, RecordGrammar(base))
    found = list(records)
    if comments:
        seen.comments, seen.dialect = comments, replace(seen.dialect, comment="^#")
    first = next((record for _, record in found if record), [])
    shorter = [record for _, record in found if record and len(record) < len(first)]
    width = len(first) if best.share < 0.5 and len(first) > best.width else best.width
    if width == len(first) and len(shorter) > 1 and not any(len(record or ()) > width for _, record in found):
        seen.short = len([record for record in shorter if not is_total(record)])
    _see_header(seen, lines, found, width)
    _see_trailers(seen, found, width)
    return seen


def _count_comments(lines: Sequence[str]) -> int:
    marked = [line for line in lines if line.startswith("#")]
    # `# Order` is a header: a comment is one of several, or has no delimiter in it
    plain = [line for line in marked if not any(one in line for one in (",", ";", "\t", "|"))]
    return len(marked) if len(plain) == len(marked) else 0


def _present(lines: Sequence[str]) -> list[str]:
    joined = "\n".join(lines)
    found = [one for one in _DELIMITERS if one in joined]
    return [one for one in found if not (one == "|" and "||" in found and "|" not in joined.replace("||", ""))] or [","]


def _quote_of(lines: Sequence[str], delimiter: str) -> str:
    """Return the quote that begins fields; the usual one if none does."""
    joined = "\n".join(lines)
    pattern = rf"(?:^|{re.escape(delimiter)})%s(?:[^\n]*?)%s(?:{re.escape(delimiter)}|$)"
    counts = {mark: len(re.findall(pattern % (mark, mark), joined, re.MULTILINE)) for mark in ('"', "'")}
    return "'" if counts["'"] > 3 * counts['"'] and counts["'"] > 3 else '"'


def _try(lines: Sequence[str], dialect: Dialect, file_format: str) -> Try:
    grammar: Grammar = AlignedGrammar(dialect) if file_format == "aligned" else RecordGrammar(dialect)
    widths, unsound = Counter[int](), 0
    for _, found in _records(lines, grammar):
        if found is None:
            unsound += 1
        elif any(found):
            widths[len(found)] += 1
    if not widths:
        return Try(dialect, file_format, 0, 0, 0, unsound)
    width, count = max(widths.items(), key=lambda it: (it[1], it[0]))
    return Try(dialect, file_format, width, count, sum(widths.values()) - count, unsound)


def _records(lines: Sequence[str], grammar: Grammar) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each record with the place of its line from 0, None for a line that is none; not the blank lines."""
    encoded = [line.encode("utf-8", "surrogatepass") for line in lines]
    at = 0
    while at < len(encoded):
        if grammar.is_blank(encoded[at]):
            at += 1
            continue
        found = grammar.parse(encoded, at)
        if isinstance(found, Parsed):
            yield at, [value.decode("utf-8", "replace") for value in found.values]
            at = found.end
        else:
            yield at, None
            at += 1


def _ask_duckdb(text: str) -> str:
    """Return the delimiter that DuckDB's sniffer finds; empty where it finds none."""
    import duckdb  # imported here: only drafts need it

    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", errors="replace") as sample:
        sample.write(text)
        sample.flush()
        with suppress(duckdb.Error), duckdb.connect() as connection:
            asked = "select Delimiter, len(Columns) from sniff_csv(?, ignore_errors = true)"
            found = connection.execute(asked, [sample.name]).fetchone()
            if found is not None and found[1] > 1:
                return str(found[0])
    return ""


def _choose(sound: Sequence[Try], proposed: str) -> Try:
    """Return the dialect with the largest share; of equal ones the one that DuckDB's sniffer proposes."""
    best = sound[0].share
    alike = [it for it in sound if it.share >= min(best, 0.99)]
    return next((it for it in alike if it.dialect.delimiter == proposed), alike[0])


def _improve(lines: Sequence[str], best: Try) -> Try:
    """Return the dialect with the options that make records of more lines, one after the other."""
    changes: tuple[dict[str, str | tuple[str, ...]], ...] = (
        {"blanks": "delimiter"},
        {"escape": "\\"},
        {"escape": "\\", "null_text": ("\\N",)},
        {"trailing_delimiter": "ignore"},
        {"stray_quotes": "text"},
        {"quote": ""},
    )
    for change in changes:
        if best.unsound == 0 and best.others == 0:
            break
        tried = _try(lines, replace(best.dialect, **change), best.file_format)  # type: ignore[arg-type]
        if tried.width > 1 and tried.sound > best.sound and tried.share > best.share:
            best = tried
    return best


def _see_header(seen: Text, lines: Sequence[str], found: Sequence[tuple[int, list[str] | None]], width: int) -> None:
    """Find the line of the header, and whether it is one."""
    full = [(at, record) for at, record in found if record is not None and len(record) == width]
    if not full:
        return
    # the cells of a title may be padded with delimiters: a header has about as many texts as its table is wide
    filled = [sum(bool(text.strip()) for text in record) for _, record in full[:_MOST_TITLES]]
    place = next((n for n, count in enumerate(filled) if count >= min(width, max(2, max(filled) * _OF_A_HEADER))), 0)
    full = full[place:]
    first, header = full[0]
    kept = [number for number, line in enumerate(lines) if not (seen.comments and line.startswith("#"))]
    line = kept[first]  # of the lines themselves, comments among them
    if any(lines[number].strip() for number in kept[:first]):
        seen.dialect = replace(seen.dialect, preamble_lines=line)
    records = [record for _, record in full[1:200]]
    has_values = any(_NUMBER.fullmatch(text.strip()) for text in header if text.strip())
    below = [any(_NUMBER.fullmatch(record[n].strip()) for record in records) for n in range(width)]
    if has_values and any(_NUMBER.fullmatch(text.strip()) and below[n] for n, text in enumerate(header)):
        seen.dialect = replace(seen.dialect, header_lines=0)
    elif not any(below):  # nothing but text: the first line may be data too
        seen.header_is_sure = False
    if (
        seen.dialect.header_lines
        and width > 1
        and seen.dialect.trailing_delimiter == "field"
        and not header[-1].strip()
    ):
        is_empty = all(not record[-1].strip() for record in records)
        if is_empty and seen.file_format == "csv":
            seen.dialect = replace(seen.dialect, trailing_delimiter="ignore")


def _see_trailers(seen: Text, found: Sequence[tuple[int, list[str] | None]], width: int) -> None:
    """Find the lines of totals, which are no records."""
    for _, record in found[1:]:
        held = [text for text in record or () if text.strip()]
        if held and _TOTAL.match(held[0]) and (len(record or ()) != width or len(held) < max(2, width / 2 + 1)):
            seen.trailers.append(held[0].strip())
