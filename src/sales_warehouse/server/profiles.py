"""profiles.yml, from which a plain `dbt` learns where the server is, and Spark.

Each home has its own: that of the default home is in the project, where dbt looks for it; that of another home is in
the home, and DBT_PROFILES_DIR leads to it. With an external server the file is in the project and follows the PG*
variables. The target `spark` follows SPARK_THRIFT_HOST and SPARK_THRIFT_PORT, and leads to the Spark of the home
without them.
"""

import json
import os
from pathlib import Path

from sales_warehouse.server.record import (
    HOST,
    PACKAGE,
    ServerRecord,
    exclusive,
    fill_template,
    read_private,
    read_record,
    write_private,
)
from sales_warehouse.settings import DEFAULT_DATABASE, DEFAULT_HOME, DEFAULT_PORT, DEFAULT_USER, Settings

PROFILES_FILE = "profiles.yml"
DEFAULT_THRIFT_PORT = 10_000  # of HiveServer2, which Spark's Thrift server follows
MARKER = "# Written by `warehouse up`, and again whenever a server changes."

# macros/project/check_target.sql compares this server with the variables of the shell
_EMBEDDED = "\n      application_name: dbt_embedded"


def write_profiles(settings: Settings) -> tuple[str, ...]:
    """Write or refresh the profile of the settings' server (mode 0600), unless the person has one in the project.

    Returns notes for the person.
    """
    directory = profiles_directory(settings)
    path = directory / PROFILES_FILE
    # the folder itself is the lock, so that no lock file is left in the project
    with exclusive(directory, wait_seconds=30):
        before = _read(path)
        if before is not None and not before.startswith(MARKER):
            return (f"{path} is your own and was left alone; profiles.yml.example shows what dbt needs.",)
        after = render(None if settings.external else read_record(settings.home), read_thrift_port(settings.home))
        if after != before or path.stat().st_mode & 0o777 != 0o600:
            write_private(path, after)
    empty = [name for name in ("PGPORT", "PGUSER", "PGDATABASE") if settings.external and os.environ.get(name) == ""]
    return tuple(f"{name} is set and empty, and dbt does not take its default then: unset {name}" for name in empty)


def profiles_directory(settings: Settings) -> Path:
    """Return the folder of the profile that leads to the settings' server; the project's, if that is a person's own."""
    own = _read(settings.project / PROFILES_FILE)
    is_own = own is not None and not own.startswith(MARKER)
    if is_own or settings.external is not None or settings.home == settings.project / DEFAULT_HOME:
        return settings.project
    return settings.home


def read_thrift_port(home: Path) -> int:
    """Return the port of the home's Spark, or the usual one when no Spark was made there."""
    try:
        # written by `warehouse spark up`
        return int(json.loads(read_private(home / "spark" / "spark.json") or "{}")["thrift_port"])
    except (ValueError, TypeError, KeyError):
        return DEFAULT_THRIFT_PORT


def render(record: ServerRecord | None, thrift_port: int = DEFAULT_THRIFT_PORT) -> str:
    """Return the text of profiles.yml: of an embedded server its values, of another the PG* variables."""
    values: dict[str, object] = {
        "host": _variable("PGHOST"),
        "port": _variable("PGPORT", f"{DEFAULT_PORT}", " | as_number"),
        "user": _variable("PGUSER", DEFAULT_USER),
        "password": _variable("PGPASSWORD", ""),
        "database": _variable("PGDATABASE", DEFAULT_DATABASE),
        "mark": "",
        "thrift_host": _variable("SPARK_THRIFT_HOST", HOST),
        "thrift_port": _variable("SPARK_THRIFT_PORT", f"{thrift_port}", " | as_number"),
    }
    if record is not None:
        password = record.password.replace("'", "''")
        values |= vars(record) | {"host": HOST, "password": f"'{password}'", "mark": _EMBEDDED}
    return fill_template(PACKAGE, "profiles.yml.template", marker=MARKER, **values)


def _variable(name: str, default: str | None = None, convert: str = "") -> str:
    arguments = f"'{name}'" if default is None else f"'{name}', '{default}'"
    return f'"{{{{ env_var({arguments}){convert} }}}}"'


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        # not ours, we write UTF-8
        return ""
