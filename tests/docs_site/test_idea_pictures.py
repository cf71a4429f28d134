"""The pictures of the ideas are those that the script draws, and load nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from docs_site.idea_pictures import FOLDER, PICTURES


@pytest.mark.parametrize("name", PICTURES)
def test_a_committed_picture_is_what_the_script_draws(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert text == PICTURES[name]().svg()
    root = ElementTree.fromstring(text)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    page = (FOLDER.parents[1] / "ideas" / f"{name}.md").read_text(encoding="utf-8")
    assert f"![{title.text}](../picture/ideas/{name}.svg)" in page
    assert not re.search(r"url\(|href|<script", text)
