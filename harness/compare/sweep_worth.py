"""What the best scores of compared sweeps are worth, as their sweeps computed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.console.text_format import recommendation_sentence, selection_sentence
from harness.runs.outputs import Outputs
from harness.runs.sweep_folders import best_number, read_result, recommended_number


def best_scores(words: Sequence[str], outputs: Path) -> Iterator[str]:
    """For each named sweep that has priced its choice a sentence, and one where not the best is to be used.

    Raises:
        DamagedFile: the result of a sweep is damaged.
    """
    for word in words:
        folder = Outputs(outputs).sweep_folder(word)
        content = None if folder is None else read_result(folder)
        selection = None if content is None else content.get("selection")
        if folder is not None and selection:
            names = ("score", "trials", "expected", "ci95")
            yield f"{folder.name}: {selection_sentence(*(selection[name] for name in names))}"
            use = recommended_number(folder)
            if use is not None and use != best_number(folder):
                yield f"{folder.name}: {recommendation_sentence(use)}"
