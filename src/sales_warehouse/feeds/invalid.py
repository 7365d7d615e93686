"""What is wrong with a declared value."""

import re


class Invalid(ValueError):
    """A declared value that cannot be; `key` is its path below the table, `allowed` says what may stand there."""

    def __init__(self, key: str, problem: str, allowed: str) -> None:
        super().__init__(f"{key}: {problem}; allowed: {allowed}")
        self.key = key


def check_pattern(key: str, value: str, example: str) -> re.Pattern[str]:
    """Return a declared regular expression, compiled; raises `Invalid` with an example when it is none."""
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(
            key, f"{value!r} is no regular expression ({error})", f"a regular expression such as {example}"
        ) from None
