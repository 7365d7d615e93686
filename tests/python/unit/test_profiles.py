"""profiles.yml as read by dbt itself: which environment reaches which server, and what is never overwritten."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import EnvVarMissingError
from dbt_common.context import set_invocation_context

from sales_warehouse.server.profiles import profiles_directory, render, write_profiles
from sales_warehouse.server.record import ServerRecord, record_file, write_record
from sales_warehouse.settings import ExternalServer, Settings
from sales_warehouse.spark.record import SparkRecord, spark_directory
from sales_warehouse.spark.record import write_record as write_spark_record
from sales_warehouse.transform.targets import write_shell_line

ROOT = Path(__file__).resolve().parents[3]
EXTERNAL = ExternalServer("db.example.com", 5432, "u", "d", "secret-of-another")
VARIABLES = {"PGHOST": "db.example.com", "PGPORT": "5555", "PGUSER": "u", "PGPASSWORD": "123456", "PGDATABASE": "d"}


def make_record(home: Path, port: int, password: str = "") -> ServerRecord:
    """Make the record of a server that was never started; the password identifies it."""
    return ServerRecord(
        port=port,
        user="warehouse",
        database="warehouse",
        data_directory=home / "server" / "data",
        password=password or f"w{port}",
    )


def make_home(home: Path, port: int, password: str = "") -> Path:
    """Make a home with such a record."""
    record_file(home).parent.mkdir(parents=True)
    write_record(home, make_record(home, port, password))
    return home


def settings_for(project: Path, home: Path) -> Settings:
    return Settings(project=project, home=home, inbox=home / "inbox")


def ask_dbt(file: Path, target: str | None = None, **variables: str) -> dict[str, Any]:
    """Return the connection that dbt makes from `file` in an environment with these variables."""
    set_invocation_context(variables)
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))["sales_warehouse"]
    name, found = Profile.render_profile(raw, "sales_warehouse", target, ProfileRenderer({}))
    assert found["type"] == "postgres"
    return {"target": name, **{key: found[key] for key in ("host", "port", "user", "password", "dbname", "schema")}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path.resolve() / "project"
    project.mkdir()
    return project


@pytest.fixture
def default(project: Path) -> Settings:
    """A project whose default home has a server on port 20001, with its profile."""
    settings = settings_for(project, make_home(project / ".warehouse", 20001))
    assert write_profiles(settings) == ()
    return settings


def test_dev_is_the_target_of_a_plain_dbt_and_prod_another(default: Settings) -> None:
    file = default.project / "profiles.yml"
    found = ask_dbt(file, USER="alice")
    assert found == {
        "target": "dev",
        "host": "127.0.0.1",
        "port": 20001,
        "user": "warehouse",
        "password": "w20001",
        "dbname": "warehouse",
        "schema": "dev_alice",
    }
    assert ask_dbt(file, "prod") == {**found, "target": "prod", "schema": "warehouse"}
    assert ask_dbt(file)["schema"] == "dev_me"


@pytest.mark.parametrize("record", [None, make_record(Path("/home/of/a"), 20001)])
def test_a_written_profile_is_short_and_holds_no_code(record: ServerRecord | None) -> None:
    text = render(record)
    assert len(text.splitlines()) <= 36
    # only PGHOST has no default: without it no server is known
    assert {re.sub(r"'[A-Z_]+'(, '[\w.]*')?", "", found) for found in re.findall(r"{{(.*?)}}", text)} <= {
        " env_var() ", " env_var() | as_number ",
    }  # fmt: skip
    assert "{%" not in text
    assert set(yaml.safe_load(text)["sales_warehouse"]) == {"target", "outputs"}
    assert set(yaml.safe_load(text)["sales_warehouse"]["outputs"]) == {"dev", "prod", "spark"}


def test_each_home_has_its_own_profile(default: Settings, tmp_path: Path) -> None:
    other = settings_for(default.project, make_home(tmp_path.resolve() / "other", 20002))
    before = (default.project / "profiles.yml").read_text(encoding="utf-8")
    write_profiles(other)
    assert (default.project / "profiles.yml").read_text(encoding="utf-8") == before
    assert ask_dbt(other.home / "profiles.yml")["port"] == 20002
    assert (profiles_directory(default), profiles_directory(other)) == (default.project, other.home)
    assert f"DBT_PROFILES_DIR={other.home}" in write_shell_line(other)
    assert "DBT_PROFILES_DIR" not in write_shell_line(default)


def test_the_line_for_a_shell_survives_any_name_of_a_home(project: Path) -> None:
    line = write_shell_line(settings_for(project, Path("/it's a home")))
    assert line.startswith("export DBT_DEFER=true DBT_FAVOR_STATE=true DBT_STATE='/it'")


def test_with_pghost_the_profile_follows_the_variables(project: Path) -> None:
    settings = replace(settings_for(project, project / ".warehouse"), external=EXTERNAL)
    write_profiles(settings)
    file = project / "profiles.yml"
    expected = {
        "target": "prod",
        "host": "db.example.com",
        "port": 5555,
        "user": "u",
        # only digits, but still a text
        "password": "123456",
        "dbname": "d",
        "schema": "warehouse",
    }
    assert ask_dbt(file, "prod", **VARIABLES) == expected
    defaults = {"port": 5432, "user": "warehouse", "password": "", "dbname": "warehouse"}
    assert ask_dbt(file, "prod", PGHOST="db.example.com") == {**expected, **defaults}
    assert "secret-of-another" not in file.read_text(encoding="utf-8")
    with pytest.raises(EnvVarMissingError, match="PGHOST"):
        ask_dbt(file)


def test_an_empty_variable_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(settings_for(project, project / ".warehouse"), external=EXTERNAL)
    monkeypatch.setenv("PGPORT", "")
    (note,) = write_profiles(settings)
    assert "unset PGPORT" in note


def test_the_profile_is_of_the_last_server_that_was_brought_up(default: Settings) -> None:
    file = default.project / "profiles.yml"
    write_profiles(replace(default, external=EXTERNAL))
    assert ask_dbt(file, **VARIABLES)["host"] == "db.example.com"
    write_profiles(default)
    assert ask_dbt(file, **VARIABLES)["port"] == 20001


def test_an_external_server_has_its_profile_in_the_project_for_any_home(default: Settings, tmp_path: Path) -> None:
    external = replace(settings_for(default.project, tmp_path.resolve() / "none"), external=EXTERNAL)
    write_profiles(external)
    assert not external.home.exists()
    assert ask_dbt(default.project / "profiles.yml", **VARIABLES)["host"] == "db.example.com"


@pytest.mark.parametrize("password", ["12345", "it's", "a: b #c", 'x"y'])
def test_a_password_stays_the_text_it_is(project: Path, password: str) -> None:
    write_profiles(settings_for(project, make_home(project / ".warehouse", 20001, password)))
    assert ask_dbt(project / "profiles.yml")["password"] == password


def test_an_earlier_profile_is_rewritten(default: Settings) -> None:
    file = default.project / "profiles.yml"
    file.write_text(
        "# Written by `warehouse up`, and again whenever a server changes. It holds passwords: keep it to yourself.\n"
        "sales_warehouse:\n  homes:\n    '': '/somewhere'\n  target: shared\n",
        encoding="utf-8",
    )
    assert write_profiles(default) == ()
    assert ask_dbt(file)["target"] == "dev"
    assert "homes" not in file.read_text(encoding="utf-8")


def test_only_the_owner_can_read_the_profiles(default: Settings) -> None:
    file = default.project / "profiles.yml"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    write_profiles(default)
    assert file.stat().st_mode & 0o777 == 0o600


def test_unchanged_profiles_are_not_written_again(default: Settings) -> None:
    file = default.project / "profiles.yml"
    before = file.stat()
    write_profiles(default)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(path.name for path in default.project.iterdir()) == [".warehouse", "profiles.yml"]


@pytest.mark.parametrize("content", [b"", b"mine:\n  target: x\n", b"\xff\xfe not utf-8"])
def test_a_profiles_file_of_the_user_is_never_changed(project: Path, tmp_path: Path, content: bytes) -> None:
    file = project / "profiles.yml"
    file.write_bytes(content)
    before = file.stat()
    for home in (project / ".warehouse", tmp_path.resolve() / "other"):
        settings = settings_for(project, make_home(home, 20008))
        (note,) = write_profiles(settings)
        assert "is your own and was left alone" in note
        assert profiles_directory(settings) == project
        assert not (home / "profiles.yml").exists()
    assert file.read_bytes() == content
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_target_spark_leads_to_the_spark_of_the_home(default: Settings) -> None:
    file = default.project / "profiles.yml"

    def ask(**variables: str) -> tuple[str, str, int]:
        set_invocation_context(variables)
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))["sales_warehouse"]
        _, found = Profile.render_profile(raw, "sales_warehouse", "spark", ProfileRenderer({}))
        return found["method"], found["host"], found["port"]

    assert ask() == ("thrift", "127.0.0.1", 10_000)
    spark_directory(default.home).mkdir()
    write_spark_record(default.home, SparkRecord(thrift_port=20_005))
    write_profiles(default)
    assert ask() == ("thrift", "127.0.0.1", 20_005)
    assert ask_dbt(file)["port"] == 20_001  # as before
    assert ask(SPARK_THRIFT_HOST="spark.example", SPARK_THRIFT_PORT="10001") == ("thrift", "spark.example", 10_001)


def test_a_damaged_generated_file_is_written_again(default: Settings) -> None:
    file = default.project / "profiles.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: len(text) // 4] + "\n}}}: [", encoding="utf-8")
    write_profiles(default)
    assert ask_dbt(file)["port"] == 20001


def test_the_example_equals_the_profile_of_an_external_server() -> None:
    example = (ROOT / "profiles.yml.example").read_text(encoding="utf-8")
    assert yaml.safe_load(example) == yaml.safe_load(render(None))
