"""The commands of the start page and the tutorials, typed in order; what pages show is what is printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"^```(sh|console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


class Typed(NamedTuple):
    """A command of a page, and the lines that the page shows of its output."""

    words: list[str]
    shown: list[str]


def read_page(name: str, here: Path) -> Iterator[Typed]:
    """The commands of a page in order; programs that it shows are run as they come."""
    for language, block in _BLOCK.findall((DOCS / name).read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, name, "exec"), {})
            continue
        lines = block.strip().splitlines()
        if language == "sh":
            yield from (Typed(shlex.split(line, comments=True), []) for line in lines)
        else:
            assert lines[0].startswith("$ ")
            yield Typed(shlex.split(lines[0].removeprefix("$ ")), lines[1:])


def agree(shown: str, printed: str) -> bool:
    """Whether a line of a page is the printed one, but for blanks; … is any text, numbers are near."""
    parts = [part for part in re.split(r"(\s+|…)", shown) if part]
    pattern, numbers = "", []
    for part in parts:
        if part == "…":
            pattern += ".*?"
        elif part.isspace():
            pattern += r"\s*"
        else:
            numbers += _NUMBER.findall(part)
            texts = _NUMBER.split(part)
            pattern += f"({_NUMBER.pattern})".join(map(re.escape, texts))
    found = re.fullmatch(pattern, printed.strip())
    return found is not None and all(
        close(one, other) for one, other in zip(numbers, found.groups(), strict=True)
    )


def close(one: str, other: str) -> bool:
    """Counts are equal, scores differ by rounding on another machine at most."""
    first, second = (float(text.replace(",", "")) for text in (one, other))
    return first == second or ("." in one and abs(first - second) <= max(0.02, 0.03 * abs(first)))


def follow(name: str, here: Path, run_cli: Any, serving: Any) -> dict[str, Any]:
    """Types the commands of a page in an empty folder; `curl` asks the server that the one before began.

    Returns: command -> its output.
    """
    outputs, waiting = {}, []
    for words, shown in read_page(name, here):
        if words[0] == "curl":
            (command,) = waiting
            with serving.running([sys.executable, *command[1:]], here) as served:
                status, answer = served.send(words[-1])
            assert status == 200, answer
            text, wanted = json.dumps(answer), 0
        elif words[:3] != ["python", "-m", "harness"]:
            raise AssertionError(f"who runs {words}?")
        elif words[3] == "serve":
            port = words.index("--port")
            waiting.append([*words[:port], *words[port + 2 :]])
            continue
        else:
            sent = ["tracking.patience=120"] if "=" in words[3] or words[3] in ("-m", "rerun") else []
            answer = run_cli(*words[3:], *sent)  # the next command finds the run in MLflow
            text, wanted = answer.out + answer.err, 2 if shown and shown[0].startswith("error: ") else 0
            assert answer.status == wanted, (words, text)
        for line in shown:
            assert any(agree(line, printed) for printed in text.splitlines()), (line, text)
        outputs[shlex.join(words)] = text
    return outputs


def test_lines_of_a_page_are_compared_by_their_numbers() -> None:
    assert agree("accuracy … 0.97 [0.96, 0.98] …", "accuracy   * 0.9705   [0.9612, 0.9798]   0.1")
    assert not agree("accuracy … 0.97 …", "accuracy   * 0.92   0.1")
    assert not agree("3 of 12 trials", "4 of 12 trials")
    assert not agree("a new writer", "a new reader")
    assert agree("1,797 rows", "1,797 rows")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow uses of SQLAlchemy
@pytest.mark.parametrize(
    "page", ["start", "tutorials/groups", "tutorials/few_labels", "tutorials/sweep_to_server"]
)
def test_a_page_does_what_it_says(
    page: str, here: Path, run_cli: Any, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    outputs = follow(f"{page}.md", here, run_cli, serving)
    if page.endswith("sweep_to_server"):
        assert any("equal to the last bit" in text for text in outputs.values())
