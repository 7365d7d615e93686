"""The documentation compared with the code: links, commands, variables, tests, figures, words and the site."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
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

# Words in the glossary's "avoid" column that also have a permitted meaning, and this meaning.
ALLOWED = {
    "import": "the statement of Python, and the first CTEs of a model",
    "shared": "an ordinary word; only the target has another name",
}
GLOSSARY = "docs/reference/glossary.md"
# Unclear words and phrases that plain technical English does not need.
PRIVATE = re.compile(
    r"\b(?:nobody|whoever|at hand|what lacks|read apart|hand(?:s|ed)? out|(?:take|taking|takes|taken|took) in|"
    r"(?:on|onto|from) the books|stands? (?:there|in|behind|beside)|(?:is|are) told|(?:target|the) shared target)\b",
    re.IGNORECASE,
)
MAX_LINES, MAX_README_LINES = 250, 130
# Written by programs, from the messages of an earlier run.
GENERATED = {
    PROJECT / "docs/reference" / name for name in ("fault-matrix.md", "fault-matrix-streams.md", "command-line.md")
}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# --- the checks: each returns the errors that it finds ------------------------------------------------------------


def find_anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page whose target does not exist."""
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
    targets = set(re.findall(r"^([a-z-]+):.*## ", read(PROJECT / "Makefile"), re.MULTILINE)) | {
        "lint",
        "types",
        "pytest",
    }
    fences = [fence for fence in FENCE.findall(text) if not fence.startswith("```sql")]
    code = "\n".join(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)) + fences)
    code = re.sub(r"\s#.*", "", code)  # comments of the shell are text
    used = re.findall(r"(?:^|[\s/·|])(warehouse|make) ([a-z][a-z-]*)\b", code, re.MULTILINE)
    return {f"{tool} {verb}" for tool, verb in used if verb not in (verbs if tool == "warehouse" else targets)}


def find_unknown_options(text: str) -> set[str]:
    """Return the options that a page gives to a command of `warehouse` and that this command does not have."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    unknown = set()
    for verb, rest in re.findall(r"warehouse ([a-z]+)([^`\n|]*)", text):
        if verb == "mf":  # the options are those of MetricFlow
            continue
        known = {"--help"}
        for one in [commands[verb], *getattr(commands[verb], "commands", {}).values()] if verb in commands else []:
            known |= {name for parameter in one.params for name in (*parameter.opts, *parameter.secondary_opts)}
        # options may follow a quoted query, but inside it nothing is an option
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


def find_missing_tests(page: Path, text: str) -> list[str]:
    """Return the tests that a page links to by name and that are not in the linked file."""
    missing = []
    for name, target in LINK.findall(text):
        if not re.fullmatch(r"test_\w+", name):
            continue
        path = page.parent / target
        functions = set()
        if path.is_file():
            functions = {node.name for node in ast.walk(ast.parse(read(path))) if isinstance(node, ast.FunctionDef)}
        if name not in functions:
            missing.append(f"{target}: {name}")
    return missing


def find_avoided_words(text: str, private: bool = True) -> set[str]:
    """Return the words of a text that the glossary says to avoid, and with `private` those of PRIVATE."""
    table = re.findall(r"^\| [^|]+ \| [^|]+ \| ([^|]+) \|$", read(PROJECT / GLOSSARY), re.MULTILINE)[1:]
    words = {word.strip() for cell in table for word in cell.split(",")} | {"clean data", "bad data", "good data"}
    found = {word for word in words - ALLOWED.keys() if re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)}
    return found | ({words.lower() for words in PRIVATE.findall(text)} if private else set())


def find_imports(package: str) -> set[str]:
    """Return the other packages of the project that a package imports, except `errors` and the version."""
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
def test_pages_avoid_the_words_of_the_glossary(page: Path) -> None:
    if page not in GENERATED | {PROJECT / GLOSSARY}:
        assert find_avoided_words(FENCE.sub("", read(page))) == set()


@every_page
def test_linked_tests_exist(page: Path) -> None:
    assert find_missing_tests(page, read(page)) == []


@every_page
def test_pages_are_short(page: Path) -> None:
    limit = MAX_README_LINES if page == PROJECT / "README.md" else MAX_LINES
    assert page.parent.name == "reference" or len(read(page).splitlines()) <= limit


def test_guarantees_link_to_tests() -> None:
    sections = re.split(r"^## ", read(PROJECT / "docs" / "guarantees.md").split("## What is not")[0], flags=re.M)[1:]
    assert len(sections) >= 7
    assert [section.splitlines()[0] for section in sections if "](../tests/" not in section] == []


def test_pages_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        linked = {(page.parent / target.split("#")[0]).resolve() for _, target in LINK.findall(read(page))}
        waiting += (linked & set(PAGES)) - reached
    assert set(PAGES) - reached == set()


def test_pages_that_other_files_name_exist() -> None:
    suffixes = {".py", ".sql", ".yml", ".yaml", ".toml", ".example", ".cfg"}
    folders = ("src", "scripts", "tests", "benchmarks", "models", "macros", "seeds")
    found = [path for folder in folders for path in PROJECT.glob(f"{folder}/**/*")] + list(PROJECT.glob("*"))
    files = [
        path
        for path in found
        if path.suffix in suffixes or path.name in {"Makefile", "Dockerfile", ".env.example"}
        if path != Path(__file__)  # it names pages that do not exist
    ]
    named = {
        (page, path.relative_to(PROJECT).as_posix())
        for path in files
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", read(path))
    }
    assert {(page, name) for page, name in named if not (PROJECT / page).is_file()} == set()


def test_decisions_have_a_date_and_a_status() -> None:
    pages = [page for page in PAGES if page.parent.name == "decisions" and page.name != "index.md"]
    decisions = {title: body for page in pages for title, body in re.findall(r"^### (.+)\n(.*)", read(page), re.M)}
    assert len(decisions) >= 110
    status = re.compile(r"\*\d{4}-\d{2}-\d{2}, (?:accepted|superseded on \d{4}-\d{2}-\d{2} by .+)\.")
    assert [title for title, body in decisions.items() if not status.match(body)] == []


def find_docstrings(tree: ast.Module) -> set[ast.AST]:
    """Return the docstrings of a module, its classes and functions."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, owners) and ast.get_docstring(node) is not None]
    return {node.body[0].value for node in nodes if isinstance(node.body[0], ast.Expr)}


def test_messages_and_help_use_no_avoided_word() -> None:
    wrong = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(read(path))
        # the docstrings of commands are their help
        docstrings = set() if path.is_relative_to(PACKAGE / "cli") else find_docstrings(tree)
        for node in ast.walk(tree):
            # messages are sentences; names and keys contain no space
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                words = find_avoided_words(node.value, private=node not in docstrings)
                if words:
                    wrong[f"{path.relative_to(PROJECT)}:{node.lineno}"] = words
    assert wrong == {}


def test_descriptions_of_the_models_avoid_the_words_too() -> None:
    wrong = {}
    for path in sorted(
        [*PROJECT.glob("models/**/*.yml"), *PROJECT.glob("macros/**/*.yml"), *PROJECT.glob("tests/dbt/**/*.yml")]
    ):
        texts = re.findall(r"description: (.+(?:\n {8,}\S.*)*)", read(path))
        if words := find_avoided_words(" ".join(texts)):
            wrong[path.relative_to(PROJECT).as_posix()] = words
    for path in sorted(PROJECT.glob("models/docs/*.md")):
        if words := find_avoided_words(read(path)):
            wrong[path.relative_to(PROJECT).as_posix()] = words
    assert wrong == {}


def test_packages_import_only_the_layers_below_their_own() -> None:
    table = read(PROJECT / "docs" / "reference" / "python-packages.md").split("## The modules")[0]
    layers = [re.findall(r"`(\w+)`", cell) for cell in re.findall(r"^\| [^|]+ \| ([^|]+) \|", table, re.M)[1:]]
    there = {entry.stem for entry in PACKAGE.iterdir()} - {"__init__", "__pycache__", "errors"}
    assert sorted(package for layer in layers for package in layer) == sorted(there)
    for place, layer in enumerate(layers):
        below = {package for lower in layers[place + 1 :] for package in lower}
        assert {package: find_imports(package) - below for package in layer} == {package: set() for package in layer}


def test_modules_of_a_load_exist() -> None:
    table = read(PROJECT / "docs" / "reference" / "python-packages.md").split("## The modules")[1]
    named = set(re.findall(r"`([\w/]+(?:/|\.py|\.sql))`", table)) - {"src/sales_warehouse/"}
    assert len(named) >= 15
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_the_picture_in_the_readme_shows_the_demonstration_files(tmp_path: Path) -> None:
    write_sample(tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    figure = ElementTree.parse(PROJECT / "docs" / "figures" / "summary.svg").getroot()
    # the cells in order, each between bars
    shown = "|".join(["", *(str(cell.text) for cell in figure.iter() if cell.tag.endswith("}text")), ""])
    totals = [0] * 6
    for name, feed in truth["feeds"].items():
        quarantined = sum(feed["quarantined"].values())
        skipped = feed["rows_skipped"] + sum(feed["skipped"].values())
        figures = (feed["files"], feed["records_read"], feed["rows_rejected"], skipped, quarantined, feed["accepted"])
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        assert f"|{'|'.join([name, *(f'{figure:,}' for figure in figures)])}|" in shown
        amount = f"{float(feed['net_amount']):,.6f}"
        mart = ["marts.fct_sales_lines", name.split(".")[0], f"{feed['accepted']:,}", amount, feed["currency"]]
        assert f"|{'|'.join(mart)}|" in shown
    for name, feed in truth["lookups"].items():
        figures = (
            feed["files"],
            feed["records_read"],
            feed["rows_rejected"],
            feed["rows_skipped"],
            0,
            feed["rows_loaded"],
        )
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        assert f"|{'|'.join([name, *(f'{figure:,}' for figure in figures)])}|" in shown
    assert f"|{'|'.join(['all', *(f'{total:,}' for total in totals)])}|" in shown
    files, records, rejected, skipped, quarantined, accepted = (f"{total:,}" for total in totals)
    assert (
        f"of {records} records in {files} files {rejected} were rejected, {skipped} skipped, {quarantined} quarantined "
        f"and {accepted} accepted" in read(PROJECT / "README.md")
    )


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
        assert hook["language"] == "system"  # pre-commit downloads the programs of other hooks
        command = hook["entry"].split()[0]
        assert re.fullmatch(r"\.venv/bin/(\w+)", command)
        if Path(command).name == "python":
            assert (PROJECT / hook["entry"].split()[1]).is_file()
        else:
            assert re.search(rf"^{Path(command).name}==", lock, re.MULTILINE)
    validate = PROJECT / ".venv" / "bin" / "pre-commit"
    if validate.exists():
        subprocess.run([validate, "validate-config", PROJECT / ".pre-commit-config.yaml"], check=True)


# --- the site ------------------------------------------------------------------------------------------------------


def test_the_site_builds_without_warnings_and_requests(tmp_path: Path) -> None:
    """Every page is in the navigation, every link and anchor exists, and no page makes a request to another host."""
    builder = Path(sys.executable).with_name("properdocs")
    subprocess.run(
        [builder, "build", "--strict", "--config-file", PROJECT / "mkdocs.yml", "--site-dir", tmp_path / "site"],
        check=True,
        cwd=PROJECT,
    )
    built = {page.relative_to(tmp_path / "site").as_posix() for page in (tmp_path / "site").rglob("*.html")}
    expected = {page.relative_to(PROJECT / "docs").with_suffix(".html").as_posix() for page in PAGES[2:]}
    assert built == expected | {"index.html", "contributing.html", "404.html"}
    text = "".join(read(path) for suffix in ("html", "css") for path in (tmp_path / "site").rglob(f"*.{suffix}"))
    assert re.findall(r"<(?:script|link|img)[^>]*(?:https?:)?//[^>]*>|url\([\"']?(?:https?:)?//[^)]*", text) == []
    navigation = read(PROJECT / "mkdocs.yml").split("\nnav:")[1]
    assert set(re.findall(r"[\w/-]+\.md", navigation)) == {path.removesuffix(".html") + ".md" for path in built} - {
        "404.md"
    }


def test_links_of_the_readme_lead_to_pages_of_the_site() -> None:
    specification = importlib.util.spec_from_file_location("site_hooks", PROJECT / "scripts" / "site_hooks.py")
    assert specification and specification.loader
    hooks = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(hooks)
    assert hooks.rewrite_links("[a](docs/how-to/b.md#c) ![d](docs/figures/d.svg)", "index.md") == (
        "[a](how-to/b.md#c) ![d](figures/d.svg)"
    )
    assert hooks.rewrite_links("[a](../../CONTRIBUTING.md) [b](../figures/d.svg)", "how-to/x.md") == (
        "[a](../contributing.md) [b](../figures/d.svg)"
    )
    # files outside the site become plain text; other hosts, anchors and code are kept
    assert hooks.rewrite_links("[`.env`](../../.env.example) [x.py](../../x.py)", "how-to/x.md") == "`.env` `x.py`"
    unchanged = "[a](https://x.org) [b](#c)\n```text\n[d](../../e.py)\n```"
    assert hooks.rewrite_links(unchanged, "how-to/x.md") == unchanged


# --- each of these checks can fail --------------------------------------------------------------------------------


def test_the_checks_find_errors() -> None:
    page = PROJECT / "README.md"
    wrong_links = "[a](docs/nowhere.md) [b](docs/reference/tests.md#no-such-heading) [c](../../etc) [d](#no)"
    assert len(find_broken_links(page, wrong_links)) == 4
    valid_links = "# A b, c\n[a](#a-b-c) [b](docs/reference/tests.md#the-real-files) [c](https://x.org/)"
    assert find_broken_links(page, valid_links) == []
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
    assert find_missing_tests(page, "[test_nothing](tests/python/unit/test_docs.py)") == [
        "tests/python/unit/test_docs.py: test_nothing"
    ]
    assert find_missing_tests(page, "[test_nothing](tests/nowhere.py)") == ["tests/nowhere.py: test_nothing"]
    assert find_avoided_words("Upload a batch of bad data") == {"upload", "batch", "bad data"}
    assert find_avoided_words("Nobody is told what stands there") == {"nobody", "is told", "stands there"}
