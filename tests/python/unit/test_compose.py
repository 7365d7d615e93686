"""Images, compose file and unit of systemd, tested without an engine: interpreted as compose does, and linted."""

import configparser
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import PROJECT
from sales_warehouse.broker.libraries import kafka_version
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.account import SYSTEM_USER
from sales_warehouse.server.locate import MAJOR_VERSION

COMPOSE_FILE = PROJECT / "docker-compose.yml"
CONFIGURATION = PROJECT / "src" / "sales_warehouse" / "server" / "warehouse.conf"
KAFKA_CONFIGURATION = PROJECT / "src" / "sales_warehouse" / "broker" / "kafka.properties"


class MissingVariable(Exception):
    """The error of compose if a `${NAME:?message}` is not set."""


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
        # any other dollar sign is a form that this function does not know
        assert match["name"], f"unknown variable form in {value!r}"
        found = variables.get(match["name"], "")
        if not found and match["kind"] == ":?":
            raise MissingVariable(match["rest"])
        return found or match["rest"]

    return re.sub(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z_]+)(?P<kind>:[-?])(?P<rest>[^}]*)\}|)", replace, value)


def read(**variables: str) -> dict[str, Any]:
    """Return the file with its anchors and variables resolved."""
    parsed: dict[str, Any] = resolve(yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8")), variables)
    return parsed


def service(name: str = "postgres", **variables: str) -> dict[str, Any]:
    """Return one service with the variables resolved."""
    found: dict[str, Any] = read(**variables)["services"][name]
    return found


OURS = ["build", "dagster-webserver", "dagster-daemon", "docs", "stream"]


def test_the_password_is_required_and_written_nowhere() -> None:
    with pytest.raises(MissingVariable, match="PGPASSWORD"):
        service()
    with pytest.raises(MissingVariable):
        service(PGPASSWORD="")
    assert service(PGPASSWORD="p")["environment"]["POSTGRES_PASSWORD"] == "p"


def test_the_image_is_the_postgresql_of_the_embedded_server() -> None:
    assert service(PGPASSWORD="p")["image"] == f"postgres:{MAJOR_VERSION}"


def test_compose_services_listen_on_loopback_only() -> None:
    assert service(PGPASSWORD="p")["ports"] == ["127.0.0.1:5432:5432"]
    assert service(PGPASSWORD="p", PGPORT="5555")["ports"] == ["127.0.0.1:5555:5432"]
    ports = [port for one in read(PGPASSWORD="p")["services"].values() for port in one.get("ports", [])]
    assert ports == ["127.0.0.1:5432:5432", "127.0.0.1:3000:3000", "127.0.0.1:8080:8080", "127.0.0.1:9092:9092"]


def test_the_data_is_in_a_named_volume_where_version_18_keeps_it() -> None:
    # a volume at …/data, as before 18, would leave the database in an anonymous one that the next `down -v` removes
    assert service(PGPASSWORD="p")["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "postgres" in yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["volumes"]


def test_the_health_check_asks_the_server_over_tcp() -> None:
    kind, command = service(PGPASSWORD="p")["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert command.startswith("pg_isready ")
    assert "--host=127.0.0.1" in command
    # for the shell inside the container, so compose must not replace it
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
    tuning = CONFIGURATION.read_text(encoding="utf-8").partition("# Tuning")[2]
    expected = dict(re.findall(r"^(\w+) = '(.+)'$", tuning, re.MULTILINE))
    # the embedded server sizes it from the memory; what a container has is for its owner to say
    expected |= {"work_mem": "32MB"}
    assert len(expected) >= 15
    assert dict(option.removeprefix("--").split("=") for option in options) == expected


def test_the_database_has_the_initdb_options_of_the_embedded_server() -> None:
    options = service(PGPASSWORD="p")["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert {"--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums"} <= set(options)
    assert {"--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"} <= set(options)


def test_kafka_is_the_broker_of_this_machine_and_only_on_demand() -> None:
    found = service("kafka", PGPASSWORD="p", WAREHOUSE_KAFKA_PORT="5555")
    assert found["image"] == f"apache/kafka:{kafka_version()}"
    assert found["ports"] == ["127.0.0.1:5555:9092"]
    # Kafka tells its clients this address
    assert "OUTSIDE://127.0.0.1:5555" in found["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    inside = service("stream", PGPASSWORD="p")["environment"]["KAFKA_BOOTSTRAP_SERVERS"]
    assert f"INSIDE://{inside}" in found["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert service("stream", PGPASSWORD="p")["depends_on"]["kafka"] == {"condition": "service_healthy"}
    assert found["profiles"] == service("stream", PGPASSWORD="p")["profiles"] == ["stream"]
    text = KAFKA_CONFIGURATION.read_text(encoding="utf-8")
    ours = dict(re.findall(r"^([a-z.]+)=(.*)$", text, re.MULTILINE))
    of_the_place = {name for name in ours if "listener" in name or name in ("controller.quorum.voters", "log.dirs")}
    expected = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in ours.items()}
    named = {name.upper().replace(".", "_") for name in of_the_place} | {"HEAP_OPTS"}
    assert expected.keys() | {"KAFKA_HEAP_OPTS"} == found["environment"].keys()
    assert len(expected) - len(of_the_place) >= 12
    for name in expected.keys() - {f"KAFKA_{one}" for one in named}:
        assert found["environment"][name] == expected[name]


BIN = Path(sys.executable).parent
DOCKERFILE = PROJECT / "Dockerfile"


def lint(*command: str) -> str:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_dockerfile_and_compose_file_pass_their_linters(tmp_path: Path) -> None:
    assert lint("hadolint", "Dockerfile") == ""
    compose_schema = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert lint(*compose_schema, "docker-compose.yml") == ""
    assert lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml") == ""
    # the linters report errors
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install curl\n")
    assert "DL3006" in lint("hadolint", str(tmp_path / "Dockerfile"))
    (tmp_path / "compose.yml").write_text("services: {a: {image: b, port: 3}}\n")
    assert "port" in lint(*compose_schema, str(tmp_path / "compose.yml"))


def test_our_services_reach_the_server_without_other_privileges() -> None:
    assert list(read(PGPASSWORD="p")["services"]) == ["postgres", *OURS[:-1], "kafka", OURS[-1]]
    for name in OURS:
        found = service(name, PGPASSWORD="p", PGPORT="5555", PGUSER="u")
        # inside the network the server uses its own port, whatever port the host publishes
        assert (found["environment"]["PGHOST"], found["environment"]["PGPORT"]) == ("postgres", "5432")
        assert (found["environment"]["PGUSER"], found["environment"]["PGPASSWORD"]) == ("u", "p")
        assert found["depends_on"]["postgres"] == {"condition": "service_healthy"}
        assert found["cap_drop"] == ["ALL"]
        assert "./inbox:/inbox:ro" in found["volumes"]


def test_compose_services_have_health_checks() -> None:
    for name in ("postgres", "kafka", *OURS[1:]):
        assert service(name, PGPASSWORD="p")["healthcheck"]["test"]
        assert service(name, PGPASSWORD="p")["restart"] == "unless-stopped"
    assert (service("build", PGPASSWORD="p")["profiles"], service("build", PGPASSWORD="p")["restart"]) == (
        ["once"],
        "no",
    )


def test_the_image_is_locked_and_does_not_run_as_root() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert "--require-hashes" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]
    # no file of the user's machine can get into the image
    assert (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


def test_the_lock_of_the_image_agrees_with_the_full_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9.-]+==[^ ;]+)", (PROJECT / name).read_text(encoding="utf-8"), re.MULTILINE))

    runtime = pins("requirements-runtime.lock")
    assert runtime < pins("requirements.lock")
    assert not {pin for pin in runtime if pin.startswith(("pytest", "mypy", "sqlfluff"))}


def test_every_program_of_a_container_exists() -> None:
    texts = {name: service(name, PGPASSWORD="p").get("entrypoint") for name in OURS}
    entrypoint = re.search(r"^ENTRYPOINT (.*)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert entrypoint is not None
    programs = [json.loads(entrypoint[1])[0]]
    for command in filter(None, texts.values()):
        if command[0] == "sh":
            programs += [
                words[1] if words[0] == "exec" else words[0] for words in map(shlex.split, command[2].split("&&"))
            ]
        else:
            programs.append(command[0])
    assert programs == ["warehouse", "dagster-webserver", "dagster-daemon", "dbt", "dbt", "warehouse"]
    assert all((BIN / program).is_file() for program in programs)


def test_the_unit_of_systemd_starts_the_consumer_again() -> None:
    text = (PROJECT / "deploy" / "warehouse-stream.service").read_text(encoding="utf-8")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read_string(text)
    service = unit["Service"]
    assert service["ExecStart"] == f"{service['WorkingDirectory']}/.venv/bin/warehouse stream"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", str(ConfigurationError.exit_code))
    assert service["User"] == SYSTEM_USER
    assert not re.search(r"^Environment=", text, re.MULTILINE)  # anyone can read a unit
