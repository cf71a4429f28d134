"""The site is built strictly and needs no network; each of its links leads somewhere, and on GitHub too."""

from __future__ import annotations

import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs_site.repository_links import deeper_lists, links, relinked

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMITTED = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
LOADS = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)


class Page(HTMLParser):
    """What a page loads, where its links lead, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.anchors: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors += [given["id"]] if "id" in given else []
        if tag == "a" and "href" in given:
            self.leads.append(given["href"])
        if tag in LOADS and given.get("rel") != "canonical" and LOADS[tag] in given:
            self.loads.append(given[LOADS[tag]])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Without that of the missing page, whose links a server completes."""
    files = [file for file in sorted(site.rglob("*.html")) if file.name != "404.html"]
    return {file: Page(file.read_text(encoding="utf-8")) for file in files}


def test_no_page_loads_anything_from_another_place(site: Path, pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert not parts.netloc, (file, address)
            if not parts.scheme:  # data: is within the page
                assert (file.parent / unquote(parts.path)).is_file(), (file, address)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\W*(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


def test_the_colours_are_those_of_the_machine_until_the_reader_chooses(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    media = re.findall(r'data-md-color-media="([^"]*)"', text)
    kinds = ("(prefers-color-scheme)", "(prefers-color-scheme: light)", "(prefers-color-scheme: dark)")
    assert media[-3:] == list(kinds)  # the first is chosen on a first visit


def test_each_link_leads_to_a_page_and_to_an_anchor_of_it(pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        assert [name for name, times in Counter(page.anchors).items() if times > 1] == [], file
        for address in page.leads:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("https", "http", "mailto"), (file, address)
                continue
            there = Path(os.path.normpath(file.parent / unquote(parts.path))) if parts.path else file
            there = there / "index.html" if there.is_dir() else there
            assert there in pages, (file, address)
            if parts.fragment:
                assert unquote(parts.fragment) in pages[there].anchors, (file, address)


def github_anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, `-` for a blank, no other signs."""
    text = _BLOCK.sub("", file.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_links_of_a_committed_page_hold_on_github(file: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "`", _BLOCK.sub("", file.read_text(encoding="utf-8")))
    for target in _LINK.findall(text):
        if re.match("[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.is_relative_to(ROOT), target
        assert there.exists(), target
        assert not anchor or anchor in github_anchors(there), target


def test_links_out_of_the_docs_lead_to_pages_of_the_site() -> None:
    text = (
        "[a](../harness/run.py) [`b`](../README.md#x) [c](sweeps.md) `[d](../e)` [f](../nowhere.py) [g](#h)\n"
    )
    assert list(links(text, "docs/data.md")) == [
        "harness/run.py",
        "README.md",
        "docs/sweeps.md",
        "nowhere.py",
    ]
    expected = text.replace("../harness/run.py", "repository/harness/run.py.md").replace("../README", "index")
    assert relinked(text, "docs/data.md", "data.md") == expected
    inside = "```\n[a](../harness/run.py)\n```\n"
    assert relinked(inside, "docs/data.md", "data.md") == inside
    assert relinked("[a](data.md)", "docs/ideas/x.md", "ideas/x.md") == "[a](data.md)"
    assert relinked("[a](docs/data.md)", "CONTRIBUTING.md", "repository/CONTRIBUTING.md") == "[a](../data.md)"


def test_lists_are_indented_as_python_markdown_wants() -> None:
    text = "* a\n  b\n\n  | c |\n\n```\n  d\n```\n"
    assert deeper_lists(text) == "* a\n    b\n\n    | c |\n\n```\n  d\n```\n"
