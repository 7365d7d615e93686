"""The errors a person sees: what happened, and what to do next. They never contain a secret."""

from typing import ClassVar


class WarehouseError(Exception):
    """Something that ends a command with a message for a person instead of a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(WarehouseError):
    """A setting, a file or a folder is not as it must be; trying again without a change cannot help."""

    exit_code = 2


class ServerUnreachable(WarehouseError):
    """The database server does not answer, or refuses the connection."""

    exit_code = 3


class ServerAway(ServerUnreachable):
    """The server does not answer now; a later attempt may succeed without any change."""
