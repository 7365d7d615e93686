"""Take the values of a feed's folder columns from the path of a file: ``day=2024-05-03/store=paris/a.csv``."""

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.names import HIVE_NULL, decode_folder_value, place_of
from sales_warehouse.load.outcome import FileRefused


def match_folders(uri: str, feed: Feed) -> dict[str, str | None]:
    """Return the values of the folder columns, in the order of the declaration; optional ones may be missing.

    The column is found by its name or an alias, as in a header. Raises `FileRefused`.
    """
    if not feed.folder_columns:
        return {}
    found: dict[str, str | None] = {}
    for folder in place_of(uri).split("/")[:-1]:
        name, equals, value = folder.partition("=")
        column = feed.column_of(name) if equals else ""
        if column not in feed.folder_columns:
            continue
        if column in found:
            raise FileRefused(f"its path has two folders for the column {column}. Move the file, so that one is left.")
        found[column] = None if value in ("", HIVE_NULL) else decode_folder_value(value)
    optional = feed.contract.optional
    if lacking := [f"{it}=…" for it in feed.folder_columns if it not in found and it not in optional]:
        raise FileRefused(
            f"its path has no folder {', '.join(lacking)}. Move the file into such a folder, or correct folder_columns "
            "in the feed's declaration."
        )
    return {column: found[column] for column in feed.folder_columns if column in found}
