"""What MkDocs calls while it builds the site (https://www.mkdocs.org/user-guide/configuration/#hooks)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[1]))  # of `mkdocs`, which is called without the current folder

from docs_site import reference
from docs_site.repository_links import DOCS, deeper_lists, relinked, shown, shown_files

_sources: dict[str, str] = {}
"""Page -> the file of the repository that it shows, of this build."""


def on_config(config: Any) -> Any:
    """Fills the entry *Reference* of the navigation."""
    config.nav = [
        {"Reference": reference.navigation()} if "Reference" in entry else entry for entry in config.nav
    ]
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the reference, and the files of the repository that pages link to."""
    _sources.clear()
    _sources.update(shown_files())
    for page, path in _sources.items():
        files.append(File.generated(config, page, content=shown(path)))
    for page, text in reference.pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(text: str, *, page: Any, config: Any, files: Files) -> str:
    """Links and lists as the site's Markdown wants them."""
    name = page.file.src_uri
    return deeper_lists(relinked(text, _sources.get(name, DOCS + name), name))


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """The theme's search has no name for a screen reader."""
    return output.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" role="dialog" aria-label="Search"',
    )
