"""Say what was corrected in the ledger, and how to go on or back."""

from collections.abc import Sequence

from sales_warehouse.corrections.export_rejects import Exported
from sales_warehouse.corrections.replay import Replayed
from sales_warehouse.corrections.restore import Restored
from sales_warehouse.corrections.unload import Unloaded
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count

_SHOWN = 20  # row numbers named in a message


def print_unloaded(unloaded: Unloaded) -> None:
    """Print what left the raw table."""
    file = unloaded.file
    out.print(
        f"Unloaded file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(unloaded.rows, 'row')} left {unloaded.raw_table}. Its entry and its rejects "
        f"({file.rows_rejected:,}) stay in the ledger.",
        markup=False,
        soft_wrap=True,
    )
    if unloaded.rows != file.rows_loaded:
        out.print(f"The ledger say it had {file.rows_loaded:,} rows: the raw table was changed by something else.")
    out.print(f"`warehouse build` brings the marts up to date; `warehouse load --restore {file.file_id}` goes back.")


def print_restored(restored: Restored) -> None:
    """Print what is active again."""
    file = restored.file
    out.print(
        f"Restored file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(file.rows_loaded, 'row')}, as in the ledger."
        + (f" Superseded: {restored.replaced}." if restored.replaced else ""),
        markup=False,
        soft_wrap=True,
    )
    out.print("`warehouse build` brings the marts up to date.")


def print_exported(exported: Exported) -> None:
    """Print where the rejects went, and how they come back."""
    file = exported.file
    before = f" ({exported.replayed:,} replayed before were left out)" if exported.replayed else ""
    out.print(
        f"Wrote {count(exported.records, 'reject')} of {file} to {exported.path}{before}.", markup=False, soft_wrap=True
    )
    if file.status == "active":
        back = f"warehouse replay {file.file_id} {exported.path}"
        out.print(f"Repair the records below the lines that mark them, then: {back}", markup=False, soft_wrap=True)
    else:
        out.print(f"They can be looked at, not replayed: the file is {file.status}.", markup=False)


def print_replayed(replayed: Replayed) -> None:
    """Print which records are rows now, and which are rejects as before."""
    file = replayed.file
    if replayed.rows:
        left = file.rows_rejected - len(replayed.rows)
        still = f"{left:,} of its records {'is a reject' if left == 1 else 'are rejects'} still."
        out.print(
            f"Replayed {count(len(replayed.rows), 'record')} of file {file.file_id}, {file.uri}, into "
            f"{replayed.raw_table}: row {_list(replayed.rows)}. {still}",
            markup=False,
            soft_wrap=True,
        )
        out.print("`warehouse build` brings the marts up to date.")
    else:
        out.print(f"Nothing was replayed: no record of {file} was repaired.", markup=False, soft_wrap=True)
    if replayed.unchanged:
        out.print(f"Unchanged, so rejects as before: row {_list(replayed.unchanged)}.", soft_wrap=True)
    if replayed.left_out:
        out.print(f"Not in the repaired file, so rejects as before: row {_list(replayed.left_out)}.", soft_wrap=True)


def _list(numbers: Sequence[int]) -> str:
    more = len(numbers) - _SHOWN
    return ", ".join(f"{number:,}" for number in numbers[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
