"""The moving picture of the first page is drawn from a recorded run."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from docs_site.terminal_picture import COMMAND, PICTURE, RECORDING, draw


def test_the_picture_is_drawn_from_the_recording_and_names_no_folder_of_a_machine() -> None:
    recording = json.loads(RECORDING.read_text(encoding="utf-8"))
    text = PICTURE.read_text(encoding="utf-8")
    assert text == draw(COMMAND, recording)
    assert len(text) < 200_000
    assert not re.search(r"url\(|href|<script|/tmp|/home|/root", text)
    shown = "".join(ElementTree.fromstring(text).itertext())
    assert "accuracy" in shown
    assert "share 'writer' with training rows" in shown


def test_lines_come_in_the_order_of_the_run_and_long_pauses_are_shortened() -> None:
    text = draw("do it", [(9.0, "one"), (9.1, "! two"), (99.0, "x" * 200)])
    delays = [float(each) for each in re.findall(r"<text [^>]*animation-delay:([\d.]+)s", text)]
    assert delays == [1.2, 1.3, 1.9, 1.9]  # 5 letters, .4 s, then pauses of .6, .1 and .6 s
    assert re.findall(r'class="(\w+)" style', text) == ["line", "note", "line", "line"]
    assert "prefers-reduced-motion" in text
