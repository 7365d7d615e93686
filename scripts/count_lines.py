"""Count the lines of the project by kind, and what its style allows only a few of: `python scripts/count_lines.py`."""

import ast
import re
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MAX_PARAMETERS = 6


def tracked_files() -> list[Path]:
    """Return the files that git tracks, below the project's folder."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (PROJECT / name).is_file()]


def count_lines(files: Iterable[Path]) -> int:
    """Return the number of lines of these files together."""
    return sum(len((PROJECT / file).read_text(encoding="utf-8").splitlines()) for file in files)


def count_unit_tests(files: Iterable[Path]) -> tuple[int, int]:
    """Return the lines of the `unit_tests:` sections of these YAML files, and of the longest unit test."""
    total = longest = 0
    for file in files:
        lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
        section = list(_section(lines))
        total += len(section)
        starts = [i for i, line in enumerate(section) if line.startswith("  - name:")] + [len(section)]
        longest = max([longest, *(end - start for start, end in pairwise(starts))])
    return total, longest


def _section(lines: Iterable[str]) -> Iterable[str]:
    inside = False
    for line in lines:
        if re.match(r"\S", line) and not line.startswith("#"):
            inside = line.startswith("unit_tests:")
        if inside:
            yield line


def find_many_parameters(files: Iterable[Path]) -> list[str]:
    """Return the functions with more than six parameters, `self` and `cls` not counted, as file:line name."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse((PROJECT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
                names = [name for name in names if name not in ("self", "cls")]
                if len(names) > MAX_PARAMETERS:
                    found.append(f"{file}:{node.lineno} {node.name} ({len(names)})")
    return found


def main() -> None:
    """Print the counts as a table."""
    files = tracked_files()
    python = [file for file in files if file.suffix == ".py"]
    product = [file for file in python if file.parts[0] not in ("tests", "benchmarks")]
    package = [file for file in product if file.parts[0] == "src"]
    models = [file for file in files if file.parts[0] == "models"]
    macros = [file for file in files if file.parts[0] == "macros"]
    unit_tests, longest = count_unit_tests(file for file in models if file.suffix == ".yml")
    model_sql = count_lines(file for file in models if file.suffix == ".sql")
    macro_sql = count_lines(file for file in macros if file.suffix == ".sql")
    rows = [
        ("Python outside tests/ and benchmarks/", count_lines(product), "at most 15,500"),
        ("  of it src/", count_lines(package), ""),
        ("Python of benchmarks/", count_lines(file for file in python if file.parts[0] == "benchmarks"), ""),
        ("Python of tests/", count_lines(file for file in python if file.parts[0] == "tests"), ""),
        ("models: SQL", model_sql, ""),
        ("models: YAML", count_lines(file for file in models if file.suffix == ".yml"), ""),
        ("  of it unit tests", unit_tests, "at most 2,800"),
        ("  longest unit test", longest, "below 500"),
        ("macros: SQL", macro_sql, ""),
        ("macros: YAML", count_lines(file for file in macros if file.suffix == ".yml"), ""),
        ("macro lines to a model line, in per cent", round(100 * macro_sql / model_sql), ""),
        ("`# fmt: skip` in src/", sum(_read(file).count("# fmt: " + "skip") for file in package), "at most 6"),
        ("functions of src/ with more than six parameters", len(find_many_parameters(package)), "none"),
    ]
    for name, number, limit in rows:
        print(f"{name:<50}{number:>8,}   {limit}".rstrip())
    for function in find_many_parameters(package):
        print(f"  {function}")


def _read(file: Path) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
