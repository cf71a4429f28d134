from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.deploy.export import check_export


@pytest.fixture
def outputs(finished: Callable[..., Path], here: Path) -> Path:
    """A copy of the outputs of a run, to write into."""
    shutil.copytree(finished("data/extract=diabetes").parents[1], here / "outputs")
    return here / "outputs"


def test_the_lines_name_the_folder_the_difference_and_the_use_of_an_export(
    run_cli: Callable[..., Any], outputs: Path
) -> None:
    answer = run_cli("export", "made", "--format", "pt2")
    assert answer.status == 0, answer.err
    folder = outputs / "runs" / "made" / "export" / "pt2"
    assert {path.name for path in folder.iterdir()} == {"model.pt2", "preprocessing.json"}
    assert f"export   {folder} (" in answer.out
    assert "on 3 real rows in batches of 1, 2 and 16, the largest difference from the model is" in answer.out
    assert 'model = torch.export.load("model.pt2").module()' in answer.out


def test_what_differs_too_much_is_refused_with_the_difference(
    run_cli: Callable[..., Any], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_export, "TOLERANCE", -1.0)
    answer = run_cli("export", "made", "--format", "safetensors", "--out", "new")
    assert (answer.status, answer.out) == (1, "")
    assert "the largest difference from the model is 0.0e+00" in answer.err
    assert "nothing was exported" in answer.err
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("made",), "the following arguments are required: --format"),
        (("made", "--format", "coreml"), "invalid choice: 'coreml'"),
        (("maid", "--format", "pt2"), "maid is no run below outputs; did you mean made?"),
        (
            ("made", "--format", "pt2", "--rows", "no.csv"),
            "--rows must be a file or a folder of images, and th",
        ),
        (
            ("made", "--format", "pt2", "--rows", "odd.csv"),
            "the model needs the 10 columns that it was trained",
        ),
        (("made", "--format", "pt2", "--rows", "empty.csv"), "--rows must hold a row or more, and empty.csv"),
        (
            ("made", "--format", "pt2", "--out", "outputs"),
            "an export needs a folder of its own, and outputs contains",
        ),
        (
            ("copied", "--format", "pt2"),
            "a model that is in no run's folder needs a place, and copied has none",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    run_cli: Callable[..., Any], outputs: Path, words: tuple[str, ...], sentence: str
) -> None:
    Path("odd.csv").write_text("age,sex\n1,2\n")
    Path("empty.csv").write_text("age,sex,bmi,bp,s1,s2,s3,s4,s5,s6\n")
    shutil.copytree(outputs / "runs" / "made" / "model", "copied")
    answer = run_cli("export", *words)
    assert answer.status == 2
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    assert sentence in answer.err
    assert not (outputs / "runs" / "made" / "export").exists()
