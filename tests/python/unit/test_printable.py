"""Control characters in the text of a sender do not reach the terminal."""

import json

import pytest

from sales_warehouse.cli.console import out
from sales_warehouse.cli.output import print_json, print_table
from sales_warehouse.printable import show_json, show_line, show_text

HOSTILE = '\x1b[31mred\x1b]0;title\x07 \r\x08 \x9b2J \u202eltr\u2066 \ud800 [red]x[/] [/] :tea: 🍵 it\'s "q" C:\\'
SEEN = r"\x1b[31mred\x1b]0;title\x07 \r\x08 \x9b2J \u202eltr\u2066 \ud800 [red]x[/] [/] :tea: 🍵 it's " + '"q" C:\\'


def test_control_characters_are_escaped_and_all_others_kept() -> None:
    assert show_text(HOSTILE + "\n\té") == SEEN + "\n\té"
    assert show_line("a\nerror: b\t") == r"a\nerror: b\t"


@pytest.mark.parametrize("how", ["print", "table", "json"])
def test_all_printed_text_is_escaped(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    if how == "print":
        out.print(HOSTILE, markup=False)
    elif how == "table":
        print_table(None, ["name"], [(HOSTILE,)])
    else:
        print_json({"name": HOSTILE, "DEL": "\x7f"})
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x07\r\x08\x9b\u202e\u2066\ud800\x7f")
    if how == "json":
        assert json.loads(printed) == {"name": HOSTILE, "DEL": "\x7f"}
    else:
        assert SEEN in printed


def test_escaped_json_has_the_same_value() -> None:
    text = json.dumps([HOSTILE], ensure_ascii=False)
    assert json.loads(show_json(text)) == [HOSTILE]
