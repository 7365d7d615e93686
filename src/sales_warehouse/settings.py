"""Settings, read from the environment once per command."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.stores.address import Inbox, parse_inbox

PROJECT_FILE = "dbt_project.yml"
DEFAULT_HOME = ".warehouse"
DEFAULT_PORT = 5432
DEFAULT_USER = "warehouse"
DEFAULT_DATABASE = "warehouse"
PRINTABLE_PATH = "a path without line breaks or control characters"


class Environment(BaseSettings):
    """The environment variables; an empty one counts as not set."""

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: str | None = Field(default=None, validation_alias="WAREHOUSE_HOME")
    project: str | None = Field(default=None, validation_alias="WAREHOUSE_PROJECT")
    inbox: str | None = Field(default=None, validation_alias="WAREHOUSE_INBOX")
    host: str | None = Field(default=None, validation_alias="PGHOST")
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535, validation_alias="PGPORT")
    user: str = Field(default=DEFAULT_USER, validation_alias="PGUSER")
    password: str = Field(default="", repr=False, validation_alias="PGPASSWORD")
    database: str = Field(default=DEFAULT_DATABASE, validation_alias="PGDATABASE")
    webhook: str | None = Field(
        default=None, repr=False, pattern=r"^https?://[!-~]+$", validation_alias="WAREHOUSE_WEBHOOK"
    )
    metrics_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="WAREHOUSE_METRICS_PORT")
    build_minutes: int = Field(default=15, ge=1, le=1440, validation_alias="WAREHOUSE_BUILD_MINUTES")
    build_rows: int = Field(default=100_000, ge=1, validation_alias="WAREHOUSE_BUILD_ROWS")
    log: Literal["text", "json"] = Field(default="text", validation_alias="WAREHOUSE_LOG")
    kafka_servers: str | None = Field(default=None, pattern=r"^[!-~]+$", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_properties: str | None = Field(default=None, validation_alias="KAFKA_PROPERTIES")

    @field_validator("home", "project", "inbox", "kafka_properties")
    @classmethod
    def _is_one_line(cls, value: str | None) -> str | None:
        # such a name would be unreadable in profiles.yml and in messages
        if value is not None and not value.isprintable():
            raise ValueError(PRINTABLE_PATH)
        return value


@dataclass(frozen=True)
class ExternalServer:
    """A server that `warehouse` does not start, named by the libpq variables."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """The settings of a command.

    All paths are absolute, links resolved; the inbox may be in a store. `external` is None for the embedded server.
    """

    project: Path
    home: Path
    inbox: Inbox
    external: ExternalServer | None = None
    log_as_json: bool = False
    webhook: str | None = field(default=None, repr=False)  # for failed runs and refused files; may hold a key
    metrics_port: int | None = None  # of 127.0.0.1, where a stream shows its figures
    build_minutes: int = 15  # Dagster builds when rows of topics wait so long
    build_rows: int = 100_000  # or when so many wait
    kafka_servers: str | None = None  # None: the warehouse's own broker
    kafka_properties: Path | None = None  # settings of librdkafka; may hold passwords


def get_settings() -> Settings:
    """Read the settings from the environment and the current directory.

    The paths need not exist yet, except for the project. Raises ConfigurationError with the variable and what is
    allowed.
    """
    try:
        environment = Environment()
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(error))) from None
    project = _absolute("WAREHOUSE_PROJECT", environment.project) if environment.project else _find_project()
    if not (project / PROJECT_FILE).is_file():
        raise ConfigurationError(
            f"There is no {PROJECT_FILE} in {project}. "
            "Change to the folder of the project, or set WAREHOUSE_PROJECT to it."
        )
    home = _absolute("WAREHOUSE_HOME", environment.home) if environment.home else project / DEFAULT_HOME
    inbox = _find_inbox(environment.inbox) if environment.inbox else home / "inbox"
    for variable, path in (("WAREHOUSE_HOME", home), ("WAREHOUSE_INBOX", inbox)):
        if isinstance(path, Path) and path.exists() and not path.is_dir():
            raise ConfigurationError(f"{variable} must name a folder, and {path} is a file.")
    external = None
    if environment.host:
        external = ExternalServer(**environment.model_dump(include={it.name for it in fields(ExternalServer)}))
    return Settings(
        project=project,
        home=home,
        inbox=inbox,
        external=external,
        log_as_json=environment.log == "json",
        webhook=environment.webhook,
        metrics_port=environment.metrics_port,
        build_minutes=environment.build_minutes,
        build_rows=environment.build_rows,
        kafka_servers=environment.kafka_servers,
        kafka_properties=_absolute("KAFKA_PROPERTIES", environment.kafka_properties)
        if environment.kafka_properties
        else None,
    )


def _find_inbox(value: str) -> Inbox:
    inbox = parse_inbox(value)
    return _absolute("WAREHOUSE_INBOX", value) if isinstance(inbox, Path) else inbox


def _absolute(variable: str, value: str) -> Path:
    try:
        return Path(value).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{variable} must be a path: {error}.") from None


def _find_project() -> Path:
    here = _absolute("WAREHOUSE_PROJECT", ".")
    for directory in (here, *here.parents):
        if (directory / PROJECT_FILE).is_file():
            return directory
    # src/sales_warehouse/settings.py is two folders below the checkout
    return Path(__file__).resolve().parents[2]


def _explain(error: ValidationError) -> list[str]:
    allowed = {
        **dict.fromkeys(("PGPORT", "WAREHOUSE_METRICS_PORT"), "a whole number from 1 to 65535"),
        **dict.fromkeys(("WAREHOUSE_HOME", "WAREHOUSE_PROJECT", "WAREHOUSE_INBOX", "KAFKA_PROPERTIES"), PRINTABLE_PATH),
        "WAREHOUSE_BUILD_MINUTES": "a whole number from 1 to 1440",
        "WAREHOUSE_BUILD_ROWS": "a whole number above 0",
        "WAREHOUSE_LOG": "text or json",
        "KAFKA_BOOTSTRAP_SERVERS": "host:port, several of them with commas between",
        "WAREHOUSE_WEBHOOK": "an address that begins with http:// or https://",
    }
    names = [str(detail["loc"][0]) for detail in error.errors()]
    return [f"{name} must be {allowed.get(name, 'a text')}; it is something else now." for name in names]
