"""What `predict` makes of images, arrays, events and text, and what a terminal sees."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.bundle.ensemble import write
from harness.bundle.row_predictor import RowPredictor
from harness.deploy import predict_file

Finished = Callable[..., Path]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes, arrays, a table with text, and events."""
    folder = tmp_path_factory.mktemp("kinds")
    draw = np.random.default_rng(0)
    for name, grey in (("dark", 60), ("bright", 180)):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = draw.normal(grey, 20, (8, 8)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i:02d}.png")
    arrays = draw.normal(size=(60, 1, 8, 8)).astype(np.float32)
    np.save(folder / "x.npy", arrays)
    np.save(folder / "y.npy", (arrays.mean(axis=(1, 2, 3)) > 0).astype(int))
    colours = draw.choice(["red", "green, light"], 60)
    table = pd.DataFrame({"colour": colours, "size": draw.normal(size=60), "kind": draw.random(60) < 0.5})
    table.to_csv(folder / "table.csv", index=False)
    events = [(f"p{i:02d}", t, draw.normal() + i % 2, "uv"[i % 2]) for i in range(40) for t in range(4)]
    pd.DataFrame(events, columns=["patient", "day", "dose", "end"]).to_csv(folder / "events.csv", index=False)
    return folder


def asked(run_cli: Any, run: Path, given: str, *more: str) -> Any:
    return run_cli("predict", run.name, given, "out.csv", "--outputs", str(run.parents[1]), *more)


def predictions() -> pd.DataFrame:
    """`out.csv`, with numbers as Python reads them: pandas 2 is off by the last bit in every third."""
    found = pd.read_csv("out.csv", dtype=str)
    numbers = [name for name in found.columns if name.startswith("probability_")]
    return found.assign(**{name: [float(text) for text in found[name]] for name in numbers})


def test_a_folder_of_images_is_answered_by_path_and_a_broken_one_is_named(
    run_cli: Any, finished: Finished, place: Path, here: Path
) -> None:
    run = finished("data/extract=image_folder", f"data.extract.path={place / 'photos'}")
    folder = here / "new" / "däcember"
    folder.mkdir(parents=True)
    for name, old in (("b.PNG", "dark/00.png"), ("a.png", "bright/00.png")):
        (folder / name).write_bytes((place / "photos" / old).read_bytes())
    (here / "new" / ".hidden.png").write_bytes(b"no")
    (here / "new" / "notes.txt").touch()
    assert asked(run_cli, run, "new").status == 0
    found = predictions()
    assert list(found["path"]) == ["däcember/a.png", "däcember/b.PNG"]
    rows = pd.DataFrame({"path": [str(folder / "a.png"), str(folder / "b.PNG")]})
    expected = RowPredictor(run / "model")(rows)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)

    Path("out.csv").unlink()
    (here / "new" / "c.png").write_bytes((folder / "a.png").read_bytes()[:60])
    answer = asked(run_cli, run, "new")
    assert (answer.status, Path("out.csv").exists()) == (2, False)
    assert "image new/c.png cannot be decoded: " in answer.err
    (here / "none").mkdir()
    assert "IN=none holds no file that ends in .jpg or .jpeg" in asked(run_cli, run, "none").err


def test_an_array_is_answered_by_row(run_cli: Any, finished: Finished, place: Path, here: Path) -> None:
    words = [
        f"data.extract.{name}={place / file}" for name, file in (("path", "x.npy"), ("targets", "y.npy"))
    ]
    run = finished("data/extract=numpy", *words, "data.extract.kind=image")
    whole = np.load(place / "x.npy")
    np.save("new.npy", whole[:7])
    assert asked(run_cli, run, "new.npy").status == 0
    found = predictions()
    expected = RowPredictor(run / "model")(pd.DataFrame({"array": list(whole[:7])}))
    assert list(found["row"]) == [str(row) for row in range(7)]
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)

    np.save("flat.npy", whole[:7, 0, 0])
    np.save("none.npy", whole[:0])
    Path("cut.npy").write_bytes(Path("new.npy").read_bytes()[:50])
    Path("rows.csv").write_text("array\n1\n")
    for file, message in (
        ("flat.npy", "must hold numbers of shape (N, 1, 8, 8), as in training, got (7, 8) of float32"),
        ("none.npy", "IN has no rows"),
        ("cut.npy", "IN=cut.npy is no whole .npy file of numbers; save it anew."),
        ("rows.csv", "is text, and this model reads arrays of shape (1, 8, 8); give a .npy file"),
    ):
        answer = asked(run_cli, run, file)
        assert (answer.status, message in answer.err) == (2, True), answer.err


def test_events_are_answered_once_per_sequence_wherever_its_rows_lie(
    run_cli: Any, finished: Finished, place: Path, here: Path
) -> None:
    settings = [f"path={place / 'events.csv'}", "kind=sequence", "id=patient", "time=day", "target=end"]
    words = [f"data.extract.{word}" for word in settings]
    run = finished("data/extract=csv", *words, "data/transform=sequence", "model=transformer")
    rows = pd.read_csv(place / "events.csv").drop(columns="end").head(20)
    rows.sample(frac=1, random_state=0).to_csv("new.csv", index=False)
    answer = asked(run_cli, run, "new.csv")
    assert answer.out.startswith("out.csv: 20 events, 5 rows (")
    found = predictions()
    assert list(found["patient"]) == [f"p{i:02d}" for i in range(5)]
    expected = RowPredictor(run / "model")(rows).reset_index(drop=True)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)


def test_categories_that_no_training_row_had_are_named_and_answered(
    run_cli: Any, finished: Finished, place: Path, here: Path
) -> None:
    words = [f"data.extract.{word}" for word in (f"path={place / 'table.csv'}", "target=kind")]
    run = finished("data/extract=csv", *words)
    rows = pd.DataFrame({"colour": ["red", "lilac", "\x1b[31mpink", "green, light", None], "size": 0.5})
    rows.to_csv("new.csv", index=False, lineterminator="\r\n")
    answer = asked(run_cli, run, "new.csv")
    assert answer.status == 0
    assert "! column 'colour' holds '\\x1b[31mpink' and 'lilac', which no training row had;" in answer.err
    assert "! values are missing in 'colour' (1);" in answer.err
    found = predictions()
    expected = RowPredictor(run / "model")(rows)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_progress_on_a_line_that_is_removed_also_after_an_error(
    finished: Finished, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(predict_file, "_SAID_EVERY", -1.0)

    class Breaking:
        columns = ("a",)

        def pieces(self, size: int | None) -> Any:
            yield from ()
            raise AssertionError

    bundle = RowPredictor(finished("data/extract=breast_cancer") / "model")
    with pytest.raises(AssertionError):
        predict_file.predict(bundle, Breaking(), Path("out.csv"), batch=8)  # type: ignore[arg-type]
    assert screen.getvalue().endswith("\r\x1b[K")
    account = predict_file.Account(rows=2048, seconds=2.0)
    predict_file._Screen().show(account)
    assert screen.getvalue().endswith("\r\x1b[K2,048 rows, 1,024 rows/s")


def test_an_ensemble_that_could_not_be_copied_leaves_nothing(finished: Finished, here: Path) -> None:
    model = finished("data/extract=breast_cancer") / "model"
    (here / "half").mkdir()
    (here / "half" / "bundle.json").write_bytes((model / "bundle.json").read_bytes())
    (here / "half" / "weights.safetensors").symlink_to("nowhere")
    with pytest.raises(OSError, match=r"nowhere|half"):
        write(here / "all", [model, here / "half"])
    assert [path.name for path in here.iterdir()] == ["half"]
