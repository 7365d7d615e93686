"""Texts of a draft: values as YAML and as Jinja have them, comments that are never too long, and masked values."""

import re
import textwrap

from sales_warehouse.draft.evidence import Call, Entry, Question
from sales_warehouse.printable import show_line

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_text(value: object) -> str:
    """Return a value as YAML has it in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_text, value))}]"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(one if one.isprintable() and one not in '"\\' else _escape(one) for one in text) + '"'


def _escape(one: str) -> str:
    known = {"\t": r"\t", "\n": r"\n", "\r": r"\r", '"': r"\"", "\\": r"\\"}
    return known.get(one) or (f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}")


def jinja_text(value: object) -> str:
    """Return a value as Jinja has it in an expression."""
    if isinstance(value, Call):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(jinja_text, value))}]"
    text = str(value).replace("\\", "\\\\")
    return f'"{text}"' if "'" in text and '"' not in text else "'" + text.replace("'", "\\'") + "'"


def jinja_entry(entry: Entry) -> str:
    """Return a column of the staging model, in one line or several."""
    pairs = [f"'{key}': {jinja_text(value)}" for key, value in entry.items()]
    line = "{" + ", ".join(pairs) + "},"
    if len(line) + 4 <= _WIDTH:
        return f"    {line}"
    return "    {\n" + "".join(f"        {pair},\n" for pair in pairs) + "    },"


def todo_lines(question: Question, mark: str, indent: str = "") -> str:
    """Return what a person must decide as comment lines, the first with TODO, each with its line end."""
    told = f"TODO {question.about}: {question.text}"
    for sign in ("{%", "{{", "{#"):  # dbt reads Jinja in comments too
        told = told.replace(sign, f"{{ {sign[1]}")
    text = show_line(re.sub(r"\s+", " ", told))
    first, more = f"{indent}{mark} ", f"{indent}{mark}   "
    lines = textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=more, break_long_words=True, break_on_hyphens=False
    )
    return "".join(f"{line}\n" for line in lines)


def mask(text: str | None) -> str | None:
    """Return a text of the same shape without what it says: each letter is X or x, each digit 9."""
    if text is None:
        return None
    masked = re.sub(r"[^\W\d_]", lambda found: "X" if found[0].isupper() else "x", text)
    return re.sub(r"\d", "9", masked)
