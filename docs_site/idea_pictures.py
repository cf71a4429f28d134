"""Draws the pictures of `docs/ideas`: `python -m docs_site.idea_pictures`.

Each is one SVG file with a background and colours of its own, for light and dark.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "picture" / "ideas"
WIDTH = 720

_STYLE = """
  .ground { fill: #ffffff; stroke: #d0d4dc; }
  .text { fill: #24292f; font: 14px system-ui, sans-serif; }
  .small { fill: #57606a; font: 12px system-ui, sans-serif; }
  .line { stroke: #8c959f; stroke-width: 1.5; fill: none; }
  .train { fill: #3b6fd4; } .valid { fill: #e0a126; } .test { fill: #2a8050; } .bad { fill: #c23b4e; }
  .train-line { stroke: #3b6fd4; } .valid-line { stroke: #e0a126; }
  .test-line { stroke: #2a8050; } .bad-line { stroke: #c23b4e; }
  .curve { fill: none; stroke-width: 2.5; }
  .on { fill: #ffffff; font: 13px system-ui, sans-serif; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #1c2128; stroke: #444c56; }
    .text { fill: #e6edf3; } .small { fill: #adbac7; } .on { fill: #10151c; }
  }
"""


class Drawing:
    """Shapes of one picture; lengths are pixels from the upper left corner."""

    def __init__(self, title: str, height: int) -> None:
        self.title, self.height = title, height
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" class="{kind}"/>'
        )

    def dot(self, x: float, y: float, kind: str, radius: float = 5) -> None:
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{kind}"/>')

    def text(self, x: float, y: float, words: str, kind: str = "text", anchor: str = "start") -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def path(self, points: list[tuple[float, float]], kind: str = "line") -> None:
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{where}" class="{kind}"/>')

    def arrow(self, x: float, y: float, to_x: float, to_y: float, kind: str = "line") -> None:
        angle = math.atan2(to_y - y, to_x - x)
        self.path([(x, y), (to_x, to_y)], kind)
        turned = (angle + 0.45, angle - 0.45)
        one, other = [(to_x - 8 * math.cos(turn), to_y - 8 * math.sin(turn)) for turn in turned]
        self.path([one, (to_x, to_y), other], kind)

    def legend(self, y: float, *entries: tuple[str, str]) -> None:
        x = 24.0
        for kind, words in entries:
            self.box(x, y - 11, 14, 14, kind)
            self.text(x + 20, y, words, "small")
            x += 36 + 7 * len(words)

    def svg(self) -> str:
        inside = "\n  ".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" role="img">\n'
            f"  <title>{escape(self.title)}</title>\n  <style>{_STYLE}  </style>\n"
            f'  <rect x="1" y="1" width="{WIDTH - 2}" height="{self.height - 2}" rx="6" class="ground"/>\n'
            f"  {inside}\n</svg>\n"
        )


def folds() -> Drawing:
    """Each group of rows is in the test part of one fold."""
    drawing = Drawing("Five folds: each writer is in the test part of one of them", 262)
    left, wide, high, row = 110, 110, 26, 34
    for group in range(5):
        drawing.text(left + wide * group + wide / 2, 34, f"writer {'ABCDE'[group]}", "text", "middle")
    for fold in range(5):
        drawing.text(24, 64 + row * fold, f"fold {fold}")
        for group in range(5):
            kind = {fold: "test", (fold + 1) % 5: "valid"}.get(group, "train")
            drawing.box(left + wide * group + 3, 46 + row * fold, wide - 6, high, kind)
    tuning, once = ("valid", "validation: stopping, tuning"), ("test", "test: scored once")
    drawing.legend(244, ("train", "training"), tuning, once)
    return drawing


def leakage() -> Drawing:
    """Rows of one writer on both sides, and on one."""
    drawing = Drawing("Divided by row, each writer is in both parts; divided by writer, in one", 238)
    kinds = ["train", "valid", "test", "bad"]
    for side, (title, where) in enumerate((("divided by row", "mixed"), ("divided by writer", "whole"))):
        x = 24 + 350 * side
        drawing.text(x, 34, title)
        for part, (name, width) in enumerate((("training", 200), ("test", 100))):
            left = x + part * 212
            drawing.path(
                [(left, 48), (left + width, 48), (left + width, 168), (left, 168), (left, 48)], "line"
            )
            drawing.text(left + width / 2, 188, name, "small", "middle")
            columns = width // 20 - 1
            for spot in range(columns * 5):
                place_x, place_y = left + 20 + spot % columns * 20, 64 + spot // columns * 22
                mixed = kinds[(spot * 7 + part * 3 + spot // columns) % 4]
                whole = kinds[spot // columns % 3] if part == 0 else kinds[3]
                drawing.dot(place_x, place_y, mixed if where == "mixed" else whole)
    drawing.text(24, 220, "A colour is a writer. Right, the test asks about somebody new.", "small")
    return drawing


def resume() -> Drawing:
    """A run that was killed computes the same as one that was not."""
    drawing = Drawing("A killed run goes on from its checkpoint and ends with the same bits", 214)
    wide = 64
    drawing.text(24, 34, "not interrupted")
    drawing.text(24, 114, "killed in epoch 5, then resume=auto")
    for epoch in range(8):
        x = 24 + epoch * (wide + 6)
        drawing.box(x, 46, wide, 24, "train")
        drawing.text(x + wide / 2, 63, str(epoch + 1), "on", "middle")
        drawing.box(x, 126, wide if epoch != 4 else wide / 2 - 2, 24, "train" if epoch < 5 else "test")
        if epoch == 4:
            drawing.box(x + wide / 2 + 2, 126, wide / 2 - 2, 24, "test")
        drawing.text(x + wide / 2 + (14 if epoch == 4 else 0), 143, str(epoch + 1), "on", "middle")
    cut = 24 + 4 * (wide + 6) + wide / 2
    drawing.arrow(cut, 178, cut, 154)
    drawing.text(
        cut - 8, 196, "checkpoint: weights, optimizer, random states, place in the epoch", "small", "middle"
    )
    end = 24 + 8 * (wide + 6)
    drawing.text(end + 8, 63, "weights")
    drawing.text(end + 8, 143, "weights")
    drawing.text(end + 24, 103, "=", "text", "middle")
    return drawing


def successive_halving() -> Drawing:
    """Trials are compared at rungs, and a frozen one may go on later."""
    drawing = Drawing("Successive halving: the best third of the trials goes on at each rung", 300)
    rungs = {"r": 150, "3 r": 300, "end": 660}
    left, bottom = 40, 250
    drawing.arrow(left, bottom, 700, bottom)
    drawing.arrow(left, bottom, left, 24)
    drawing.text(700, bottom - 8, "epochs", "small", "end")
    drawing.text(left + 8, 32, "loss of the validation rows", "small")
    for name, x in rungs.items():
        drawing.path([(x, 48), (x, bottom)], "line")
        drawing.text(x, bottom + 20, name, "small", "middle")
    ends = [150, 150, 150, 150, 150, 150, 300, 300, 660]
    for number, end in enumerate(ends):
        floor = 230 - 14 * (len(ends) - 1 - number)
        shares = [(x, (x - left) / (660 - left)) for x in range(left, end + 1, 5)]
        points = [(float(x), 60 + (floor - 60) * (1 - math.exp(-6 * share))) for x, share in shares]
        kind = "test-line" if end == 660 else "train-line" if end == 300 else "bad-line"
        drawing.path(points, f"curve {kind}")
        if end < 660:
            drawing.dot(*points[-1], "train" if end == 300 else "bad", 4)
    drawing.legend(286, ("bad", "frozen at r"), ("train", "frozen at 3 r"), ("test", "complete"))
    return drawing


def fused_training() -> Drawing:
    """Many small steps, or one step of many."""
    drawing = Drawing("Four trainings one after another, or as one", 220)
    drawing.text(24, 34, "each alone: four small steps, most of the time is overhead")
    for number in range(4):
        x = 24 + number * 172
        drawing.box(x, 46, 96, 34, "bad")
        drawing.box(x + 98, 46, 60, 34, "train")
        drawing.text(x + 48, 68, "overhead", "on", "middle")
        drawing.text(x + 128, 68, f"step {number + 1}", "on", "middle")
    drawing.text(24, 120, "as one: one step whose tensors hold all four")
    drawing.box(24, 132, 96, 34, "bad")
    drawing.text(72, 154, "overhead", "on", "middle")
    for number in range(4):
        drawing.box(122 + number * 62, 132, 60, 34, "train")
        drawing.text(152 + number * 62, 154, f"step {number + 1}", "on", "middle")
    drawing.text(24, 200, "Each keeps its rows, order, masks, schedule and best epoch.", "small")
    return drawing


def worth_of_a_score() -> Drawing:
    """The best of many measured scores is above its true one."""
    drawing = Drawing("The best of many measured scores is higher than its true score", 262)
    chance = random.Random(4)
    left, right, y_true, y_measured = 60, 690, 190, 90
    drawing.path([(left, y_true), (right, y_true)])
    drawing.path([(left, y_measured), (right, y_measured)])
    drawing.text(24, y_measured - 30, "measured on the validation rows")
    drawing.text(24, y_true + 34, "true score, of any number of rows")
    pairs = []
    for _ in range(14):
        true = chance.gauss(360, 45)
        pairs.append((true, true + chance.gauss(0, 75)))
    best = max(pairs, key=lambda pair: pair[1])
    for true, measured in pairs:
        drawing.path([(measured, y_measured), (true, y_true)], "line")
        drawing.dot(measured, y_measured, "train")
        drawing.dot(true, y_true, "train")
    drawing.path([(best[1], y_measured), (best[0], y_true)], "curve bad-line")
    drawing.dot(best[1], y_measured, "bad", 7)
    drawing.dot(best[0], y_true, "test", 7)
    drawing.text(best[1], y_measured - 14, "chosen", "small", "middle")
    drawing.text(best[0], y_true + 22, "what it is worth", "small", "middle")
    drawing.text(700, 250, "score", "small", "end")
    drawing.arrow(600, 246, 655, 246)
    return drawing


PICTURES: dict[str, Callable[[], Drawing]] = {
    each.__name__: each
    for each in (folds, leakage, resume, successive_halving, fused_training, worth_of_a_score)
}


def main() -> None:
    """Writes all files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
