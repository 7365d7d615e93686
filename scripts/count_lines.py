"""Count the lines of the project by kind, and the constructs that its style limits: `python scripts/count_lines.py`."""

import ast
import re
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MAX_PARAMETERS = 6


def read(file: Path) -> str:
    """Return the text of a file of the project."""
    return (PROJECT / file).read_text(encoding="utf-8")


def count_lines(files: Iterable[Path]) -> int:
    """Return the number of lines of these files together."""
    return sum(len(read(file).splitlines()) for file in files)


def count_unit_tests(files: Iterable[Path]) -> tuple[int, int]:
    """Return the lines of the `unit_tests:` sections of these YAML files, and of the longest unit test."""
    total = longest = 0
    for file in files:
        # a section ends at the next key in the first column
        sections = re.findall(r"^unit_tests:.*\n(?:[\s#].*\n|\n)*", read(file), re.MULTILINE)
        lines = "".join(sections).splitlines()
        total += len(lines)
        starts = [i for i, line in enumerate(lines) if line.startswith("  - name:")] + [len(lines)]
        longest = max([longest, *(end - start for start, end in pairwise(starts))])
    return total, longest


def find_many_parameters(files: Iterable[Path]) -> list[str]:
    """Return the functions with more than six parameters, `self` and `cls` not counted, as file:line name."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(read(file))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                count = sum(argument.arg not in ("self", "cls") for argument in arguments)
                if count > MAX_PARAMETERS:
                    found.append(f"{file}:{node.lineno} {node.name} ({count})")
    return found


def main() -> None:
    """Print the counts as a table."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    tracked = [Path(name) for name in listed.split("\0") if name and (PROJECT / name).is_file()]

    def files(suffix: str, *folders: str) -> list[Path]:
        return [file for file in tracked if file.suffix == suffix and file.parts[0] in folders]

    package, beside = files(".py", "src"), files(".py", "tests", "benchmarks")
    product = [file for file in tracked if file.suffix == ".py" and file not in beside]
    unit_tests, longest = count_unit_tests(files(".yml", "models"))
    model_sql, macro_sql = count_lines(files(".sql", "models")), count_lines(files(".sql", "macros"))
    many_parameters = find_many_parameters(package)
    rows = [
        ("Python outside tests/ and benchmarks/", count_lines(product), "at most 15,500 at issue 14"),
        ("  of it src/", count_lines(package), ""),
        ("Python of benchmarks/", count_lines(files(".py", "benchmarks")), ""),
        ("Python of tests/", count_lines(files(".py", "tests")), ""),
        ("models: SQL", model_sql, ""),
        ("models: YAML", count_lines(files(".yml", "models")), ""),
        ("  of it unit tests", unit_tests, "at most 2,800"),
        ("  longest unit test", longest, "below 500"),
        ("macros: SQL", macro_sql, ""),
        ("macros: YAML", count_lines(files(".yml", "macros")), ""),
        ("macro lines to a model line, in per cent", round(100 * macro_sql / model_sql), ""),
        ("`# fmt: skip` in src/", sum(read(file).count("# fmt: " + "skip") for file in package), "at most 6"),
        ("functions of src/ with more than six parameters", len(many_parameters), "none"),
    ]
    for name, number, limit in rows:
        print(f"{name:<50}{number:>8,}   {limit}".rstrip())
    for function in many_parameters:
        print(f"  {function}")


if __name__ == "__main__":
    main()
