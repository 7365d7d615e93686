"""Say what was corrected on the books, and how to go on or back."""

from sales_warehouse.load.restore import Restored
from sales_warehouse.load.unload import Unloaded
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count


def print_unloaded(unloaded: Unloaded) -> None:
    """Print what left the raw table."""
    file = unloaded.file
    out.print(
        f"Unloaded file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(unloaded.rows, 'row')} left {unloaded.raw_table}. Its entry and its rejects "
        f"({file.rows_rejected:,}) stay on the books.",
        markup=False,
        soft_wrap=True,
    )
    if unloaded.rows != file.rows_loaded:
        out.print(f"The books say it had {file.rows_loaded:,} rows: the raw table was changed by something else.")
    out.print(f"`warehouse build` brings the marts up to date; `warehouse load --restore {file.file_id}` goes back.")


def print_restored(restored: Restored) -> None:
    """Print what is active again."""
    file = restored.file
    out.print(
        f"Restored file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(file.rows_loaded, 'row')}, as on the books."
        + (f" Superseded: {restored.replaced}." if restored.replaced else ""),
        markup=False,
        soft_wrap=True,
    )
    out.print("`warehouse build` brings the marts up to date.")
