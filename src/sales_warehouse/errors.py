"""Errors with a message for people: what happened, and what to do next. No message contains a secret."""

from typing import ClassVar


class WarehouseError(Exception):
    """An error that ends a command with a message instead of a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(WarehouseError):
    """A setting, a file or a folder is wrong; the command cannot succeed before it is changed."""

    exit_code = 2


class ServerUnreachable(WarehouseError):
    """The database server does not answer, or refuses the login."""

    exit_code = 3


class ServerAway(ServerUnreachable):
    """The server does not answer now; the same command may succeed later."""
