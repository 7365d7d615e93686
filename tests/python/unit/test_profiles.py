"""profiles.yml, read by dbt itself: which shell reaches which server, and what is never overwritten."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt.exceptions import DbtProfileError, EnvVarMissingError
from dbt_common.context import set_invocation_context

from sales_warehouse.server.profiles import write_profiles
from sales_warehouse.server.record import ServerRecord, record_file, write_record
from sales_warehouse.settings import ExternalServer, Settings

ROOT = Path(__file__).resolve().parents[3]


def make_home(home: Path, port: int) -> Path:
    """A home with the record of a server that was never started; the password tells which it is."""
    record_file(home).parent.mkdir(parents=True)
    record = ServerRecord(
        port=port,
        user="warehouse",
        database="warehouse",
        data_directory=home / "server" / "data",
        password=f"w{port}",
    )
    write_record(home, record)
    return home


def settings_for(project: Path, home: Path, home_as_given: str = "") -> Settings:
    return Settings(project=project, home=home, inbox=home / "inbox", home_as_given=home_as_given)


def ask_dbt(file: Path, target: str | None = None, **variables: str) -> dict[str, Any]:
    """The connection dbt would make from `file` in a shell with these variables."""
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
def two_homes(project: Path, tmp_path: Path) -> Path:
    """A project whose profiles.yml knows the default home (port 20001) and `other` (port 20002). Returns the file."""
    default = make_home(project / ".warehouse", 20001)
    other = make_home(tmp_path.resolve() / "other", 20002)
    write_profiles(settings_for(project, default))
    write_profiles(settings_for(project, other, str(other)))
    return project / "profiles.yml"


def test_each_shell_reaches_the_server_of_its_own_home(two_homes: Path, tmp_path: Path) -> None:
    default = ask_dbt(two_homes)
    assert default == {
        "target": "shared",
        "host": "127.0.0.1",
        "port": 20001,
        "user": "warehouse",
        "password": "w20001",
        "dbname": "warehouse",
        "schema": "warehouse",
    }
    assert ask_dbt(two_homes, WAREHOUSE_HOME="") == default
    assert ask_dbt(two_homes, WAREHOUSE_HOME=str(two_homes.parent / ".warehouse")) == default
    other = ask_dbt(two_homes, WAREHOUSE_HOME=str(tmp_path.resolve() / "other"))
    assert other == {**default, "port": 20002, "password": "w20002"}


def test_a_shell_with_an_unknown_home_is_told_what_to_do(two_homes: Path) -> None:
    with pytest.raises(DbtProfileError, match="does not have a target named 'run_warehouse_up_first'"):
        ask_dbt(two_homes, WAREHOUSE_HOME="/somewhere/else")


def test_a_target_by_force_leads_to_no_server_either(two_homes: Path) -> None:
    found = ask_dbt(two_homes, "shared", WAREHOUSE_HOME="/somewhere/else")
    # .invalid resolves nowhere, by RFC 6761
    assert found["host"] == "run-warehouse-up-first.invalid"
    assert found["port"] == 1
    assert found["password"] == ""


def test_pghost_wins_over_every_home(two_homes: Path) -> None:
    variables = {
        "PGHOST": "db.example.com",
        "PGPORT": "5555",
        "PGUSER": "u",
        "PGPASSWORD": "123456",
        "PGDATABASE": "d",
    }
    expected = {
        "target": "shared",
        "host": "db.example.com",
        "port": 5555,
        "user": "u",
        # digits alone, and still a text
        "password": "123456",
        "dbname": "d",
        "schema": "warehouse",
    }
    assert ask_dbt(two_homes, **variables) == expected
    assert ask_dbt(two_homes, **variables, WAREHOUSE_HOME="/somewhere/else") == expected


def test_pghost_alone_uses_the_defaults_and_no_embedded_password(two_homes: Path) -> None:
    found = ask_dbt(two_homes, PGHOST="db.example.com", PGPORT="", PGUSER="", PGDATABASE="")
    assert (found["port"], found["user"], found["password"], found["dbname"]) == (
        5432,
        "warehouse",
        "",
        "warehouse",
    )


def test_without_pghost_the_other_variables_of_libpq_are_not_followed(two_homes: Path) -> None:
    found = ask_dbt(two_homes, PGPORT="5555", PGUSER="u", PGPASSWORD="p", PGDATABASE="d")
    assert found == ask_dbt(two_homes)


def test_a_home_is_known_by_its_name_as_given_and_by_its_path(project: Path) -> None:
    home = make_home(project / "h", 20003)
    for given in ("h", "h/", "./h"):
        write_profiles(settings_for(project, home, given))
    for value in ("h", "h/", "./h", str(home)):
        assert ask_dbt(project / "profiles.yml", WAREHOUSE_HOME=value)["port"] == 20003
    # nobody asked for the default home's server
    with pytest.raises(DbtProfileError, match="run_warehouse_up_first"):
        ask_dbt(project / "profiles.yml")


def test_a_relative_name_that_means_another_folder_in_the_project_is_not_known(project: Path) -> None:
    # given in project/models; dbt, which runs in the project, would take "h" for project/h
    home = make_home(project / "models" / "h", 20003)
    write_profiles(settings_for(project, home, "h"))
    with pytest.raises(DbtProfileError, match="run_warehouse_up_first"):
        ask_dbt(project / "profiles.yml", WAREHOUSE_HOME="h")
    assert ask_dbt(project / "profiles.yml", WAREHOUSE_HOME=str(home))["port"] == 20003


def test_a_link_turned_to_another_home_is_forgotten(project: Path, tmp_path: Path) -> None:
    first, second = (make_home(tmp_path.resolve() / name, port) for name, port in (("a", 20004), ("b", 20005)))
    link = tmp_path.resolve() / "current"
    link.symlink_to(first)
    write_profiles(settings_for(project, first, str(link)))
    assert ask_dbt(project / "profiles.yml", WAREHOUSE_HOME=str(link))["port"] == 20004
    link.unlink()
    link.symlink_to(second)
    write_profiles(settings_for(project, second, str(second)))
    with pytest.raises(DbtProfileError, match="run_warehouse_up_first"):
        ask_dbt(project / "profiles.yml", WAREHOUSE_HOME=str(link))


@pytest.mark.parametrize("name", ["it's", 'a "b"', "{{ x }}", "{% x", "ümläut 你", "a  b", "#c: d", "back\\n", "$HOME"])
def test_any_name_of_a_home_survives_yaml_and_jinja(project: Path, tmp_path: Path, name: str) -> None:
    home = make_home(tmp_path.resolve() / name, 20006)
    other = make_home(tmp_path.resolve() / "other", 20007)
    write_profiles(settings_for(project, home, str(home)))
    write_profiles(settings_for(project, other, str(other)))
    assert ask_dbt(project / "profiles.yml", WAREHOUSE_HOME=str(home))["port"] == 20006


def test_homes_whose_server_is_gone_are_dropped(two_homes: Path, tmp_path: Path) -> None:
    record_file(tmp_path.resolve() / "other").unlink()
    write_profiles(settings_for(two_homes.parent, two_homes.parent / ".warehouse"))
    with pytest.raises(DbtProfileError, match="run_warehouse_up_first"):
        ask_dbt(two_homes, WAREHOUSE_HOME=str(tmp_path.resolve() / "other"))
    assert "w20002" not in two_homes.read_text(encoding="utf-8")


def test_with_an_external_server_the_homes_stay_known(two_homes: Path) -> None:
    before = two_homes.read_text(encoding="utf-8")
    assert "w20001" in before
    assert "w20002" in before
    external = ExternalServer("db.example.com", 5432, "u", "d", "secret-of-another")
    write_profiles(replace(settings_for(two_homes.parent, two_homes.parent / ".warehouse"), external=external))
    assert two_homes.read_text(encoding="utf-8") == before


def test_with_an_external_server_and_no_home_it_works_too(project: Path) -> None:
    external = ExternalServer("db.example.com", 5432, "u", "d", "secret-of-another")
    write_profiles(replace(settings_for(project, project / ".warehouse"), external=external))
    assert ask_dbt(project / "profiles.yml", PGHOST="db.example.com")["host"] == "db.example.com"
    assert "secret-of-another" not in (project / "profiles.yml").read_text(encoding="utf-8")
    with pytest.raises(DbtProfileError, match="run_warehouse_up_first"):
        ask_dbt(project / "profiles.yml")


def test_only_its_owner_can_read_it(two_homes: Path) -> None:
    assert two_homes.stat().st_mode & 0o777 == 0o600
    two_homes.chmod(0o644)
    write_profiles(settings_for(two_homes.parent, two_homes.parent / ".warehouse"))
    assert two_homes.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_when_nothing_changed(two_homes: Path) -> None:
    before = two_homes.stat()
    write_profiles(settings_for(two_homes.parent, two_homes.parent / ".warehouse"))
    assert (two_homes.stat().st_ino, two_homes.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(path.name for path in two_homes.parent.iterdir()) == [".warehouse", "profiles.yml"]


@pytest.mark.parametrize("content", [b"", b"mine:\n  target: x\n", b"\xff\xfe not utf-8"])
def test_a_file_of_the_person_is_never_touched(project: Path, content: bytes) -> None:
    home = make_home(project / ".warehouse", 20008)
    file = project / "profiles.yml"
    file.write_bytes(content)
    before = file.stat()
    (note,) = write_profiles(settings_for(project, home))
    assert "is your own and was left alone" in note
    assert file.read_bytes() == content
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_damaged_file_of_ours_is_written_anew(two_homes: Path) -> None:
    text = two_homes.read_text(encoding="utf-8")
    two_homes.write_text(text[: len(text) // 4] + "\n}}}: [", encoding="utf-8")
    write_profiles(settings_for(two_homes.parent, two_homes.parent / ".warehouse"))
    assert ask_dbt(two_homes)["port"] == 20001


def test_the_example_follows_the_variables() -> None:
    example = ROOT / "profiles.yml.example"
    variables = {"PGHOST": "db.example.com", "PGPASSWORD": "123456", "USER": "Ann-Marie.O"}
    expected = {
        "target": "shared",
        "host": "db.example.com",
        "port": 5432,
        "user": "warehouse",
        "password": "123456",
        "dbname": "warehouse",
        "schema": "warehouse",
    }
    assert ask_dbt(example, **variables) == expected
    assert ask_dbt(example, **variables, PGPORT="", PGUSER="", PGDATABASE="") == expected
    changed = ask_dbt(example, **variables, PGPORT="5555", PGUSER="u", PGDATABASE="d")
    assert changed == {**expected, "port": 5555, "user": "u", "dbname": "d"}
    development = ask_dbt(example, "dev", **variables)
    assert development == {**expected, "target": "dev", "schema": "dev_ann_marie_o"}


def test_the_example_without_a_server_says_which_variable_is_missing() -> None:
    with pytest.raises(EnvVarMissingError, match="PGHOST"):
        ask_dbt(ROOT / "profiles.yml.example")
