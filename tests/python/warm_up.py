"""Imports of the fork server: what the commands import, also the modules that they import only while they work."""

import gc
import os
import shutil
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from pprint import pformat
from tempfile import TemporaryDirectory

# as long as every name that databases.py gives
_DATABASE = "test_0000"

os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ |= {"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "warehouse", "PGDATABASE": _DATABASE}
# Modules that ask at import whether there is a terminal find none.
with redirect_stdout(StringIO()), redirect_stderr(StringIO()), TemporaryDirectory() as name:
    import babel.dates  # noqa: F401
    import daff  # noqa: F401
    import dbt.task.build
    import dbt.task.seed  # noqa: F401
    import sqlparse.cli  # noqa: F401
    import typer._adapters
    import typer._click.decorators  # noqa: F401
    from dbt.adapters.factory import get_adapter_by_type
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.clients.jinja import template_cache

    import lean_dbt
    import sales_warehouse.cli
    import sales_warehouse.grants.write_grants
    import sales_warehouse.publish.publish
    import sales_warehouse.query
    import sales_warehouse.transform.run_dbt
    import sales_warehouse.verify.run_verify  # noqa: F401

    lean_dbt.make_lean()

    # the project itself: dbt caches the template of every compiled macro by its text, and the parsed project
    project, folder = Path(__file__).resolve().parents[2], Path(name)
    for part in ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests"):
        (folder / part).symlink_to(project / part)
    shutil.copy(project / "profiles.yml.example", folder / "profiles.yml")
    paths = [f"--{kind}-{what}={name}" for kind, what in
             (("project", "dir"), ("profiles", "dir"), ("target", "path"), ("log", "path"))]  # fmt: skip
    # the static parser starts threads, which do not survive a fork
    done = dbtRunner().invoke(["--quiet", "parse", "--target", "prod", "--no-static-parser", *paths])
    assert done.success and isinstance(done.result, Manifest), done.exception
    for macro in done.result.macros.values():
        template_cache.get_node_template(macro)
    # once more, as a copy of the project does, for the decoders of a parsed project
    done = dbtRunner().invoke(["--quiet", "ls", "--target", "prod", *paths])
    assert done.success, done.exception
    _declaration = (project / "dbt_project.yml").read_bytes()
    _parsed = (folder / "partial_parse.msgpack").read_bytes()
    # what dbt compares with a parsed project, in the form of ManifestLoader.build_manifest_state_check
    _connection = pformat(sorted(get_adapter_by_type("postgres").config.credentials.connection_info()))
if (tasks := Path("/proc/self/task")).is_dir():
    assert len([*tasks.iterdir()]) == 1, "another thread is running: a forked command could wait for it forever"
gc.freeze()  # shared with the forked commands


def leave_parsed(environment: Mapping[str, str]) -> None:
    """Give dbt the parsed project at the place where dbt writes it, in a copy of the project that has none.

    Then dbt parses only what the test changed. Names of databases are equally long, so that one can replace another.
    If the connection differs in any other way, dbt notices it and parses everything.
    """
    database, port = environment.get("PGDATABASE", ""), environment.get("PGPORT", "")
    declaration = Path("dbt_project.yml")
    if len(database) != len(_DATABASE) or not declaration.exists() or declaration.read_bytes() != _declaration:
        return
    targets = [Path("target"), Path(environment.get("WAREHOUSE_HOME", ".warehouse")) / "dbt" / "target"]
    missing = [target for target in targets if not (target / "partial_parse.msgpack").exists()]
    if not missing:
        return
    connection = _connection.replace(repr(_DATABASE), repr(database)).replace("('port', 1)", f"('port', {port})")
    parsed = _parsed.replace(_DATABASE.encode(), database.encode())
    parsed = parsed.replace(_digest(_connection), _digest(connection))
    for target in missing:
        target.mkdir(parents=True, exist_ok=True)
        (target / "partial_parse.msgpack").write_bytes(parsed)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).hexdigest().encode()
