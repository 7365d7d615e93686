"""What the path of a delivery says: its name, its compression, the archive it is a member of.

A member of an archive has the path of the archive, `!`, and its own path inside: ``shop/box.zip!2024-01-01.csv``.
"""

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
ARCHIVE_SUFFIX = ".zip"

_MARK = f"{ARCHIVE_SUFFIX}!"


def member_uri(archive: str, member: str) -> str:
    """Return the path of a member of an archive."""
    return f"{archive}!{member}"


def split_uri(uri: str) -> tuple[str, str | None]:
    """Return the path of the file in the inbox and, for a member of an archive, its path inside."""
    archive, mark, member = uri.partition(_MARK)
    return (archive + ARCHIVE_SUFFIX, member) if mark else (uri, None)


def name_of(uri: str) -> str:
    """Return the file's own name, without folders and archive."""
    path, member = split_uri(uri)
    return (member or path).rsplit("/", 1)[-1]


def compression_of(name: str) -> str | None:
    """Return the suffix a compressed file's name ends with, such as ``.gz``."""
    return next((suffix for suffix in COMPRESSED_SUFFIXES if name.endswith(suffix)), None)


def without_compression(uri: str) -> str:
    """Return the path as it would be without compression: ``shop/a.csv`` for ``shop/a.csv.zst``."""
    return uri.removesuffix(compression_of(uri) or "")
