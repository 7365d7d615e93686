"""The base of the models that check a declaration."""

import re
from collections.abc import Callable
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


def check(is_valid: Callable[[str], object], problem: str) -> AfterValidator:
    """Return a validator that refuses a text which is not valid; `problem` follows the text in the message."""

    def validate(value: str) -> str:
        require(is_valid(value), f"{value!r} {problem}")
        return value

    return AfterValidator(validate)


def groups_of(pattern: str) -> list[str]:
    """Return the named groups of a regular expression; raises `Invalid`."""
    try:
        return list(re.compile(pattern).groupindex)
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"{pattern!r} is not a regular expression ({error})") from None


Pattern = Annotated[str, check(lambda value: groups_of(value) is not None, "is not a regular expression")]
PatternWithGroups = Annotated[str, check(groups_of, "has no named group")]
