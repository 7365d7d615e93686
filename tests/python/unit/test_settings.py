"""Settings: the effect of each variable, and the error about a wrong value."""

import re
from pathlib import Path

import pytest

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.settings import Environment, get_settings
from sales_warehouse.stream.decoders.registry import URL_VARIABLE, USER_VARIABLE

VARIABLES = [str(field.validation_alias) for field in Environment.model_fields.values()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a subfolder of a project, with no variable set."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    project = (tmp_path / "project").resolve()
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").touch()
    monkeypatch.chdir(project / "models")
    return project


def test_defaults_are_below_the_nearest_project(project: Path) -> None:
    settings = get_settings()
    assert settings.project == project
    assert settings.home == project / ".warehouse"
    assert settings.inbox == project / ".warehouse" / "inbox"
    assert settings.external is None


def test_relative_paths_start_at_the_current_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_HOME", "../elsewhere/")
    monkeypatch.setenv("WAREHOUSE_INBOX", "in")
    settings = get_settings()
    assert settings.home == project / "elsewhere"
    assert settings.inbox == project / "models" / "in"


def test_the_inbox_follows_the_home(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path / "h"))
    assert get_settings().inbox == tmp_path.resolve() / "h" / "inbox"


def test_a_link_and_its_target_are_one_home(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path / "link"))
    assert get_settings().home == (tmp_path / "real").resolve()


def test_warehouse_project_takes_precedence_over_the_current_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dbt_project.yml").touch()
    monkeypatch.setenv("WAREHOUSE_PROJECT", str(other))
    assert get_settings().project == other.resolve()


def test_the_default_project_is_the_checkout_of_the_package(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert get_settings().project == Path(__file__).resolve().parents[3]


def test_empty_variables_count_as_not_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as written in .env.example
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    settings = get_settings()
    assert settings.home == project / ".warehouse"
    assert settings.external is None


def test_only_pghost_makes_the_server_an_external_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"PGPORT": "5555", "PGUSER": "u", "PGPASSWORD": "p", "PGDATABASE": "d"}.items():
        monkeypatch.setenv(variable, value)
    assert get_settings().external is None
    monkeypatch.setenv("PGHOST", "db.example.com")
    external = get_settings().external
    assert external is not None
    assert (external.host, external.port, external.user, external.password, external.database) == (
        "db.example.com",
        5555,
        "u",
        "p",
        "d",
    )


def test_an_external_server_has_defaults(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    external = get_settings().external
    assert external is not None
    assert (external.port, external.user, external.password, external.database) == (5432, "warehouse", "", "warehouse")


@pytest.mark.parametrize("value", ["abc", "0", "65536", "5432,5433", "1.5"])
def test_a_wrong_port_is_named_with_the_allowed_range(
    project: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PGPORT", value)
    with pytest.raises(ConfigurationError, match="PGPORT must be a whole number from 1 to 65535") as caught:
        get_settings()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("variable", ["WAREHOUSE_HOME", "WAREHOUSE_PROJECT", "WAREHOUSE_INBOX"])
def test_a_path_with_a_line_break_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "/tmp/a\nb")
    with pytest.raises(ConfigurationError, match=f"{variable} must be a path without line breaks"):
        get_settings()


@pytest.mark.parametrize("variable", ["WAREHOUSE_HOME", "WAREHOUSE_INBOX"])
def test_a_file_instead_of_a_folder_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(project / "dbt_project.yml"))
    with pytest.raises(ConfigurationError, match=f"{variable} must name a folder"):
        get_settings()


def test_a_project_without_its_file_is_refused(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PROJECT", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"no dbt_project\.yml in .*WAREHOUSE_PROJECT"):
        get_settings()


def test_the_password_is_in_no_representation(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    monkeypatch.setenv("PGPASSWORD", "correct-horse")
    monkeypatch.setenv("PGPORT", "correct-horse")
    assert "correct-horse" not in repr(Environment.model_construct(password="correct-horse"))
    with pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert "correct-horse" not in str(caught.value)
    monkeypatch.setenv("PGPORT", "5432")
    assert "correct-horse" not in repr(get_settings())


def test_the_example_has_every_variable_and_no_other() -> None:
    root = Path(__file__).resolve().parents[3]
    example = re.findall(r"^#? ?([A-Z_]+)=", (root / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    compose = re.findall(r"(?<!\$)\$\{([A-Z_]+)", (root / "docker-compose.yml").read_text(encoding="utf-8"))
    assert len(example) == len(set(example))
    template = root / "src" / "sales_warehouse" / "server" / "profiles.py"
    profile = re.findall(r'"(SPARK_[A-Z_]+)"', template.read_text(encoding="utf-8"))
    # of a registry, each of which may have variables of its own
    assert set(example) == set(VARIABLES) | set(compose) | set(profile) | {URL_VARIABLE, USER_VARIABLE}
