"""Make the site's pages of README.md and CONTRIBUTING.md, and unlink files that are not part of the site.

ProperDocs calls the functions of this file by their names (mkdocs.yml, `hooks`).
"""

import posixpath
import re
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
# A page above docs/, and its name in the site.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
FENCE_OR_LINK = re.compile(r"^```.*?^```$|(!?)\[([^\]]*)\]\(([^)\s]+)\)", re.DOTALL | re.MULTILINE)

# `text file=receipts.txt`: Python-Markdown takes such a line for no fence
MARK_OF_FENCE = re.compile(r"^(```\w+) \S.*$", re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not below docs/."""
    from properdocs.structure.files import File

    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=(PROJECT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page with the links of the site, and its fences without the marks that tests read."""
    return MARK_OF_FENCE.sub(r"\1", rewrite_links(markdown, page.file.src_uri))


def rewrite_links(markdown: str, page: str) -> str:
    """Return a page's text, whose links are relative to its file in the project, with links relative to the site.

    A link to a file of the project that is not in the site becomes its text.
    """
    source = next((source for source, name in PAGES.items() if name == page), f"docs/{page}")

    def rewrite(found: re.Match[str]) -> str:
        image, text, target = found.groups()
        if target is None or re.match(r"[a-z]+:|#", target):
            return found[0]
        path, mark, anchor = target.partition("#")
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if goal in PAGES:
            goal = PAGES[goal]
        elif goal.startswith("docs/"):
            goal = goal.removeprefix("docs/")
        else:
            return text if text.startswith("`") else f"`{text}`"
        return f"{image}[{text}]({posixpath.relpath(goal, posixpath.dirname(page) or '.')}{mark}{anchor})"

    return FENCE_OR_LINK.sub(rewrite, markdown)
