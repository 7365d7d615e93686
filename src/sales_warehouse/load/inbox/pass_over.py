"""Pass over what office programs, systems and transfer tools leave behind: such files are no deliveries."""

# Names that begin with a dot are hidden: .DS_Store, ._a.csv, .~lock.a.xlsx#, rsync's .a.csv.Xy12Za, Syncthing's,
# vim's, the part files of SFTP servers and many more. ~$ names are of open Office files. The others are of Spark.
_STARTS = (".", "~$", "_committed_", "_started_")
_NAMES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "_success", "_temporary"}
_SUFFIXES = {
    *("part", "partial", "filepart", "crdownload", "download", "opdownload", "aria2", "_copying_"),  # half a file
    *("tmp", "temp", "ffs_tmp", "ffs_lock", "ffs_db"),
}
_FOLDERS = {"__macosx", "$recycle.bin", "system volume information", "@eadir", "#recycle", "lost+found", "_temporary"}


def find_leftover(path: str) -> str | None:
    """Return the part of a path that is a leftover: the path itself or, with a slash behind it, one of its folders."""
    *folders, name = path.split("/")
    at = 0
    for folder in folders:
        at += len(folder) + 1
        if folder.startswith(".") or folder.lower() in _FOLDERS:
            return path[:at]
    return path if _is_leftover(name.lower()) else None


def _is_leftover(name: str) -> bool:
    _, dot, suffix = name.rpartition(".")
    # an editor saves a.csv as a.csv~ before it changes it, and what is not saved yet as #a.csv#
    is_of_editor = name.endswith("~") or (name.startswith("#") and name.endswith("#"))
    # .!ut, .!qb, .!sync: file sharing
    is_half = bool(dot) and (suffix in _SUFFIXES or suffix.startswith("!"))
    return name.startswith(_STARTS) or name in _NAMES or is_of_editor or is_half
