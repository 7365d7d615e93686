"""Find the files below the inbox and the feed each belongs to."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile

COMPRESSED_SUFFIXES = (".gz",)


@dataclass
class Found:
    """What lies below the inbox: the files of the feeds in the order to take them in, and the rest."""

    files: list[InboxFile] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # URIs no feed's location fits


def find_files(inbox: Path, feeds: Sequence[Feed], only: Feed | None = None) -> Found:
    """Look through the inbox once; with `only`, keep the files of that feed alone.

    Files come oldest first (modification time, then path), so that of two deliveries about the same thing
    the later one ends up active. Symbolic links are not followed. Raises `ConfigurationError` when the inbox
    is no directory or two feeds claim one file.
    """
    if not inbox.is_dir():
        raise ConfigurationError(f"The inbox {inbox} is no directory. Make it, or name another with --inbox.")
    patterns = [(feed, _compile_location(feed.location)) for feed in feeds]
    found = Found()
    for entry, relative in _walk(inbox, ""):
        uri = os.fsencode(relative).decode("utf-8", "backslashreplace")
        if entry.is_symlink():
            found.strangers.append(f"{uri} (a symbolic link)")
            continue
        claims = [feed for feed, pattern in patterns if pattern.fullmatch(relative)]
        if len(claims) > 1:
            names = " and ".join(feed.full_name for feed in claims)
            raise ConfigurationError(f"{uri} fits the location of {names}. Narrow one of the two locations.")
        if not claims:
            found.strangers.append(uri)
        elif only is None or claims[0] == only:
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # taken away since the folder was listed
            found.files.append(InboxFile(claims[0], Path(entry.path), uri, stat.st_size, stat.st_mtime_ns))
    found.files.sort(key=lambda file: (file.mtime_ns, file.uri))
    found.strangers.sort()
    return found


def _walk(folder: Path | str, prefix: str) -> Iterator[tuple["os.DirEntry[str]", str]]:
    try:
        entries = os.scandir(folder)
    except PermissionError:
        raise ConfigurationError(f"The folder {folder} may not be read. Allow it, or name another inbox.") from None
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_symlink() or entry.is_file():
                yield entry, prefix + entry.name


def _compile_location(location: str) -> re.Pattern[str]:
    """Turn a location such as ``shop/**/*.csv`` into a pattern; a compressed file fits under its plain name."""
    parts = re.split(r"(\*\*/|\*\*$|\*|\?)", location)
    translated = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(translated.get(part, re.escape(part)) for part in parts)
    suffixes = "|".join(re.escape(suffix) for suffix in COMPRESSED_SUFFIXES)
    return re.compile(f"{body}(?:{suffixes})?", re.DOTALL)
