"""Compare the tables that dbt built with what a build from the beginning gives."""

import json

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from checkout import Checkout


def compile_whole(checkout: Checkout, *selected: str) -> dict[str, tuple[str, str]]:
    """Return columns and SQL of every table that dbt builds, by relation, as of a build from the beginning.

    Of the selected models, or of all.
    """
    checkout.dbt("compile", "--quiet", "--full-refresh", *(("--select", *selected) if selected else ()))
    target = checkout.project / "target"
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    return {
        result["relation_name"]: (", ".join(nodes[result["unique_id"]]["columns"]), result["compiled_code"])
        for result in json.loads((target / "run_results.json").read_text())["results"]
        if nodes[result["unique_id"]]["resource_type"] == "model"
        and nodes[result["unique_id"]]["config"]["materialized"]
        in ("table_in_place", "table_when_new", "incremental_by_ledger")
        # their SQL contains the upper event or the start of their build; the build itself tests the reconciliation
        and nodes[result["unique_id"]]["name"] not in ("reconciliation", "feed_status")
    }


def find_differences(connection: Connection, rebuilt: dict[str, tuple[str, str]]) -> list[str]:
    """Return the rows that are missing or too many compared with a rebuild, with relation and file name.

    A rebuild would not see the messages that came after the build began: they are in open segments.
    """
    found = []
    with connection.cursor() as cursor:
        cursor.execute("select file_id, name, status, feed from ledger.files")
        files = cursor.fetchall()
        names = {file_id: name for file_id, name, _, _ in files}
        for file_id, _, status, feed in files:
            if status == "open":
                table = sql.Identifier("raw", feed.replace(".", "__"))
                cursor.execute(sql.SQL("delete from {} where _file_id = %s").format(table), (file_id,))
        for relation, (columns, query) in rebuilt.items():
            cursor.execute(
                # once each, although both are read twice
                f"with there as materialized (select {columns} from {relation}), "
                f"due as materialized (select {columns} from ({query}) as rebuilt) "
                "select 'too many', rows.* from (select * from there except all select * from due) as rows "
                "union all select 'missing', rows.* from (select * from due except all select * from there) as rows"
            )
            assert cursor.description is not None
            file_id = (
                [column.name for column in cursor.description].index("_file_id") if "_file_id" in columns else None
            )
            for row in cursor.fetchall():
                of = names.get(row[file_id], "a file that is not in the ledger") if file_id is not None else ""
                found.append(f"{relation}: {' | '.join(map(str, row))} {of}")
    connection.rollback()  # brings the messages back
    return found


def list_built_whole(connection: Connection, checkout: Checkout) -> list[str]:
    """Return the models of an incremental strategy that the last build made from nothing."""
    nodes = json.loads((checkout.project / "target/manifest.json").read_text())["nodes"].values()
    names = {node["relation_name"]: node["name"] for node in nodes if node["config"].get("incremental_strategy")}
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select relation_name from audit.model_watermarks where event_id is not null and rebuilt_by = "
            "(select invocation_id from audit.builds order by started_at desc limit 1)"
        )
        return sorted(names[relation] for (relation,) in cursor.fetchall() if relation in names)
