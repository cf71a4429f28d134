"""Records a command and draws it as a moving picture: `python -m docs_site.terminal_picture`.

The picture is one SVG file of text and CSS: it needs no script, and stands still for readers who asked their
system for less motion. The recording is kept beside this file, so that the picture can be drawn again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

COMMAND = "python -m harness trainer.epochs=8"
_BEFORE = "python -m harness data/extract=iris trainer.epochs=1"  # makes the store of MLflow
RECORDING = Path(__file__).with_name("first_run.json")
PICTURE = Path(__file__).parents[1] / "docs" / "picture" / "first-run.svg"
COLUMNS = 104
_CHARACTER, _LINE, _EDGE = 7.25, 17, 16  # pixels
_TYPING, _LONGEST_PAUSE = 0.04, 0.6  # seconds

Recording = list[tuple[float, str]]
"""Seconds since the command was started, and a line that it printed then."""


def record(command: str) -> Recording:
    """Runs a command in an empty folder, whose name is left out of the lines."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # the upload may go on
        before, words = ([sys.executable, *each.split()[1:]] for each in (_BEFORE, command))
        subprocess.run(before, cwd=folder, env=environment, check=True, capture_output=True)
        begun = time.monotonic()
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        lines = [
            (round(time.monotonic() - begun, 2), line.rstrip().replace(f"{folder}/", ""))
            for line in process.stdout
        ]
        if process.wait() != 0:
            raise SystemExit("\n".join(line for _, line in lines))
    return lines


def draw(command: str, recording: Recording) -> str:
    """The SVG: the command is typed, then the lines come with the pauses of the run, long ones shortened."""
    cut = [(seconds, piece, _kind(line)) for seconds, line in recording for piece in _wrapped(line)]
    rows = len(cut) + 1
    width, height = round(COLUMNS * _CHARACTER) + 2 * _EDGE, rows * _LINE + 2 * _EDGE
    typed = "".join(
        f'<tspan style="animation-delay:{number * _TYPING:.2f}s">{escape(letter)}</tspan>'
        for number, letter in enumerate(command)
    )
    clock, before = len(command) * _TYPING + 0.4, 0.0
    parts = [f'<text x="{_EDGE}" y="{_EDGE + 12}"><tspan class="prompt">$ </tspan>{typed}</text>']
    for number, (seconds, line, kind) in enumerate(cut):
        clock += min(seconds - before, _LONGEST_PAUSE)
        before = seconds
        if line:
            y = _EDGE + 12 + (number + 1) * _LINE
            place = f'x="{_EDGE}" y="{y}" class="{kind}" style="animation-delay:{clock:.2f}s"'
            parts.append(f"<text {place}>{escape(line)}</text>")
    inside = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"  <title>{escape(command)}, and what it prints</title>\n  <style>{_STYLE}  </style>\n"
        f'  <rect width="{width}" height="{height}" rx="8"/>\n  {inside}\n</svg>\n'
    )


_STYLE = """
  rect { fill: #10151c; }
  text { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; fill: #d5dde6; white-space: pre; }
  text.line, text.note, text.score, tspan:not(.prompt) { animation: shown 1ms linear both; }
  .prompt { fill: #6cc08b; } .note { fill: #e5b454; } .score { fill: #8ec5ff; }
  @keyframes shown { from { fill-opacity: 0.3; } to { fill-opacity: 1; } }
  @media (prefers-reduced-motion: reduce) { text, tspan { animation: none !important; } }
"""


def _wrapped(line: str) -> list[str]:
    """A line as a terminal breaks it."""
    return [line[start : start + COLUMNS] for start in range(0, len(line), COLUMNS)] or [""]


def _kind(line: str) -> str:
    """The class of a line: a note, a score of the test rows, or any other."""
    if line.startswith("! "):
        return "note"
    return "score" if line.startswith(("accuracy", "finished")) else "line"


def main() -> None:
    """Records anew with `--record`, and draws."""
    if "--record" in sys.argv:
        text = ",\n  ".join(json.dumps(each, ensure_ascii=False) for each in record(COMMAND))
        RECORDING.write_text(f"[\n  {text}\n]\n", encoding="utf-8")
    PICTURE.write_text(draw(COMMAND, json.loads(RECORDING.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
