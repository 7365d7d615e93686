"""What went wrong in a build, for a person: the error itself, and a command that shows more."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_OF_SERVER = "Database Error"  # the line before a message of the server
_SAID = ("DETAIL:", "HINT:")  # its lines that a person needs beside the error itself
_PLACE = re.compile("LINE [0-9]+: *(.+)")  # the line of the statement where the server found the error
_OF_DBT = (">", "compiled code at")  # where in the code


@dataclass(frozen=True)
class Problem:
    """A model, seed, test or hook that did not end well."""

    name: str
    kind: str  # model, seed, test, unit_test, operation
    status: str  # error, fail, skipped, warn
    message: str
    path: str

    @property
    def is_failure(self) -> bool:
        """Say whether it makes the build red by itself: no warning, and not skipped because of another one."""
        return self.status not in ("warn", "skipped")

    @property
    def cause(self) -> str:
        """The message without the lines in which dbt says where it comes from."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()] or [""]
        if self.status != "error" or len(lines) == 1:
            return lines[0]
        for number, line in enumerate(lines[:-1], 1):
            if line.startswith(_OF_SERVER):
                error, *others = lines[number:]
                # of a union it is the part whose type differs
                place = next((f"(at: {found[1]})" for other in others if (found := _PLACE.fullmatch(other))), "")
                return " ".join(filter(None, [error, place, *(other for other in others if other.startswith(_SAID))]))
        return "\n".join(line for line in lines[1:] if not line.startswith(_OF_DBT))

    @property
    def command(self) -> str | None:
        """A command that shows more; None for a hook, whose error says what to do."""
        if self.kind == "operation":
            return None
        if self.kind == "test":
            return f"dbt test --target prod --select {self.name} --store-failures"
        verb = "test" if self.kind == "unit_test" else "build"
        return f"dbt {verb} --target prod --select {self.name}"


def find_command(problems: Iterable[Problem]) -> str | None:
    """Return the command that shows more of the first failure that has one."""
    return next((problem.command for problem in problems if problem.is_failure and problem.command), None)
