"""harness/prepare/sealed_test.py and harness/replay/unseal_run.py, from the command line"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.runs.look_ledger import LookLedger

pytestmark = pytest.mark.slow

QUICK = ("trainer.epochs=1", "trainer.device=cpu", "split.guard=off", "model=mlp", "model.widths=[8]")
CSV = ("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", *QUICK)
SEALED = (*CSV, "tracking=none", "split.sealed=true")


@pytest.fixture
def rows(here: Path) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(90, 3)), columns=["a", "b", "c"])
    frame["y"] = np.where(frame["a"] > 0, "yes", "no")
    frame.to_csv("rows.csv", index=False)
    return frame


def seal_name() -> str:
    (folder,) = Path("outputs/test_rows").iterdir()
    return folder.name


def texts(place: Path) -> dict[Path, str]:
    files = [path for path in place.rglob("*") if path.is_file() and "cache" not in path.parts]
    files = [path for path in files if path.suffix != ".py"]  # of the code in MLflow's model
    return {path: path.read_bytes().decode("latin-1") for path in files}


def test_no_test_score_exists_before_the_seal_is_opened_for_one_run(
    run_cli, rows, column_importance, fitted_baselines
) -> None:
    tracked = (*CSV, "split.sealed=true", "hydra.run.dir=outputs/runs/one", "name=one")
    answer = run_cli(*tracked)
    assert answer.status == 0, answer.err
    name = seal_name()
    assert f"unseal {name} --run" in answer.out
    one = Path("outputs/runs/one")
    assert "sealed" in (one / "report.html").read_text()
    assert (one / "curves.svg").exists()
    assert not [
        path for path in texts(Path("outputs")) if path.name.startswith(("predictions", "importance"))
    ]

    for words in (CSV[:-2], [*CSV, "split=kfold"], [*CSV, "data.extract.drop=[c]"]):
        assert name in run_cli(*words, "tracking=none").err
    for words in (["evaluate", "one"], ["evaluate", "one", "--all"]):
        assert name in run_cli(*words).err
    rows.iloc[::-1].drop(columns="y").to_csv("copy.csv", index=False)
    assert name in run_cli("predict", "one", "copy.csv", "out.csv").err
    rows.to_csv("again.csv", index=False)
    assert name in run_cli("evaluate", "one", "data.extract.path=again.csv").err
    assert not Path("out.csv").exists()
    train = rows.iloc[:0]
    train.loc[0] = [9.0, 9.0, 9.0, "yes"]
    train.to_csv("new.csv", index=False)
    assert run_cli("predict", "one", "new.csv", "out.csv").status == 0
    assert run_cli("compare").status == run_cli("report", "one").status == 0
    before = texts(Path("outputs"))

    answer = run_cli("unseal", name, "--run", "one", "--json")
    assert answer.status == 0, answer.err
    result = json.loads(answer.out)["result"]
    assert result["test_rows"] | {"optimism": None} == {
        "rows": 18,
        "sealed": None,
        "look": 1,
        "models": 1,
        "score": "test/accuracy",
        "optimism": None,
    }
    assert result["importance"]["columns"]
    assert "test/accuracy_baseline_linear" in result["scores"]
    known = [score["mean"] for key, score in result["scores"].items() if key.startswith("test/log_loss")]
    assert len(known) >= 3
    for path, text in before.items():
        assert '"test/' not in text, path
        assert not any(repr(number)[:10] in text for number in known), path

    assert name in run_cli("unseal", name, "--run", "one").err
    evaluated = run_cli("evaluate", "one", "tracking=none", "--json")
    assert evaluated.status == 0, evaluated.err
    looked = json.loads(evaluated.out)["result"]["test_rows"]
    assert (looked["look"], looked["models"]) == (2, 1)
    assert "split.sealed" in run_cli(*SEALED).err

    whole = run_cli(*CSV, "tracking=none", "hydra.run.dir=outputs/runs/whole", "--json")
    other = json.loads(whole.out)["result"]
    # Its weights are those of the sealed run, to the last bit.
    assert (other["test_rows"]["look"], other["test_rows"]["models"]) == (3, 1)
    assert other["test_rows"]["optimism"] == 0
    for key, score in other["scores"].items():  # the same as of a run that was never sealed
        if key.startswith("test/"):
            assert result["scores"][key] == score, key


def test_a_sweep_tests_no_trial_and_its_best_is_unsealed(run_cli, rows) -> None:
    answer = run_cli("-m", *SEALED, "seed=1,2", "sweep.name=s")
    assert answer.status == 0, answer.err
    name = seal_name()
    assert f"unseal {name} --run s-0/best" in answer.out
    assert not any('"test/' in text for text in texts(Path("outputs")).values())
    answer = run_cli("unseal", name, "--run", "s-0/best")
    assert answer.status == 0, answer.err
    assert answer.out.startswith("test ")
    assert "\naccuracy" in answer.out
    assert "the 1st look at these 18 test rows" in answer.out
    number = json.loads(Path("outputs/sweeps/s-0/result.json").read_text())["best"]["number"]
    result = json.loads(Path(f"outputs/sweeps/s-0/{number}/result.json").read_text())
    assert result["test_rows"]["look"] == 1
    assert name in run_cli("unseal", name, "--run", f"s-0/{1 - number}").err
    answer = run_cli(
        "-m", *CSV, "tracking=none", "trainer.optimizer.lr=0.03,1e-7,1e-8", "sweep.name=t", "sweep.test=all"
    )
    assert answer.status == 0, answer.err
    assert "best trial 0" in answer.out
    assert "the 4th look at these 18 test rows, of 4 models" in answer.out  # those of all trials are counted
    assert "nobody" not in run_cli("compare", "s").out  # the seal is open, and one trial has no test scores


def test_a_sweep_in_any_folder_says_for_which_run_the_seal_was_opened(run_cli, rows, monkeypatch) -> None:
    monkeypatch.setattr(LookLedger, "opened_for_another", lambda *given: {"run": "one", "time": "2026-11-30"})
    answer = run_cli("-m", *SEALED, "seed=1,2", "hydra.sweep.dir=elsewhere")
    assert answer.status == 0, answer.err
    assert f"18 test rows sealed as {seal_name()} until 2026-11-30, when one was scored" in answer.out


def test_after_the_opening_no_page_offers_it_and_each_says_for_which_run_it_was(run_cli, rows) -> None:
    runs = Path("outputs/runs")
    for name, seed in (("one", 0), ("two", 1)):
        answer = run_cli(*SEALED, f"hydra.run.dir={runs / name}", f"name={name}-name", f"seed={seed}")
        assert answer.status == 0, answer.err
    shutil.copytree(runs / "two", runs / "three")
    for foreign in ("three/report.html", "three/config.yaml"):
        (runs / foreign).unlink()  # a run without a page gets none
    seal = seal_name()
    offers = f"18 test rows sealed; `python -m harness unseal {seal} --run two` scores them, once."
    page = runs / "two/report.html"
    assert offers in page.read_text()
    assert run_cli("report", "two").status == 0
    assert offers in page.read_text()

    answer = run_cli("unseal", seal, "--run", "one")
    assert (answer.status, answer.err) == (0, "")
    day = json.loads((Path("outputs/test_rows") / seal / "unsealed.json").read_text())["time"][:10]
    opened = (
        f"18 test rows sealed as {seal} until {day}, when one was scored; "
        "`python -m harness evaluate two` scores this run too, and counts the look."
    )
    assert opened in page.read_text()
    assert not any("harness unseal" in path.read_text() for path in runs.glob("*/report.html"))
    assert "The 1st look at these 18 test rows." in (runs / "one/report.html").read_text()
    assert not (runs / "three/report.html").exists()
    page.write_text("")
    assert run_cli("report", "two").status == 0
    assert opened in page.read_text()
    answer = run_cli("evaluate", "two", "tracking=none")
    assert "the 2nd look at these 18 test rows, of 2 models" in answer.out


def test_a_run_that_failed_does_not_offer_to_be_scored(run_cli, rows) -> None:
    lr = ("trainer.optimizer.lr=1e38", "trainer/optimizer=sgd", "trainer.epochs=4")
    answer = run_cli(*SEALED, *lr, "hydra.run.dir=outputs/runs/failed")
    assert answer.status == 1, answer
    page = Path("outputs/runs/failed/report.html").read_text()
    for text in (answer.out, page):
        assert f"18 test rows sealed as {seal_name()}" in text
        assert "harness unseal" not in text
    assert "no finished run" in run_cli("unseal", seal_name(), "--run", "failed").err


def test_what_cannot_be_sealed_or_opened(refusal, run_cli, rows) -> None:
    for split in (["split=leave_one_out"], ["split=kfold"], ["split.test=0"]):
        assert "split=ratio" in refusal(*SEALED, *split)
    assert "sweep.test=all" in refusal("-m", *SEALED, "seed=1,2", "sweep.test=all")
    assert run_cli(*CSV, "tracking=none", "hydra.run.dir=outputs/runs/seen").status == 0
    assert "once" in refusal(*SEALED)
    assert run_cli(*SEALED, "split.seed=1", "hydra.run.dir=outputs/runs/other").status == 2  # rows in common
    shutil.rmtree("outputs/test_rows")
    assert run_cli(*SEALED, "hydra.run.dir=outputs/runs/sealed").status == 0
    name = seal_name()
    assert "no seal" in refusal("unseal", "rows-x", "--run", "sealed")
    assert "there is only rows-" in refusal("unseal", "other", "--run", "sealed")
    Path("outputs/test_rows").rename("ledger")
    hint = "a run with split.sealed=true seals its test rows and prints the name"
    assert f"there is no seal 'other' below outputs; {hint}" in refusal("unseal", "other", "--run", "sealed")
    Path("ledger").rename("outputs/test_rows")
    assert "no finished run" in refusal("unseal", name, "--run", "seen")
    shutil.rmtree("outputs/runs/sealed/model")
    assert "model" in refusal("unseal", name, "--run", "sealed")
    assert not list(Path("outputs/test_rows").glob("*/unsealed.json"))  # closed again
