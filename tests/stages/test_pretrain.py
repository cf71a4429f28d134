"""A model learns something first, on the same fold, and the run says what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.config.compose import compose
from harness.core.errors import Interrupted, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.prepare.pretrain_config import pretraining
from harness.run import run
from harness.runs.journal import read
from harness.runtime.stop_signals import Stop

pytestmark = pytest.mark.slow

IRIS = ["data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "trainer.device=cpu", "tracking=none"]
FIRST = "pretrain.words=trainer=contrastive trainer/method=simclr trainer.epochs=3"
FEW = ["split.labelled=12", "pretrain.scratch=true"]

RunCli = Callable[..., Any]


def points(folder: Path, key: str = "") -> dict[str, list[float]]:
    """The curves of a run, without the times."""
    curves: dict[str, list[float]] = {}
    for event in read(folder)[0]:
        if event["event"] == "metrics" and event["run"] == key:
            for name, value in event["values"].items():
                if "seconds" not in name:
                    curves.setdefault(name, []).append(value)
    return curves


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "weights.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pretrained") / "run"
    run(compose([*IRIS, *FEW, FIRST]), path)
    return path


def test_without_words_nothing_is_learned_first() -> None:
    plan = make_plan(compose(IRIS))
    assert plan.before is None
    assert prepare(plan, plan.folds[0]).before is None


def test_the_pre_training_has_the_runs_rows_and_its_own_trainer() -> None:
    plan = make_plan(compose([*IRIS, *FEW, "seed=7", FIRST]))
    assert plan.before is not None
    cfg = plan.before.cfg
    assert (cfg.trainer._target_.rsplit(".")[-1], cfg.trainer.epochs) == ("ContrastiveTrainer", 3)
    assert cfg.trainer.monitor == "valid/knn_accuracy"
    assert cfg.data.augment._target_ == "harness.data.augment.tabular.FeatureCorruption"
    assert (cfg.model, cfg.data.extract, cfg.split) == (plan.cfg.model, plan.cfg.data.extract, plan.cfg.split)
    assert (cfg.seed, cfg.trainer.device, cfg.pretrain.words) == (7, "cpu", None)
    experiment = prepare(plan, plan.folds[0])
    assert experiment.before is not None
    assert not set(experiment.before.fold.train) & set(plan.folds[0].test)
    assert (len(experiment.fold.train), len(experiment.before.fold.train)) == (12, 102)


def test_the_training_starts_from_what_was_learned_first(tmp_path: Path) -> None:
    run(compose([*IRIS, FIRST, "trainer/layers=linear_probe"]), tmp_path / "run")
    before, after = weights(tmp_path / "run" / "pretrain"), weights(tmp_path / "run")
    own = [name for name in before if name.startswith("model.")]
    assert len(own) == 2
    assert all(torch.equal(before[name], after[name]) for name in own)


def test_its_curves_are_scores_of_the_run(folder: Path) -> None:
    curves = points(folder)
    assert len(curves["pretrain/train/loss"]) == 3
    assert len(curves["pretrain/valid/knn_accuracy"]) == 3
    assert len(curves["train/loss"]) == 3  # two epochs, and that of the best at the end


def test_from_scratch_has_the_scores_of_a_run_without_pretraining(folder: Path, tmp_path: Path) -> None:
    run(compose([*IRIS, "split.labelled=12"]), tmp_path / "run")
    scratch, alone = points(folder), points(tmp_path / "run")
    for part in ("valid", "test"):
        for name in ("accuracy", "log_loss", "loss"):
            assert scratch[f"{part}/{name}_baseline_scratch"][-1] == alone[f"{part}/{name}"][-1]
    assert scratch["test/loss"][-1] != scratch["test/loss_baseline_scratch"][-1]
    assert "test/accuracy_baseline_majority_baseline_scratch" not in scratch


def test_its_checkpoints_go_when_the_fold_is_over(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "pretrain").iterdir()) == ["model"]


def test_each_fold_has_its_own(tmp_path: Path) -> None:
    run(compose([*IRIS, FIRST, "split=stratified_kfold", "split.folds=2"]), tmp_path / "run")
    first, second = (weights(tmp_path / "run" / f"fold-{k}" / "pretrain") for k in (0, 1))
    assert not torch.equal(first["model.layers.0.weight"], second["model.layers.0.weight"])
    assert len(points(tmp_path / "run", "fold-1")["pretrain/train/loss"]) == 3


@pytest.mark.parametrize("steps", [3, 7])
def test_a_stopped_run_that_resumes_reaches_the_same_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The pre-training takes six steps and the training two: the run is stopped within either."""
    asked = 0

    def after_some(self: Stop) -> bool:
        nonlocal asked
        asked += 1
        if asked == steps:
            self.signum = 15
        return self.signum is not None

    place = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(Stop, "__call__", after_some)
        with pytest.raises(Interrupted):
            run(compose([*IRIS, *FEW, FIRST]), place)
    run(compose([*IRIS, *FEW, FIRST, f"resume.run={place}"]), place)
    assert all(torch.equal(tensor, weights(folder)[name]) for name, tensor in weights(place).items())
    assert points(place) == points(folder)


def test_consumers_see_the_training_itself_alone(tmp_path: Path) -> None:
    seen: list[int] = []

    def consumer(fold: Fold, progress: Progress) -> None:
        del fold
        seen.append(progress.epoch)

    run(compose([*IRIS, FIRST]), tmp_path / "run", [consumer])
    assert seen == [1, 2]


def test_through_the_door(run_cli: RunCli, only_run: Callable[[], Path]) -> None:
    answer = run_cli(*IRIS, FIRST, "evaluate=classification")
    assert answer.status == 0, answer.err
    assert "pretrain  ContrastiveTrainer, 3 epochs on 102 rows" in answer.out
    assert "pretrain  epoch 3 of 3, train/loss " in answer.out
    assert (only_run() / "pretrain" / "model" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "trainer=contrastive model=vit",
            r"^pretrain\.words may set trainer, evaluate, data\.augment, "
            r"data\.load, since data, split, model "
            r"and seed are the run's own, got 'model=vit'; give it to the command itself\.$",
        ),
        (
            "trainer.epochs=3",
            r"^pretrain\.words must choose a trainer, got 'trainer\.epochs=3'; add trainer=contrastive, for "
            r"example\.$",
        ),
        (
            "trainer='contrastive",
            r"^pretrain\.words must be words of the command line, and \"trainer='contrastive\" is not "
            r"\(No closing quotation\)\.$",
        ),
    ],
)
def test_words_that_cannot_be_are_refused(words: str, sentence: str) -> None:
    plan = make_plan(compose(IRIS))
    plan.cfg.pretrain.words = words
    with pytest.raises(UserError, match=sentence):
        pretraining(plan.cfg, plan.table)


def test_a_text_among_the_words_is_taken_as_typed() -> None:
    plan = make_plan(compose(IRIS))
    method = "trainer=contrastive trainer/method=column_pairs"
    plan.cfg.pretrain.words = f"{method} 'trainer.method.positive=größe=(1)'"
    made = pretraining(plan.cfg, plan.table)
    assert made is not None
    assert made[0].trainer.method.positive == "größe=(1)"


def test_a_wrong_value_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^trainer\.epochs must be auto, null or at least 1, got 0\.$"):
        run(compose([*IRIS, "pretrain.words=trainer=contrastive trainer.epochs=0"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_debug_mode_may_use_the_steps_of_the_run() -> None:
    plan = make_plan(compose([*IRIS, FIRST, "debug=profile", "trainer.steps=7"]))
    assert plan.before is not None
    assert (plan.cfg.debug.steps, plan.before.cfg.debug) == (7, None)
