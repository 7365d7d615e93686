"""Imported by the process that commands are forked off: what they import, the parts that come in only at work too."""

import gc
import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
# What asks at import whether it has a terminal has none.
with redirect_stdout(StringIO()), redirect_stderr(StringIO()), TemporaryDirectory() as name:
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.clients.jinja import template_cache

    import sales_warehouse.cli
    import sales_warehouse.transform.run_dbt  # noqa: F401

    # the project itself, as dbt keeps the template of every macro it has compiled, by its text
    project, folder = Path(__file__).resolve().parents[2], Path(name)
    for part in ("dbt_project.yml", "selectors.yml", "models", "seeds", "macros", "tests"):
        (folder / part).symlink_to(project / part)
    (folder / "profiles.yml").write_text(
        "sales_warehouse: {target: t, outputs: {t: {type: postgres, host: none.invalid, port: 1, user: u, password: p, "
        "dbname: d, schema: s}}}\n",
        encoding="utf-8",
    )
    paths = [f"--{kind}-{what}={name}" for kind, what in
             (("project", "dir"), ("profiles", "dir"), ("target", "path"), ("log", "path"))]  # fmt: skip
    # the static parser starts threads, which do not survive a fork
    done = dbtRunner().invoke(["--quiet", "parse", "--no-static-parser", *paths])
    assert done.success and isinstance(done.result, Manifest), done.exception
    for macro in done.result.macros.values():
        template_cache.get_node_template(macro)
if (tasks := Path("/proc/self/task")).is_dir():
    assert len([*tasks.iterdir()]) == 1, "a thread: a command forked off might wait for it for ever"
gc.freeze()  # shared with the commands as it is
