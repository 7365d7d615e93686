"""The words for people, compared with what there is: links, commands, variables, tests, figures and terms."""

import ast
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import typer
import yaml

from sales_warehouse.cli import app
from sales_warehouse.demo import write_sample

PROJECT = Path(__file__).resolve().parents[3]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
PACKAGE = PROJECT / "src" / "sales_warehouse"
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")

# Words of the glossary's "avoid" column that mean something else as well, and what.
ALLOWED = {
    "import": "the statement of Python, and the first CTEs of a model",
    "line number": "the physical line of a record, which is no row number",
}
GLOSSARY = "docs/glossary.md"


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# --- what is looked for: each returns what is wrong ----------------------------------------------------------------


def find_anchors(text: str) -> set[str]:
    """Return the anchors GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for _, target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        goal = (page.parent / path).resolve() if path else page
        there = goal.exists() and goal.is_relative_to(PROJECT)
        if not there or (anchor and anchor not in find_anchors(text if goal == page else read(goal))):
            broken.append(target)
    return broken


def find_unknown_commands(text: str) -> set[str]:
    """Return the `warehouse …` and `make …` of a page that do not exist."""
    command = typer.main.get_command(app)
    verbs = set(getattr(command, "commands", {}))
    targets = set(re.findall(r"^([a-z]+):.*## ", read(PROJECT / "Makefile"), re.MULTILINE)) | {
        "lint",
        "types",
        "pytest",
    }
    code = "\n".join(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)) + FENCE.findall(text))
    code = re.sub(r"\s#.*", "", code)  # comments of the shell are prose
    used = re.findall(r"(?:^|[\s/·|])(warehouse|make) ([a-z]+)\b", code, re.MULTILINE)
    return {f"{tool} {verb}" for tool, verb in used if verb not in (verbs if tool == "warehouse" else targets)}


def find_unknown_options(text: str) -> set[str]:
    """Return the options that a page gives to `warehouse` and that its verb does not have."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    unknown = set()
    for verb, rest in re.findall(r"warehouse ([a-z]+)([^`\n|]*)", text):
        if verb == "mf":  # the options are MetricFlow's
            continue
        known = {"--help"}
        for one in [commands[verb], *getattr(commands[verb], "commands", {}).values()] if verb in commands else []:
            known |= {name for parameter in one.params for name in (*parameter.opts, *parameter.secondary_opts)}
        # what stands behind a quoted query may be an option too, what stands inside is none
        given = re.findall(r"(?<!\S)(--[a-z-]+)", re.sub(r'"[^"]*"', "", rest))
        unknown |= {f"warehouse {verb} {option}" for option in given if option not in known}
    return unknown


def find_unknown_variables(text: str) -> set[str]:
    """Return the environment variables of a page that no part of the project reads."""
    known = set(re.findall(r"^([A-Z_]+)=", read(PROJECT / ".env.example"), re.MULTILINE))
    readers = [*PACKAGE.rglob("*.py"), *PROJECT.glob("tests/python/**/*.py"), PROJECT / "docker-compose.yml"]
    used_elsewhere = {"WAREHOUSE_TEST_DATA", "WAREHOUSE_FAIL_POINT", "CI", "PGSSLMODE", "PGSSLROOTCERT"}
    used_elsewhere |= {"DBT_DEFER", "DBT_FAVOR_STATE", "DBT_STATE", "DBT_PROFILES_DIR", "DBT_TARGET"}
    known |= {name for name in used_elsewhere if any(name in read(path) for path in readers)}
    named = re.findall(r"\b((?:WAREHOUSE|PG|DBT|POSTGRES)_?[A-Z][A-Z_]+|CI)\b(?==|`)", text)
    return set(named) - known


def find_missing_tests(text: str) -> list[str]:
    """Return the tests a page links to by name that are not in the linked file."""
    missing = []
    for name, target in LINK.findall(text):
        if not name.startswith("test_"):
            continue
        path = PROJECT / target
        functions = {
            node.name for node in ast.walk(ast.parse(read(path))) if isinstance(node, ast.FunctionDef)
        } if path.is_file() else set()  # fmt: skip
        if name not in functions:
            missing.append(f"{target}: {name}")
    return missing


def find_avoided_words(text: str) -> set[str]:
    """Return the words of a text that the glossary says to avoid."""
    table = re.findall(r"^\| [^|]+ \| [^|]+ \| ([^|]+) \|$", read(PROJECT / GLOSSARY), re.MULTILINE)[1:]
    words = {word.strip() for cell in table for word in cell.split(",")} | {"clean data", "bad data", "good data"}
    return {word for word in words - ALLOWED.keys() if re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)}


def find_imports(package: str) -> set[str]:
    """Return the packages beside it that a package of ours imports, `errors` and the version apart."""
    path = PACKAGE / package
    modules = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    beside = {entry.stem for entry in PACKAGE.iterdir()} - {"__init__", "__pycache__", "errors", package}
    found = set()
    for module in modules:
        for node in ast.walk(ast.parse(read(module))):
            if isinstance(node, ast.ImportFrom) and node.module == "sales_warehouse":
                found |= {alias.name for alias in node.names} & beside
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sales_warehouse."):
                found |= {str(node.module).split(".")[1]} & beside
    return found


# --- the pages -----------------------------------------------------------------------------------------------------

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())


@every_page
def test_every_relative_link_and_anchor_exists(page: Path) -> None:
    assert find_broken_links(page, read(page)) == []


@every_page
def test_every_command_option_and_variable_exists(page: Path) -> None:
    text = read(page)
    assert find_unknown_commands(text) == set()
    assert find_unknown_options(text) == set()
    assert find_unknown_variables(text) == set()


@every_page
def test_avoided_words_are_avoided(page: Path) -> None:
    if page != PROJECT / GLOSSARY:
        assert find_avoided_words(FENCE.sub("", read(page))) == set()


@every_page
def test_every_linked_test_exists(page: Path) -> None:
    assert find_missing_tests(read(page)) == []


def test_every_promise_links_to_a_test() -> None:
    promises = re.search(r"^## What it promises$(.*?)^## ", read(PROJECT / "README.md"), re.DOTALL | re.MULTILINE)
    assert promises
    rows = re.findall(r"^\| (?!promise|---)(.+) \|$", promises[1], re.MULTILINE)
    assert len(rows) >= 5
    assert [row for row in rows if "](tests/" not in row] == []


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {(PROJECT / target.split("#")[0]).resolve() for _, target in LINK.findall(read(PROJECT / "README.md"))}
    assert set(PAGES) - linked == {PROJECT / "README.md"}


def test_messages_and_helps_avoid_the_words_too() -> None:
    wrong = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        texts = " ".join(
            node.value
            for node in ast.walk(ast.parse(read(path)))
            # what a person reads is a sentence; names and keys are not
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        )
        if words := find_avoided_words(texts):
            wrong[path.relative_to(PROJECT).as_posix()] = words
    assert wrong == {}


def test_the_table_of_imports_is_that_of_the_code() -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", read(PROJECT / "docs" / "architecture.md").split("## Python packages")[1], re.M
    )
    told = {package: set(re.findall(r"`(\w+)`", imports)) for package, imports in table}
    there = {entry.stem for entry in PACKAGE.iterdir()} - {"__init__", "__pycache__", "errors"}
    assert told == {package: find_imports(package) for package in there}
    order = list(told)
    for place, package in enumerate(order):
        assert told[package] <= set(order[place + 1 :]), f"{package} imports what stands above it"


def test_the_summary_in_the_readme_is_that_of_the_demonstration_files(tmp_path: Path) -> None:
    write_sample(tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    readme = read(PROJECT / "README.md")
    for name, feed in truth["feeds"].items():
        quarantined = sum(feed["quarantined"].values())
        skipped = feed["rows_skipped"] + sum(feed["skipped"].values())
        figures = (feed["files"], feed["records_read"], feed["rows_rejected"], skipped, quarantined, feed["accepted"])
        assert [name, *(f"{figure:,}" for figure in figures)] in [line.split() for line in readme.splitlines()]
        amount = f"{float(feed['net_amount']):,.4f}"
        mart = ["marts.fct_sales_lines", name.split(".")[0], f"{feed['accepted']:,}", amount, feed["currency"]]
        assert mart in [line.split() for line in readme.splitlines()]


@pytest.mark.parametrize("figure", sorted(PROJECT.glob("docs/figures/*.svg")), ids=lambda path: path.name)
def test_a_figure_has_text_a_title_and_both_colour_schemes(figure: Path) -> None:
    root = ElementTree.parse(figure).getroot()
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert {"title", "desc", "text"} <= names
    assert not {"image", "script", "foreignObject"} & names
    assert "prefers-color-scheme: dark" in read(figure)
    assert any(figure.name in read(page) for page in PAGES)


def test_the_hooks_run_commands_that_are_installed() -> None:
    hooks = [
        hook for repo in yaml.safe_load(read(PROJECT / ".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]
    ]
    lock = read(PROJECT / "requirements.lock")
    for hook in hooks:
        assert hook["language"] == "system"  # anything else would be fetched
        command = hook["entry"].split()[0]
        assert re.fullmatch(r"\.venv/bin/(\w+)", command)
        if Path(command).name == "python":
            assert (PROJECT / hook["entry"].split()[1]).is_file()
        else:
            assert re.search(rf"^{Path(command).name}==", lock, re.MULTILINE)
    validate = PROJECT / ".venv" / "bin" / "pre-commit"
    if validate.exists():
        subprocess.run([validate, "validate-config", PROJECT / ".pre-commit-config.yaml"], check=True)


# --- each of these can fail ----------------------------------------------------------------------------------------


def test_what_is_wrong_would_be_found() -> None:
    page = PROJECT / "README.md"
    wrong_links = "[a](docs/nowhere.md) [b](docs/testing.md#no-such-heading) [c](../../etc) [d](#no)"
    assert len(find_broken_links(page, wrong_links)) == 4
    assert (
        find_broken_links(page, "# A b, c\n[a](#a-b-c) [b](docs/testing.md#the-real-files) [c](https://x.org/)") == []
    )
    assert find_unknown_commands("`warehouse brew`, `make coffee`\n```sh\n.venv/bin/warehouse undo\n```") == {
        "warehouse brew",
        "make coffee",
        "warehouse undo",
    }
    assert find_unknown_commands("to make things; `warehouse load` and `make run`") == set()
    assert find_unknown_options("`warehouse load --inbox x --sooner`") == {"warehouse load --sooner"}
    assert find_unknown_options('`warehouse sql "select 1 --no" --csv`') == set()
    assert find_unknown_variables("`WAREHOUSE_SPEED` `WAREHOUSE_HOME` PGHOME=1 `PGHOST`") == {
        "WAREHOUSE_SPEED",
        "PGHOME",
    }
    assert find_missing_tests("[test_nothing](tests/python/unit/test_docs.py)") == [
        "tests/python/unit/test_docs.py: test_nothing"
    ]
    assert find_missing_tests("[test_nothing](tests/nowhere.py)") == ["tests/nowhere.py: test_nothing"]
    assert find_avoided_words("Upload a batch of bad data") == {"upload", "batch", "bad data"}
