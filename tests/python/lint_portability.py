"""Reports constructs of the project's SQL that have another meaning on Spark, or that only one engine supports.

    python tests/python/lint_portability.py            the whole project
    python tests/python/lint_portability.py FILE …     these files

Prints `file:line:column: construct: what to write instead` and ends with 1 if there is a finding.
Comments, string literals and Jinja are separated first. Texts that a macro receives as SQL, such as
the conditions of issue_codes, are checked like the SQL around them. A line can be exempted, with a reason:
`-- portable: reason` or `{# portable: reason #}`; an exemption without effect is reported too.

Not checked: macros/portable, which is where the engines may differ; macros/incremental and macros/publish, whose
statements keep the ledger in transactions of this engine; models/live and macros/live, which add to its publications;
macros/replace, which asks its catalog what depends on what; macros/spark, which is for the other engine;
macros/project, which has no SQL; macros/tests, which holds
tables of input texts, not SQL.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("models", "tests/dbt", "macros")
LEFT_OUT = (
    "models/live/",
    *(
        f"macros/{folder}/"
        for folder in ("portable", "incremental", "live", "project", "publish", "replace", "spark", "tests")
    ),
)

# replaces a Jinja expression: an operand
OPERAND = "j"
# Arguments that are not SQL: all of these calls, and of the macros those from this position on (the first is 0).
NO_SQL = {
    "ref",
    "source",
    "var",
    "env_var",
    "doc",
    "config",
    "get",
    "log",
    "raise_compiler_error",
    "replace",
    "join",
    "split",
    "return",
    "fullmatch",
    "findall",
    "literal_pattern",
    "number_pattern",
}
NO_SQL_FROM = {"matches": 1, "try_date": 1, "try_timestamp": 1, "try_amount": 1, "try_rate": 1, "read_format": 1}

# These apply to the code alone: literals are empty, Jinja expressions are operands, comments are blanks.
RULES: tuple[tuple[str, str, str], ...] = (
    ("division", r"/", "the macro div(dividend, divisor, precision, scale): whole numbers and scales differ"),
    ("avg", r"\bavg\s*\(", "div(sum(…), count(…), precision, scale)"),
    ("double quotes", r'"', "an unquoted name in lower case, or adapter.quote: Spark reads a string literal"),
    ("concat", r"\bconcat\s*\(", "coalesce and ||: one engine skips NULL, the other gives NULL"),
    ("regexp_replace", r"\bregexp_replace\s*\(", "a dispatched macro: only one engine replaces all"),
    ("day of week", r"\bextract\s*\(\s*(?:iso)?(?:dow|epoch)\b|\bdate_part\s*\(", "date_part_number(part, date)"),
    ("float", r"\btype_float\b|\b(?:as|::)\s*(?:float|real)\b", "numeric with precision, or a dispatched macro"),
    ("case of letters", r"\b(?:upper|lower)\s*\(", "ASCII keys only, with `-- portable: reason`"),
    ("initcap", r"\binitcap\s*\(", "capitalised(expression): Spark begins words behind blanks only"),
    ("collate", r"\bcollate\b", "nothing: the database orders text by its bytes"),
    ("distinct on", r"\bdistinct\s+on\b", "row_number() over (partition by … order by …) = 1"),
    ("qualify", r"\bqualify\b", "a CTE with the window function and a where after it"),
    ("ordered aggregate", r"\b(?:string_agg|array_agg|listagg)\s*\(", "a dispatched macro: the order is lost on Spark"),
    ("array", r"\[|\bunnest\s*\(|\b(?:any|all)\s*\(|\barray\s*\(", "rows in a CTE, and in (…)"),
    ("json", r"\bjsonb?\b|->>?", "separate columns, or a dispatched macro"),
    ("generate_series", r"\bgenerate_series\s*\(", "calendar_days(first_day, last_day)"),
    ("regular expression", r"!?~\*?", "matches(expression, pattern)"),
    ("format", r"\bto_(?:char|date|timestamp|number)\s*\(", "try_date, try_timestamp, try_amount or date_part_number"),
    ("type name", r"(?:\bas|::)\s*(?:text|double\s+precision|timestamptz|bytea)\b", "text_type() or a similar macro"),
    ("numeric", r"\b(?:as|::)\s*(?:numeric|decimal)\b(?!\s*\()", "numeric(precision, scale): Spark defaults to 10"),
    (
        "size of amounts",
        r"\b(?:as|::)\s*(?:numeric|decimal)\s*\(\s*(?:18|28)\b",
        "{{ var('amount_type') }}, or that of sums, rates or ratios: their digits are within Spark's 38",
    ),
    ("at time zone", r"\bat\s+time\s+zone\b", "a dispatched macro"),
    ("escape string", r"\be(?=')", "chr(…), or the character itself"),
    ("postgres function", r"\bpg_\w+\s*\(", "a try_… macro"),
)
# These apply to Jinja.
JINJA_RULES: tuple[tuple[str, str, str], ...] = (
    ("target.type", r"\btarget\.type\b", "a dispatched macro below macros/portable"),
    ("float", r"\btype_float\b", "numeric with precision, or a dispatched macro"),
    ("ordered aggregate", r"\bdbt\.listagg\b", "a dispatched macro: the order is lost on Spark"),
)
# In the lists of a staging model: what stands before an expression of a column, or before the condition of a check.
LISTED_SQL = re.compile(r"(?:'is'\s*:|\(\s*'[a-z_]+:[a-z_]+'\s*,)\s*\Z")
EXEMPTION = re.compile(r"(?:--|\{#-?)\s*portable:[ \t]*(?P<reason>[^\n#]*)")


@dataclass(frozen=True, order=True)
class Finding:
    """A construct and its position; line and column count from 1."""

    line: int
    column: int
    construct: str
    advice: str


@dataclass
class Parts:
    """The parts of a text; every part has the length of the text, so that positions are unchanged."""

    code: list[str]
    jinja: list[str]
    literals: list[tuple[int, str]] = field(default_factory=list)
    # texts in Jinja, with the name of the called macro and the position of the argument
    arguments: list[tuple[int, str, str, int]] = field(default_factory=list)


def take_apart(text: str) -> Parts:
    """Separate code, literals, comments and Jinja of a SQL text."""
    blank = ["\n" if character == "\n" else " " for character in text]
    parts = Parts(code=blank.copy(), jinja=blank.copy())
    at = 0
    while at < len(text):
        pair = text[at : at + 2]
        if pair in ("{#", "/*"):
            at = _after(text, "#}" if pair == "{#" else "*/", at + 2)
        elif pair in ("{{", "{%"):
            at = _read_jinja(text, at, parts)
        elif pair == "--":
            at = _after(text, "\n", at) - (1 if "\n" in text[at:] else 0)
        elif text[at] == "'":
            at = _read_literal(text, at, parts)
        else:
            parts.code[at] = text[at]
            at += 1
    return parts


def _after(text: str, end: str, start: int) -> int:
    found = text.find(end, start)
    return len(text) if found < 0 else found + len(end)


def _read_literal(text: str, start: int, parts: Parts) -> int:
    parts.code[start] = "'"
    at, begun = start + 1, start + 1
    while at < len(text):
        if text[at : at + 2] in ("{{", "{%"):
            parts.literals.append((begun, text[begun:at]))
            at = begun = _read_jinja(text, at, parts, in_literal=True)
        elif text[at : at + 2] == "''":
            at += 2
        elif text[at] == "'":
            parts.code[at] = "'"
            break
        else:
            at += 1
    parts.literals.append((begun, text[begun:at]))
    return at + 1


def _read_jinja(text: str, start: int, parts: Parts, in_literal: bool = False) -> int:
    """Read one `{{ … }}` or `{% … %}`; texts in it are kept with the call that receives them."""
    is_expression, end = text.startswith("{{", start), "}}" if text.startswith("{{", start) else "%}"
    calls: list[tuple[str, int]] = []
    at = start + 2
    while at < len(text) and text[at : at + 2] != end:
        character = text[at]
        if character in "'\"":
            begun = at + 1
            at = begun
            while at < len(text) and text[at] != character:
                at += 2 if text[at] == "\\" else 1
            named = [(name, place) for name, place in calls if name]
            name, place = named[-1] if named else ("", 0)
            if not named and LISTED_SQL.search(text[start : begun - 1]):
                name = "staging_model"
            parts.arguments.append((begun, text[begun:at], name, place))
        else:
            parts.jinja[at] = character
            if character in "([{":
                called = re.search(r"(\w+)\s*$", text[start + 2 : at]) if character == "(" else None
                calls.append((called[1] if called else "", 0))
            elif character in ")]}" and calls:
                calls.pop()
            elif character == "," and calls:
                calls[-1] = (calls[-1][0], calls[-1][1] + 1)
        at += 1
    if is_expression and not in_literal:
        for place in range(start, min(at + 2, len(text))):
            if text[place] != "\n":
                parts.code[place] = OPERAND
    if re.match(r"\{%-?\s*end(?:set|macro|call|test)\b", text[start:]):
        parts.code[start] = ";"
    return min(at + 2, len(text))


def find_constructs(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield position, name and advice of every construct of a SQL text with Jinja."""
    parts = take_apart(text)
    code = "".join(parts.code)
    for name, pattern, advice in RULES:
        for found in re.finditer(pattern, code, re.IGNORECASE):
            if name == "type name" and not (found[0].startswith("::") or _in_cast(code, found.start())):
                continue
            yield found.start(), name, advice
    yield from _find_by_structure(code)
    for name, pattern, advice in JINJA_RULES:
        for found in re.finditer(pattern, "".join(parts.jinja)):
            yield found.start(), name, advice
    for start, literal in parts.literals:
        if "\\" in literal:
            yield start + literal.index("\\"), "backslash", "a class such as [0-9] or [.]: Spark removes the backslash"
    for start, argument, called, place in parts.arguments:
        if called == "matches" and "\\" in argument:
            yield start + argument.index("\\"), "backslash", "a class such as [0-9] or [.]: Spark removes the backslash"
        if called and called not in NO_SQL and place < NO_SQL_FROM.get(called, sys.maxsize):
            for inner, name, advice in find_constructs(argument):
                yield start + inner, name, advice


def _find_by_structure(code: str) -> Iterator[tuple[int, str, str]]:
    for found in re.finditer(r"\border\s+by\b", code, re.IGNORECASE):
        for start, item in _split(code, found.end(), r"\b(?:rows|range|groups|limit|offset|fetch|union|for)\b"):
            if not re.search(r"\bnulls\s+(?:first|last)\s*$", item, re.IGNORECASE):
                yield start, "order without nulls", "asc nulls last, or whichever is meant: the engines differ"
    for found in re.finditer(r"\brow_number\s*\(\s*\)\s*over\s*\(", code, re.IGNORECASE):
        inside = code[found.end() : _closing(code, found.end())]
        if not re.search(r"\border\s+by\b", inside, re.IGNORECASE):
            yield found.start(), "row_number without order", "an order by that ends with a unique key"
    for found in re.finditer(r"\bcount\s*\(\s*distinct\b", code, re.IGNORECASE):
        if len(list(_split(code, found.end(), r"(?!)"))) > 1:
            yield found.start(), "count of several columns", "count(*) over a CTE with select distinct"
    for found in re.finditer(r"\bdate_trunc\s*\(|[-+]\s*interval\b", code, re.IGNORECASE):
        if not _is_cast_to_time(code, found.start()):
            name = "date_trunc" if found[0][0] in "dD" else "interval"
            yield found.start(), name, "cast(… as date) around it: the type of the result differs"
    day = r"(?:\b(?:\w+_date|date_day|current_date)\b|\bas\s+date\s*\))"
    for found in re.finditer(
        rf"{day}\s*(-)\s*(?=(\w+_date\b|date_day\b|current_date\b|cast\s*\())", code, re.IGNORECASE
    ):
        if found[2].lower().startswith("cast"):
            begun = code.index("(", found.end()) + 1
            if not re.search(r"\bas\s+date\s*$", code[begun : _closing(code, begun)], re.IGNORECASE):
                continue
        yield found.start(1), "date minus date", "dbt.datediff(first, second, 'day')"


def _closing(code: str, start: int) -> int:
    """Return the position of the parenthesis that closes the one before `start`."""
    depth = 1
    for place in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        if not depth:
            return place
    return len(code)


def _opening(code: str, start: int) -> int:
    depth = 1
    for place in range(start - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(code[place], 0)
        if not depth:
            return place
    return -1


def _in_cast(code: str, start: int) -> bool:
    opening = _opening(code, start)
    return opening >= 0 and bool(re.search(r"\bcast\s*$", code[:opening], re.IGNORECASE))


def _is_cast_to_time(code: str, start: int) -> bool:
    opening = _opening(code, start)
    if opening < 0 or not _in_cast(code, start):
        return False
    inside = code[opening + 1 : _closing(code, opening + 1)]
    return bool(re.search(rf"\bas\s+(?:date|timestamp|{OPERAND}+)\s*$", inside, re.IGNORECASE))


def _split(code: str, start: int, end: str) -> Iterator[tuple[int, str]]:
    """Yield position and text of the items of a list, up to a closing parenthesis or a word that ends it."""
    stop = re.compile(end, re.IGNORECASE)
    depth, begun, at = 0, start, start
    while at < len(code):
        if depth == 0 and (code[at] in ");" or (not code[at - 1].isalnum() and stop.match(code, at))):
            break
        depth += {"(": 1, ")": -1}.get(code[at], 0)
        if code[at] == "," and depth == 0:
            yield begun + len(code[begun:at]) - len(code[begun:at].lstrip()), code[begun:at].strip()
            begun = at + 1
        at += 1
    yield begun + len(code[begun:at]) - len(code[begun:at].lstrip()), code[begun:at].strip()


def lint_text(text: str) -> list[Finding]:
    """Return the findings of a file's text, in the order of its lines."""
    reasons = {number: EXEMPTION.search(line) for number, line in enumerate(text.split("\n"), 1)}
    findings, used = [], set()
    for place, construct, advice in find_constructs(text):
        line = text.count("\n", 0, place) + 1
        exemption = reasons[line]
        if exemption and exemption["reason"].strip():
            used.add(line)
            continue
        findings.append(Finding(line, place - text.rfind("\n", 0, place), construct, advice))
    for line, exemption in reasons.items():
        if exemption and not exemption["reason"].strip():
            findings.append(Finding(line, exemption.start() + 1, "exemption", "the reason after `portable:`"))
        elif exemption and line not in used:
            findings.append(Finding(line, exemption.start() + 1, "exemption", "nothing: nothing to exempt"))
    return sorted(set(findings))


def find_files() -> list[Path]:
    """Return the SQL files of the project that must run on every engine."""
    files = (path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.sql"))
    return sorted(path for path in files if _is_portable(path))


def _is_portable(path: Path) -> bool:
    name = path.resolve().relative_to(PROJECT).as_posix()
    return name.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and not name.startswith(LEFT_OUT)


def main(arguments: list[str]) -> int:
    """Check the named files, or all; print the findings and return the exit code."""
    files = [path for path in map(Path, arguments) if _is_portable(path)] if arguments else find_files()
    count = 0
    for path in files:
        for finding in lint_text(path.read_text(encoding="utf-8")):
            name = path.resolve().relative_to(PROJECT).as_posix()
            print(f"{name}:{finding.line}:{finding.column}: {finding.construct}: write {finding.advice}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
