"""profiles.yml, from which a plain `dbt build` in any shell learns where the server is.

One file serves every home of a project: dbt looks up the value of WAREHOUSE_HOME in it at each run. So a shell reaches
the server of its own home, or none at all.
"""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.locate import belongs_to
from sales_warehouse.server.lock import exclusive
from sales_warehouse.server.record import HOST, ServerRecord, read_record, write_private
from sales_warehouse.settings import DEFAULT_DATABASE, DEFAULT_PORT, DEFAULT_USER, Settings

PROFILES_FILE = "profiles.yml"
PROFILE = "sales_warehouse"
MARKER = "# Written by `warehouse up`, and again whenever a server changes. It holds passwords: keep it to yourself."
# dbt puts the name of a target that does not exist into its error message
NO_SERVER = "run_warehouse_up_first"
# of the person, in letters that need no quotes in SQL
DEV_SCHEMA = "'dev_' ~ modules.re.sub('[^a-z0-9]+', '_', (env_var('USER', '') or 'me') | lower)"


@dataclass(frozen=True)
class KnownHome:
    """A home as dbt recognises it: `key` is a value of WAREHOUSE_HOME, "" when it is not set."""

    key: str
    home: Path
    port: int
    password: str = field(repr=False)


def write_profiles(settings: Settings) -> tuple[str, ...]:
    """Write or refresh the project's profiles.yml (mode 0600), unless the person has one.

    Homes whose server is gone are dropped from it. Returns notes for the person.
    """
    path = settings.project / PROFILES_FILE
    # the folder itself is the lock: no file of ours is left in the project
    with exclusive(settings.project, wait_seconds=30):
        before = _read(path)
        if before is not None and not before.startswith(MARKER):
            return (f"{path} is your own and was left alone; profiles.yml.example shows what dbt needs.",)
        after = render(_refresh(_parse_homes(before), settings))
        if after != before or path.stat().st_mode & 0o777 != 0o600:
            write_private(path, after)
    return ()


def render(known: list[KnownHome]) -> str:
    """The whole text of profiles.yml for these homes."""
    keys = "[" + ", ".join(_literal(home.key) for home in known) + "]"
    external = "env_var('PGHOST', '')"
    chosen = "env_var('WAREHOUSE_HOME', '')"
    homes = "".join(f"    {_quoted(home.key)}: {_quoted(str(home.home))}\n" for home in known)
    ports = "".join(f"            {_literal(home.key)}: {home.port},\n" for home in known)
    passwords = "".join(f"            {_literal(home.key)}: {_literal(home.password)},\n" for home in known)
    return f"""\
{MARKER}
# For connections of your own replace it (profiles.yml.example shows how): without the line above it is left alone.
{PROFILE}:
  # The homes known here, by the value of WAREHOUSE_HOME; '' is the one that is used when the variable is not set.
  homes:{"" if known else " {}"}
{homes}\
  # With PGHOST set: that server. Else the embedded server of the shell's home; for a home not listed here, none.
  target: >-
    {{{{ 'shared' if {external} or {chosen} in {keys} else '{NO_SERVER}' }}}}
  outputs:
    # The warehouse that everybody reads: schemas staging, intermediate, marts, audit.
    shared: &server
      type: postgres
      threads: 4
      schema: warehouse
      host: >-
        {{{{ {external} or ('{HOST}' if {chosen} in {keys} else '{NO_SERVER.replace("_", "-")}.invalid') }}}}
      port: >-
        {{{{ ((env_var('PGPORT', '') or {DEFAULT_PORT}) if {external} else {{
{ports}\
          }}.get({chosen}, 1)) | as_number }}}}
      user: >-
        {{{{ ({external} and env_var('PGUSER', '')) or '{DEFAULT_USER}' }}}}
      password: >-
        {{{{ env_var('PGPASSWORD', '') if {external} else {{
{passwords}\
          }}.get({chosen}, '') }}}}
      dbname: >-
        {{{{ ({external} and env_var('PGDATABASE', '')) or '{DEFAULT_DATABASE}' }}}}
      connect_timeout: 10
      keepalives_idle: 60
      retries: 1
    # Your own copy on the same server, in schemas of its own (dev_alice_marts, …): `dbt build --target dev`.
    dev:
      <<: *server
      schema: >-
        {{{{ {DEV_SCHEMA} }}}}
"""


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        # not ours, we write UTF-8
        return ""


def _parse_homes(text: str | None) -> dict[str, Path]:
    """The homes in a file of ours; none when it was damaged, since the next `up` of each home adds it again."""
    try:
        homes = yaml.safe_load(text or "")[PROFILE]["homes"]
        return {str(key): Path(home) for key, home in homes.items()}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return {}


def _refresh(homes: dict[str, Path], settings: Settings) -> list[KnownHome]:
    wanted = {key: home for key, home in homes.items() if _meaning(key, settings) == home}
    wanted |= dict.fromkeys(_keys(settings), settings.home)
    known = []
    for key, home in sorted(wanted.items()):
        record = _usable_record(home)
        if record is not None:
            known.append(KnownHome(key, home, record.port, record.password))
    return known


def _keys(settings: Settings) -> set[str]:
    given = settings.home_as_given
    candidates = {"", given, str(settings.project / Path(given).expanduser()), str(settings.home)}
    return {key for key in candidates if _meaning(key, settings) == settings.home}


def _meaning(key: str, settings: Settings) -> Path:
    # A relative value means another folder in every directory. dbt runs in the project, so it is told only what the
    # value means there. A link may have been turned to another home since the key was written.
    return (settings.project / Path(key).expanduser()).resolve() if key else settings.default_home


def _usable_record(home: Path) -> ServerRecord | None:
    try:
        record = read_record(home)
    except ConfigurationError:
        return None
    if record is None or not record.initialised or not belongs_to(home, record.data_directory):
        return None
    return record


def _literal(text: str) -> str:
    # Jinja reads the escapes of Python strings; in a folded YAML block nothing else needs care
    return ascii(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
