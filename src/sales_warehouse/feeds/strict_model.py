"""The base of the models that check a declaration."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Invalid(ValueError):
    """A declared value that cannot be used.

    `key` is its place below the model that raises this. Without `allowed` the field's own text is shown.
    """

    def __init__(self, problem: str, allowed: str = "", key: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.allowed, self.key = allowed, key


class StrictModel(BaseModel):
    """A part of a declaration: unknown keys are refused, and no value is converted to another type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def field(allowed: str, default: Any = ..., **limits: Any) -> Any:
    """Declare a field; messages show `allowed`. `limits` are those of `pydantic.Field`."""
    return Field(default, description=allowed, **limits)


def require(is_met: object, problem: str, allowed: str = "", key: tuple[str, ...] = ()) -> None:
    """Raise `Invalid` unless a condition is met."""
    if not is_met:
        raise Invalid(problem, allowed, key)


def groups_of(pattern: str) -> list[str]:
    """Return the named groups of a regular expression; raises `Invalid`."""
    try:
        return list(re.compile(pattern).groupindex)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"{pattern!r} is not a regular expression ({error})") from None


def _check_pattern(value: str) -> str:
    groups_of(value)
    return value


def _check_groups(value: str) -> str:
    require(groups_of(value), f"{value!r} has no named group")
    return value


Pattern = Annotated[str, AfterValidator(_check_pattern)]
PatternWithGroups = Annotated[str, AfterValidator(_check_groups)]
