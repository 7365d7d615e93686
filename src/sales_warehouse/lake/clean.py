"""Remove what no state needs any more: tags, snapshots, and objects that nothing refers to."""

import re
import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from pyiceberg.table import Table

from sales_warehouse.lake.catalogue import list_objects
from sales_warehouse.lake.states import StateTable
from sales_warehouse.lake.store import Store
from sales_warehouse.ledger.fail_point import reach

_TAG = re.compile(r"event_\d+(_\d+)?")


def forget_snapshots(table: Table, kept: Collection[StateTable], grace: timedelta) -> None:
    """Remove the tags of a table that no kept state has, and the snapshots that nothing names.

    A snapshot without a tag is of a run that did not end; it stays for the grace period.
    """
    tags = {one.tag for one in kept}
    wrong = [name for name in table.metadata.refs if _TAG.fullmatch(name) and name not in tags]
    if wrong:
        with table.manage_snapshots() as manage:
            for name in wrong:
                manage.remove_tag(name)
    named = {ref.snapshot_id for ref in table.metadata.refs.values()} | {one.snapshot_id for one in kept}
    before = (datetime.now(UTC) - grace).timestamp() * 1000
    old = [
        one.snapshot_id
        for one in table.metadata.snapshots
        if one.snapshot_id not in named and one.timestamp_ms <= before
    ]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()


def remove_unneeded(store: Store, table: Table, kept: Iterable[StateTable], grace: timedelta) -> list[str]:
    """Remove the objects below a table's folder that no snapshot and no kept state refers to; return their URIs.

    One that is younger than the grace period stays: a run may be about to commit it, or a reader still at work with it.
    """
    needed = find_needed(table) | {one.metadata_location for one in kept}
    before = time.time() - grace.total_seconds()
    removed = []
    for stored in list(store.list(table.location())):
        if stored.uri not in needed and stored.changed_at <= before:
            store.remove(stored.uri)
            removed.append(stored.uri)
            reach("lake_removed")
    return removed


def find_needed(table: Table) -> set[str]:
    """Return the URIs of all that the snapshots of a table refer to, and of its metadata."""
    snapshots = table.metadata.snapshots
    # most snapshots have most of their manifests in common, so each is read once
    manifests = {manifest.manifest_path: manifest for one in snapshots for manifest in one.manifests(table.io)}
    return {
        table.metadata_location,
        *(one.manifest_list for one in snapshots),
        *manifests,
        *list_objects(table, manifests.values()),
    }
