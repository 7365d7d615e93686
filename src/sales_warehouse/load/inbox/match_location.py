"""Match paths below the inbox with the locations of feeds, such as ``shop/**/*.csv``."""

import re

from sales_warehouse.feeds.names import COMPRESSED_SUFFIXES

_TRANSLATED = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def compile_location(location: str) -> re.Pattern[str]:
    """Return the pattern of a location; a compressed file matches under its plain name."""
    suffixes = "|".join(re.escape(suffix) for suffix in COMPRESSED_SUFFIXES)
    return re.compile(f"{_translate(location)}(?:{suffixes})?", re.DOTALL)


def may_match_in(location: str, folder: str) -> bool:
    """Say whether files directly in this folder (empty, or with a slash at the end) can match the location."""
    parent, _, name = location.rpartition("/")
    return bool(re.fullmatch(_translate(f"{parent}/" if parent else ""), folder, re.DOTALL)) or name == "**"


def may_match_below(location: str, folder: str) -> bool:
    """Say whether files in this folder or deeper can match the location."""
    parts = location.split("/")
    for part, name in zip(parts[:-1], folder.split("/"), strict=False):
        if part == "**":
            return True
        if not re.fullmatch(_translate(part), name, re.DOTALL):
            return False
    return parts[-1] == "**" or folder.count("/") < len(parts) - 1


def _translate(location: str) -> str:
    parts = re.split(r"(\*\*/|\*\*$|\*|\?)", location)
    return "".join(_TRANSLATED.get(part, re.escape(part)) for part in parts)
