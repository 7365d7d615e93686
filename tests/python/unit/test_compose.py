"""docker-compose.yml, as far as it can be tested without an engine: read as compose reads it, and checked."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sales_warehouse.server.configure import TUNING
from sales_warehouse.server.locate import MAJOR_VERSION

COMPOSE_FILE = Path(__file__).resolve().parents[3] / "docker-compose.yml"


class MissingVariable(Exception):
    """What compose ends with when a `${NAME:?message}` is not set."""


def resolve(value: Any, variables: dict[str, str]) -> Any:
    """Replace `$$`, `${NAME:-default}` and `${NAME:?message}` as compose does, in every text of `value`."""
    if isinstance(value, dict):
        return {key: resolve(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        # anything else with a dollar is a form this reader does not know
        assert match["name"], f"unknown variable form in {value!r}"
        found = variables.get(match["name"], "")
        if not found and match["kind"] == ":?":
            raise MissingVariable(match["rest"])
        return found or match["rest"]

    return re.sub(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z_]+)(?P<kind>:[-?])(?P<rest>[^}]*)\}|)", replace, value)


def service(**variables: str) -> dict[str, Any]:
    """The one service, with the variables resolved."""
    parsed = resolve(yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8")), variables)
    assert list(parsed["services"]) == ["postgres"]
    found: dict[str, Any] = parsed["services"]["postgres"]
    return found


def test_the_password_is_required_and_stands_nowhere() -> None:
    with pytest.raises(MissingVariable, match="PGPASSWORD"):
        service()
    with pytest.raises(MissingVariable):
        service(PGPASSWORD="")
    assert service(PGPASSWORD="p")["environment"]["POSTGRES_PASSWORD"] == "p"


def test_the_image_is_the_postgresql_of_the_embedded_server() -> None:
    assert service(PGPASSWORD="p")["image"] == f"postgres:{MAJOR_VERSION}"


def test_it_listens_on_loopback_only() -> None:
    assert service(PGPASSWORD="p")["ports"] == ["127.0.0.1:5432:5432"]
    assert service(PGPASSWORD="p", PGPORT="5555")["ports"] == ["127.0.0.1:5555:5432"]


def test_the_data_is_in_a_named_volume_where_version_18_keeps_it() -> None:
    # a volume at …/data, as before 18, would leave the database in an anonymous one that the next `down -v` removes
    assert service(PGPASSWORD="p")["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "postgres" in yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["volumes"]


def test_the_health_check_asks_the_server_over_tcp() -> None:
    kind, command = service(PGPASSWORD="p")["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert command.startswith("pg_isready ")
    assert "--host=127.0.0.1" in command
    # for the shell inside the container, so not replaced by compose
    assert '"$POSTGRES_USER"' in command
    assert '"$POSTGRES_DB"' in command


def test_names_default_to_those_of_the_settings() -> None:
    environment = service(PGPASSWORD="p")["environment"]
    assert (environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == ("warehouse", "warehouse")
    environment = service(PGPASSWORD="p", PGUSER="u", PGDATABASE="d")["environment"]
    assert (environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == ("u", "d")


def test_the_tuning_is_that_of_the_embedded_server() -> None:
    program, *options = service(PGPASSWORD="p")["command"]
    assert program == "postgres"
    assert dict(option.removeprefix("--").split("=") for option in options) == TUNING


def test_the_database_is_made_as_safely_as_the_embedded_one() -> None:
    options = service(PGPASSWORD="p")["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert {"--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums"} <= set(options)
    assert {"--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"} <= set(options)
