"""Locations: which paths below the inbox are those of a feed."""

import re
from functools import lru_cache

from sales_warehouse.feeds.names import COMPRESSED_SUFFIXES, as_nfc

_SUFFIX = re.compile(rf"\.[^./*?]+({'|'.join(map(re.escape, COMPRESSED_SUFFIXES))})?\Z", re.IGNORECASE)
_PATTERNS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}  # of the signs in a location


@lru_cache(maxsize=1024)
def compile_location(location: str) -> re.Pattern[str]:
    """Return the pattern of a location, for paths in NFC.

    A compressed file matches under its plain name. The letter case of suffixes does not matter.
    """
    location = as_nfc(location)
    at = found.start() if (found := _SUFFIX.search(location)) else len(location)
    packed = "|".join(map(re.escape, COMPRESSED_SUFFIXES))
    suffixes = f"(?ai:{re.escape(location[at:])}(?:{packed})?)"
    return re.compile(_translate(location[:at]) + suffixes, re.DOTALL)


def may_match_in(location: str, folder: str) -> bool:
    """Say whether files directly in this folder (empty, or with a slash at the end) can match the location."""
    parent, _, name = as_nfc(location).rpartition("/")
    pattern = _translate(f"{parent}/" if parent else "")
    return bool(re.fullmatch(pattern, as_nfc(folder), re.DOTALL)) or name == "**"


def may_match_below(location: str, folder: str) -> bool:
    """Say whether files in this folder or deeper can match the location."""
    parts, names = as_nfc(location).split("/"), as_nfc(folder).split("/")
    for part, name in zip(parts[:-1], names, strict=False):
        if part == "**":
            return True
        if not re.fullmatch(_translate(part), name, re.DOTALL):
            return False
    return parts[-1] == "**" or len(names) < len(parts)


def _translate(location: str) -> str:
    parts = re.split(r"(\*\*/|\*\*$|\*|\?)", location)
    return "".join(_PATTERNS.get(part, re.escape(part)) for part in parts)
