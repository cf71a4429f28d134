"""Links of a page to files of the repository, which the site shows as pages of its own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = "docs/"
START = "index.md"
_ELSEWHERE = "repository/"
_FENCE = re.compile(r"^ *(```+)")
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_CODE = re.compile(r"(`+)[^`].*?\1")
_ADDRESS = re.compile(r"[a-z]+:|/")
_LANGUAGES = {".py": "python", ".json": "json", ".yaml": "yaml", ".toml": "toml", ".jsonl": "json"}


def page_of(path: str) -> str:
    """The page of the site for a file: `docs/data.md` is `data.md`, `README.md` is the start.

    Pictures and other files within `docs/` keep their place too.
    """
    if path == "README.md":
        return START
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return _ELSEWHERE + path + ("" if path.endswith(".md") else ".md")


def links(text: str, path: str) -> Iterator[str]:
    """The files of the repository to which the Markdown `text` of the file `path` links."""
    found: list[str] = []
    _each_link(text, lambda target: found.append(_resolved(target, path)) or target)
    yield from found


def relinked(text: str, path: str, page: str) -> str:
    """The Markdown of the file `path`, with links that hold on the page `page` of the site.

    A link to a file that does not exist stays as it is, and a strict build names it.
    """

    def moved(target: str) -> str:
        file = _resolved(target, path)
        if not (ROOT / file).is_file():
            return target
        return posixpath.relpath(page_of(file), posixpath.dirname(page))

    return _each_link(text, moved)


def shown_files() -> dict[str, str]:
    """Page -> file of the repository, of all files outside `docs/` that a page links to, directly or not."""
    waiting = [path.relative_to(ROOT).as_posix() for path in (ROOT / DOCS).rglob("*.md")]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        text = (ROOT / path).read_text(encoding="utf-8") if path.endswith(".md") else ""
        for file in links(text, path):
            if file not in seen and (ROOT / file).is_file():
                seen.add(file)
                waiting.append(file)
    return {page_of(path): path for path in sorted(seen) if not path.startswith(DOCS) and path != "README.md"}


def shown(path: str) -> str:
    """The Markdown of the page for a file outside `docs/`; code is one block."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = _LANGUAGES.get(Path(path).suffix, "text")
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    return f"{head}````{language}\n{text.rstrip()}\n````\n"


def deeper_lists(text: str) -> str:
    """Lines within lists with an indent of four, which Python-Markdown wants and GitHub admits."""
    lines, fence = [], ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if not fence and re.match(r"^ {2,3}(?! )", line):
            line = f"    {line.lstrip()}"
        if found and not fence:
            fence = found[1]
        elif found and line.strip() == fence:
            fence = ""
        lines.append(line)
    return "\n".join(lines) + "\n"


def _resolved(target: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _each_link(text: str, change: Callable[[str], str]) -> str:
    """The text with the relative target of each link changed, apart from code, addresses and anchors."""
    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and line.strip() == fence:
            fence = ""
        elif not fence:
            line = _outside_code(line, change)
        lines.append(line)
    return "".join(lines)


def _outside_code(line: str, change: Callable[[str], str]) -> str:
    """A link's text may hold code, so a link is looked for first, and one that begins within code is none."""
    spans = [match.span() for match in _CODE.finditer(line)]

    def replaced(match: re.Match[str]) -> str:
        within = any(start < match.start() < end for start, end in spans)
        if within or _ADDRESS.match(match[2]):
            return match[0]
        return f"{match[1]}{change(match[2])}{match[3] or ''}{match[4]}"

    return _LINK.sub(replaced, line)
