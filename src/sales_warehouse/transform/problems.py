"""What went wrong in a build, for a person: the error itself, and a command that shows more."""

from collections.abc import Iterable
from dataclasses import dataclass

_SAID = ("DETAIL:", "HINT:")  # lines of a message of the server that a person needs beside the error itself


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
        """The first line of the message; of an error the second one, as the first repeats its kind and the name."""
        first, *others = [line.strip() for line in self.message.splitlines() if line.strip()] or [""]
        if self.status != "error" or not others:
            return first
        return " ".join([others[0], *(line for line in others[1:] if line.startswith(_SAID))])

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
