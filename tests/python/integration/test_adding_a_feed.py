"""The tutorial, followed literally: files written, edits made, commands run, printed output compared.

Its end explains how the fenced blocks are marked.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from checkout import BIN, PROJECT, WITH_UNIT_TESTS, Checkout, name_server
from databases import Databases
from warm_commands import put_programs

PAGE = PROJECT / "docs" / "tutorial" / "load-a-new-feed.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its first line, and its text."""

    language: str
    mark: str
    text: str


def read_blocks(page: Path = PAGE) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(*(part or "" for part in it.groups())) for it in found]


def apply_edit(before: str, edit: str) -> str:
    """Return the text with an edit made: its lines without + must occur in the text exactly once."""
    lines = edit.splitlines()
    # a line end in front, so that only whole lines match
    old = "\n" + "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    new = "\n" + "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    before = f"\n{before}"
    assert before.count(old) == 1, f"occurs {before.count(old)} times:{old}"
    return before.replace(old, new)[1:]


def split_words(output: str) -> list[list[str]]:
    """Return an output as lists of words by line: tables are as wide as the terminal, and empty lines do not count."""
    lines = (line.replace("─", " ").split() for line in output.splitlines())
    return [words for words in lines if words]


class TutorialRun:
    """Follows the tutorial in a copy of the project."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.printed = ""

    def follow(self, block: Block) -> None:
        """Do what one block requires."""
        if block.mark.startswith("file="):
            path = self.checkout.project / block.mark.removeprefix("file=")
            if block.language == "diff":
                path.write_text(apply_edit(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
            else:
                assert not path.exists(), f"{path} exists already"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            assert not block.mark, f"a command block must not have a mark: {block}"
            self.run(block.text)
        elif block.mark == "exact":
            assert split_words(self.printed) == split_words(block.text)
        else:
            raise AssertionError(f"a block with an unknown mark: {block}")

    def run(self, commands: str) -> None:
        """Run commands in a shell, all of which must succeed, and keep their standard output."""
        environment = self.checkout.environment
        environment["PATH"] = os.pathsep.join([str(put_programs()), str(BIN), environment["PATH"]])
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", commands],
            cwd=self.checkout.project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout


@pytest.fixture(scope="module")
def finished(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> TutorialRun:
    """The follower after the last step. Home and inbox are below the project, as by default."""
    folder = tmp_path_factory.mktemp("finished")
    variables = name_server(databases.make(folder)) | WITH_UNIT_TESTS
    del variables["WAREHOUSE_HOME"]
    follower = TutorialRun(Checkout.copy_to(folder / "project", **variables))
    for block in read_blocks():
        follower.follow(block)
    return follower


def test_a_fourth_feed_added_by_the_page_reaches_the_marts(finished: TutorialRun) -> None:
    figures = finished.checkout.sql(
        "select order_date, country, currency, line_count, order_count, quantity, net_amount, sale_amount, "
        "return_amount from marts.agg_sales_daily where source_system = 'corner_shop'"
    )
    assert figures == [
        {
            "order_date": "2024-05-02",
            "country": "France",
            "currency": "EUR",
            "line_count": "8",
            "order_count": "6",
            "quantity": "9.000000",
            "net_amount": "26.700000",
            "sale_amount": "28.500000",
            "return_amount": "-1.800000",
        }
    ]
    assert finished.checkout.value("select count(*) from audit.reconciliation where not is_balanced") == "0"


def test_the_staging_model_of_the_page_keeps_the_style(finished: TutorialRun) -> None:
    style = PROJECT / ".sqlfluff"
    finished.checkout.run(
        "sqlfluff", "lint", "--config", str(style), "models/staging/corner_shop", "models/intermediate"
    )


def test_the_page_shows_all_files_and_outputs_of_a_new_feed() -> None:
    blocks = read_blocks()
    written = {block.mark.removeprefix("file=") for block in blocks if block.mark.startswith("file=")}
    assert {Path(name).name for name in written} >= {
        "_corner_shop__sources.yml",
        "stg_corner_shop__receipts.sql",
        "stg_corner_shop__receipts.yml",
        "stg_corner_shop__receipts_typed.sql",
        "int_sales__lines_unioned.sql",
    }
    assert sum(block.mark == "exact" for block in blocks) >= 4
    # an output belongs to the commands before it
    assert all(first.language == "sh" for first, second in pairwise(blocks) if second.mark == "exact")
    # a build of everything, unit tests too, must be green
    assert any(block.text.startswith("dbt build --quiet --target prod\n") for block in blocks)


def test_a_feed_is_forty_lines_of_declaration_and_model() -> None:
    """Without descriptions, which are those of the columns."""
    texts = {block.mark.rpartition("/")[2]: block.text for block in read_blocks()}
    model, declared = texts["stg_corner_shop__receipts.sql"], texts["_corner_shop__sources.yml"]
    assert len(model.splitlines()) + len(declared[: declared.index("columns:")].splitlines()) <= 40


def test_the_follower_refuses_wrong_blocks_of_a_page(tmp_path: Path) -> None:
    follower = TutorialRun(Checkout(tmp_path))
    follower.follow(Block("sql", "file=model.sql", "one\ntwo\n"))
    follower.follow(Block("diff", "file=model.sql", " one\n+more\n two\n"))
    assert (tmp_path / "model.sql").read_text() == "one\nmore\ntwo\n"
    follower.follow(Block("sh", "", "echo 'a   b'\necho\n"))
    follower.follow(Block("text", "exact", "a b\n"))
    wrong = [
        Block("text", "exact", "a c\n"),  # another output
        Block("diff", "file=model.sql", " three\n+four\n"),  # the text to edit is missing
        Block("diff", "file=model.sql", " o\n+four\n"),
        Block("sql", "file=model.sql", "again\n"),  # the file exists already
        Block("sh", "", "false\n"),  # a command that fails
        Block("sh", "sometimes", "true\n"),  # an unknown mark
        Block("sql", "", "select 1\n"),  # a block without a mark
    ]
    for block in wrong:
        with pytest.raises(AssertionError):
            follower.follow(block)
