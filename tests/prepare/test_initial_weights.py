"""A run starts from what another run has learned, and says so; never from its own test rows' labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.prepare.experiment import prepare
from harness.prepare.initial_weights import find_initial_weights
from harness.prepare.plan import Plan, make_plan
from harness.run import run
from harness.runs.journal import read
from harness.runs.tracking_state import State

pytestmark = pytest.mark.slow

IRIS = ["data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "trainer.device=cpu", "tracking=none"]
FOLDS = ["split=stratified_kfold", "split.folds=3"]

NAMED = [*IRIS, f"model.weights={'b' * 32}"]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: `single`, `folds` of three, and `blind`, which looked at no label."""
    folder = tmp_path_factory.mktemp("outputs")
    run(compose([*IRIS, f"outputs={folder}", "checkpoint.finished=all"]), folder / "runs" / "single")
    run(compose([*IRIS, *FOLDS, f"outputs={folder}"]), folder / "runs" / "folds")
    run(compose([*IRIS, "trainer=contrastive", f"outputs={folder}"]), folder / "runs" / "blind")
    state = State("sqlite:///nowhere.db", "harness", runs={"": "a" * 32, "fold-2": "b" * 32})
    state.save(folder / "runs" / "folds")
    return folder


def plan(outputs: Path, weights: str | Path, *words: str) -> Plan:
    return make_plan(compose([*IRIS, f"outputs={outputs}", f"model.weights={weights}", *words]))


def start_of(plan: Plan, fold: int = 0) -> torch.Tensor:
    tensor: torch.Tensor = prepare(plan, plan.folds[fold]).model.state_dict()["layers.0.weight"]
    return tensor


def learned(folder: Path) -> torch.Tensor:
    return load_file(folder / "model" / "weights.safetensors")["model.layers.0.weight"]


def test_a_run_is_found_by_its_folder_its_name_or_its_file(outputs: Path) -> None:
    folder = outputs / "runs" / "single"
    for weights in (folder, "single", folder / "model", folder / "model" / "weights.safetensors"):
        found = plan(outputs, weights)
        assert found.initial_weights[0].file.resolve() == (folder / "model" / "weights.safetensors").resolve()
        assert found.initial_weights[0].run == folder
        assert torch.equal(start_of(found), learned(folder))


def test_a_run_is_found_by_its_mlflow_run_id_or_a_folds(outputs: Path) -> None:
    folder = outputs / "runs" / "folds"
    whole = plan(outputs, "a" * 32, *FOLDS)
    one = find_initial_weights(compose([*NAMED, f"outputs={outputs}"]), whole.table, whole.folds[2:])
    assert [whole.initial_weights[k].file.parent.parent.name for k in (0, 1, 2)] == [
        "fold-0",
        "fold-1",
        "fold-2",
    ]
    assert whole.initial_weights[2].tags["weights.run"] == "b" * 32
    assert one[2].file == folder / "fold-2" / "model" / "weights.safetensors"


def test_each_fold_starts_from_the_weights_of_its_own_number(outputs: Path) -> None:
    found = plan(outputs, "folds", *FOLDS)
    for number in (0, 1, 2):
        assert torch.equal(start_of(found, number), learned(outputs / "runs" / "folds" / f"fold-{number}"))


def test_a_checkpoint_gives_the_weights_of_its_best_epoch(outputs: Path) -> None:
    folder = outputs / "runs" / "single"
    checkpoint = sorted((folder / "checkpoints").glob("*.safetensors"))[-1]
    best = load_file(checkpoint)["trainer.best.weights.model.layers.0.weight"]
    assert torch.equal(start_of(plan(outputs, checkpoint)), best)


def test_a_torn_checkpoint_is_refused(outputs: Path, tmp_path: Path) -> None:
    checkpoint = sorted((outputs / "runs" / "single" / "checkpoints").glob("*.safetensors"))[-1]
    torn = tmp_path / checkpoint.name
    torn.write_bytes(checkpoint.read_bytes()[:-8])
    torn.with_name(torn.name + ".sha256").write_bytes(
        checkpoint.with_name(checkpoint.name + ".sha256").read_bytes()
    )
    with pytest.raises(UserError, match=r"^a checkpoint is a safetensors file that harness wrote, .*refused"):
        plan(outputs, torn)


def test_a_pickle_is_never_opened(outputs: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "went-off",))

    torch.save(Bomb(), tmp_path / "bomb.pt")
    found = plan(outputs, tmp_path / "bomb.pt")
    with pytest.raises(UserError, match=r"^model\.weights must be a safetensors file or a torch checkpoint"):
        prepare(found, found.folds[0])
    assert not (tmp_path / "went-off").exists()


def test_another_architecture_is_refused(outputs: Path) -> None:
    found = plan(outputs, "single", "model.widths=[9]")
    with pytest.raises(UserError, match=r"^model\.weights must have the shapes of this model, and in "):
        prepare(found, found.folds[0])


def test_a_random_encoder_stays_random(outputs: Path) -> None:
    found = plan(outputs, "single")
    experiment = prepare(found, found.folds[0])
    fresh = experiment.untrained().model.state_dict()["layers.0.weight"]
    assert not torch.equal(fresh, learned(outputs / "runs" / "single"))


def test_an_unknown_run_is_refused_with_near_names(outputs: Path) -> None:
    words = (
        r"^model\.weights must name a file of weights, a checkpoint, a run or "
        r"its MLflow run id, and singel is no "
        r"path and no run below .*; did you mean single\? \(model\.weights=null: random weights\.\)$"
    )
    with pytest.raises(UserError, match=words):
        plan(outputs, "singel")


def test_a_run_without_a_model_is_refused(outputs: Path, tmp_path: Path) -> None:
    words = (
        r"^model\.weights=.* holds no model, which a run keeps when it is "
        r"finished; name a finished run, or a "
        r"file in its checkpoints\.$"
    )
    with pytest.raises(UserError, match=words):
        plan(outputs, tmp_path)


def test_a_fold_that_the_other_run_has_not_is_refused(outputs: Path) -> None:
    words = (
        r"^model\.weights=.*folds has the weights of fold-0, fold-1 and fold-2, "
        r"and fold 3 starts from those of its "
        r"own number; give this run the same split, or name one of them: .*/fold-0\.$"
    )
    found = plan(outputs, "folds", *FOLDS)
    with pytest.raises(UserError, match=words):
        find_initial_weights(found.cfg, found.table, [replace(found.folds[0], number=3)])


def test_weights_of_a_users_own_model_are_its_own_business(outputs: Path) -> None:
    cfg = plan(outputs, "single").cfg
    cfg.model = {"_target_": "mine.Net", "weights": "imagenet"}
    assert find_initial_weights(cfg, plan(outputs, "single").table, []) == {}


def test_weights_that_learned_the_labels_of_test_rows_are_refused(outputs: Path) -> None:
    words = (
        r"^model\.weights come from .*single, which learned the labels of \d+ of the 30 test rows of fold 0; "
        r"divide the rows as that run did \(split, split\.seed\), or start from weights that were learned "
        r"without labels\.$"
    )
    with pytest.raises(UserError, match=words):
        plan(outputs, "single", "split.seed=1")


def test_weights_that_saw_test_rows_without_labels_are_reported(outputs: Path) -> None:
    found = plan(outputs, "blind", "split.seed=1")
    run_folder = outputs / "runs" / "blind"
    with np.load(run_folder / "folds.npz") as stored:
        parts = stored["parts"][0]
    test = found.folds[0].test
    seen, chose = int((parts[test] == 1).sum()), int((parts[test] == 2).sum())
    assert found.initial_weights[0].notes == (
        f"{seen} of the 30 test rows were seen, without labels, by {run_folder}",
        f"{chose} of the 30 test rows chose the best epoch of {run_folder}",
    )
    assert prepare(found, found.folds[0]).notes[-2:] == found.initial_weights[0].notes


def test_the_same_division_needs_no_word(outputs: Path) -> None:
    assert plan(outputs, "single").initial_weights[0].notes == ()
    assert plan(outputs, "blind").initial_weights[0].notes == ()


def test_other_data_cannot_be_compared_and_that_is_reported(outputs: Path) -> None:
    other = ["data/extract=wine", "model.weights=null"]
    run(compose([*IRIS, *other, f"outputs={outputs}"]), outputs / "runs" / "wine")
    (note,) = plan(outputs, "wine").initial_weights[0].notes
    assert note.startswith("model.weights come from ")
    assert "had other data" in note


def test_validation_rows_that_were_learned_are_reported(outputs: Path) -> None:
    found = plan(outputs, "single", "split.valid=0.5")
    (note,) = found.initial_weights[0].notes
    assert note.endswith("validation rows: their scores promise too much")


def test_rows_that_are_not_recorded_are_reported(outputs: Path, tmp_path: Path) -> None:
    source = outputs / "runs" / "single"
    (tmp_path / "model").mkdir()
    for name in ("journal.jsonl", "model/weights.safetensors", "model/bundle.json"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (note,) = plan(outputs, tmp_path).initial_weights[0].notes
    assert note == f"which rows {tmp_path} learned its weights from is not known: its folds.npz is missing"


def test_an_unknown_trainer_counts_as_one_that_learned_labels(outputs: Path, tmp_path: Path) -> None:
    source = outputs / "runs" / "blind"
    (tmp_path / "model").mkdir()
    for name in ("journal.jsonl", "folds.npz", "model/weights.safetensors"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    facts = json.loads((source / "model" / "bundle.json").read_text())
    facts["config"]["trainer"]["_target_"] = "gone.Trainer"
    (tmp_path / "model" / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="which learned the labels of"):
        plan(outputs, tmp_path, "split.seed=1")


def test_the_run_is_tagged_with_where_its_weights_come_from(outputs: Path, tmp_path: Path) -> None:
    run(compose([*IRIS, f"outputs={outputs}", "model.weights=single"]), tmp_path / "run")
    tags = next(event["tags"] for event in read(tmp_path / "run")[0] if event["event"] == "start")
    file = outputs / "runs" / "single" / "model" / "weights.safetensors"
    assert (tags["weights.file"], tags["weights.run"]) == (str(file), "single")


def test_labels_that_were_learned_two_runs_ago_count_as_well(outputs: Path) -> None:
    words = ["trainer=contrastive", "model.weights=single", f"outputs={outputs}"]
    run(compose([*IRIS, *words]), outputs / "runs" / "further")
    assert plan(outputs, "further").initial_weights[0].notes == ()
    with pytest.raises(UserError, match=r"^model\.weights come from .*single, which learned the labels of"):
        plan(outputs, "further", "split.seed=1")


def test_labels_that_a_pretraining_learned_count_as_well(outputs: Path) -> None:
    words = ["trainer=contrastive", "pretrain.words='trainer=supervised trainer.epochs=1'"]
    run(compose([*IRIS, *words, f"outputs={outputs}"]), outputs / "runs" / "taught")
    with pytest.raises(UserError, match=r"^model\.weights come from .*taught, which learned the labels of"):
        plan(outputs, "taught", "split.seed=1")
