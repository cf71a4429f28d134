from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.replay import rerun_differences
from harness.replay.rerun_config import revise
from harness.replay.rerun_overrides import read
from harness.replay.rerun_run import Again, rerun
from harness.run import run
from harness.runs.model_identity import model_identity
from harness.runs.outputs import Outputs
from harness.runs.run_result import Result
from harness.runs.stored_run import StoredRun
from harness.runs.trial import Trial

pytestmark = pytest.mark.slow

TABLE = "data/extract=breast_cancer"


@pytest.fixture
def outputs(finished: Callable[..., Path], here: Path) -> Path:
    """An outputs folder of the test's own, with the run `made` in it."""
    shutil.copytree(finished(TABLE).parents[1], here / "outputs")
    return Path("outputs")


def again(outputs: Path, *words: str, run: str = "made", **asked: Any) -> tuple[bool | None, list[str]]:
    """Whether the scores are equal (None: not compared), and the printed lines."""
    lines: list[str] = []
    return rerun(Outputs(outputs).find(run), Again(words, outputs, **asked), lines.append).equal, lines


def revised(outputs: Path, *words: str) -> Any:
    return revise(Outputs(outputs).find("made"), read(words), outputs)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def the_new(outputs: Path) -> Path:
    (folder,) = (path for path in (outputs / "runs").iterdir() if path.name != "made")
    return folder


def test_the_scores_of_a_rerun_are_equal_to_the_last_bit(outputs: Path) -> None:
    same, lines = again(outputs)
    assert same
    old, new = (Result.read(folder / "result.json") for folder in (outputs / "runs/made", the_new(outputs)))
    clock = {name for name in old.scores if name.startswith("time/")}
    assert old.scores.keys() == new.scores.keys()
    compared = old.scores.keys() - clock
    assert all(old.scores[name] == new.scores[name] for name in compared)
    assert lines[-1] == f"All {len(compared)} scores are equal to the last bit."
    predictions = [
        (folder / "predictions.csv").read_bytes() for folder in (outputs / "runs/made", the_new(outputs))
    ]
    assert predictions[0] == predictions[1]
    # The same weights tell nothing new: a second look, but no second model.
    assert new.test_rows is not None
    assert (new.test_rows["look"], new.test_rows["models"], new.test_rows["optimism"]) == (2, 1, 0)


def test_a_model_without_digests_of_its_files_is_named_by_its_folder(outputs: Path) -> None:
    made, copy = outputs / "runs/made", outputs / "runs/copy"
    shutil.copytree(made, copy)
    (copy / "model/example.json").unlink()
    assert model_identity(made) == model_identity(copy)
    facts = json.loads((copy / "model/bundle.json").read_text())
    facts["files"]["weights.safetensors"] = "0"
    (copy / "model/bundle.json").write_text(json.dumps(facts))
    assert model_identity(made) != model_identity(copy)
    del facts["files"]
    (copy / "model/bundle.json").write_text(json.dumps(facts))
    assert model_identity(copy) == str(copy.absolute())
    shutil.rmtree(copy / "model")
    assert model_identity(copy) == str(copy.absolute())


def test_changes_are_listed_and_the_scores_are_shown_side_by_side(outputs: Path) -> None:
    same, lines = again(outputs, "model.widths=[8]", "hydra.run.dir=mine")
    assert same is None
    assert "Changed: model.widths [128, 128] -> [8]." in lines
    assert lines[-1] == "Not compared bit by bit: settings were changed."
    row = next(line for line in lines if line.startswith("test/accuracy "))
    before, after = (Result.read(Path(p) / "result.json").scores for p in ("outputs/runs/made", "mine"))
    looks = Result.read(Path("mine/result.json")).test_rows
    assert looks is not None
    assert (looks["look"], looks["models"]) == (2, 2)
    assert row.split()[1:3] == [f"{scores['test/accuracy']['mean']:.4f}" for scores in (before, after)]
    assert OmegaConf.load("mine/config.yaml").model.widths == [8]


def test_a_score_that_differs_fails_the_rerun_with_both_values(outputs: Path) -> None:
    old = Result.read(outputs / "runs/made/result.json")
    other = {name: dict(score) for name, score in old.scores.items()}
    other["test/loss"]["mean"] += 1e-16 + other["test/loss"]["mean"] * 1e-15
    other["time/epoch_seconds"] = {**other["time/epoch_seconds"], "mean": 99.0}
    new = Result(status="finished", scores=other)
    assert list(rerun_differences.unequal(old, new)) == ["test/loss"]
    values = old.scores["test/loss"]["mean"], other["test/loss"]["mean"]
    count = sum(not name.startswith("time/") for name in old.scores)
    assert rerun_differences.verdict(old, new) == (
        f"1 of {count} scores differ, the first of them test/loss: {values[0]!r} then, {values[1]!r} now."
    )


def test_a_dry_rerun_writes_nothing(outputs: Path) -> None:
    same, lines = again(outputs, dry=True)
    assert same is None
    assert lines[-1] == "It would run so; nothing was trained, and nothing is written."
    assert [path.name for path in (outputs / "runs").iterdir()] == ["made"]


def test_a_group_takes_its_node_from_a_fresh_composition(outputs: Path) -> None:
    cfg = revised(outputs, "trainer/optimizer=sgd", "trainer.optimizer.lr=0.5").cfg
    fresh = OmegaConf.to_container(compose([TABLE, "trainer/optimizer=sgd"]).trainer.optimizer)
    assert OmegaConf.to_container(cfg.trainer.optimizer) == {**dict(fresh), "lr": 0.5}  # type: ignore[call-overload]
    assert cfg.trainer.epochs == 2


def test_what_auto_had_chosen_follows_another_trainer(outputs: Path) -> None:
    before = revised(outputs).cfg
    cfg = revised(outputs, "trainer=contrastive").cfg
    assert before.data.augment._target_ == "harness.data.augment.none.Identity"
    assert cfg.data.augment._target_ == "harness.data.augment.tabular.FeatureCorruption"
    assert cfg.evaluate._auto_
    assert cfg.trainer.monitor == "auto"
    assert cfg.model == before.model
    kept = revised(outputs, "trainer=contrastive", "data/augment=none").cfg
    assert kept.data.augment == before.data.augment


def test_what_auto_had_chosen_from_the_rows_is_chosen_again_for_another_loader(outputs: Path) -> None:
    journal = outputs / "runs/made/journal.jsonl"
    edit(journal, '"auto.evaluate"', '"auto.data.load.passes": "9", "auto.evaluate"')
    edit(outputs / "runs/made/config.yaml", "passes: 1", "passes: 9")
    assert revised(outputs).cfg.data.load.passes == 9
    assert revised(outputs, "data/load=resident").cfg.data.load.passes == "auto"
    assert revised(outputs, "trainer=contrastive").cfg.data.load.passes == "auto"


def test_settings_of_the_command_are_those_of_the_rerun(outputs: Path) -> None:
    config = outputs / "runs/made/config.yaml"
    stored: Any = OmegaConf.load(config)
    stored.resume.run, stored.sweep.trials, stored.sweep.sampler = (
        "elsewhere",
        30,
        {"_target_": "gone.Sampler"},
    )
    OmegaConf.save(stored, config)
    cfg = revised(outputs).cfg
    assert (cfg.resume.run, cfg.sweep.trials, cfg.sweep.get("sampler")) == (None, None, None)
    assert (cfg.outputs, cfg.data.cache.folder) == ("outputs", "outputs/cache")


def test_settings_that_an_older_run_lacks_have_todays_defaults(outputs: Path) -> None:
    config = outputs / "runs/made/config.yaml"
    stored: Any = OmegaConf.load(config)
    for place, name in (
        (stored, "production"),
        (stored.data.cache, "worth"),
        (stored.data.extract, "target"),
    ):
        del place[name]
    OmegaConf.save(stored, config)
    found = revised(outputs)
    assert found.filled == {
        "data.cache.worth": 0.5,
        "production.calibrate": "none",
        "production.ensemble": False,
        "production.refit": False,
    }
    assert found.cfg.data.cache.worth == 0.5
    assert "target" not in found.cfg.data.extract  # it has a default, and may have been left out on purpose


def test_a_trial_becomes_a_run_of_its_own_that_tests(outputs: Path) -> None:
    words = [TABLE, "trainer.epochs=2", "trainer.device=cpu", "tracking=none", f"outputs={outputs}"]
    run(compose(words), outputs / "sweeps/mine-0/3", trial=Trial(3))
    same, lines = again(outputs, run="mine/3")
    assert same
    new = Result.read(the_new(outputs) / "result.json")
    assert "test/accuracy" in new.scores
    assert lines[-1].startswith("All ")
    assert any(line.startswith("valid/accuracy") for line in lines)


def test_other_code_packages_and_data_are_listed_before_the_training(outputs: Path) -> None:
    folder = outputs / "runs/made"
    logged = Outputs(outputs).find("made")
    tags = logged.tags
    edit(folder / "journal.jsonl", f'"git.commit":"{tags["git.commit"]}"', f'"git.commit":"{"a" * 40}"')
    edit(folder / "journal.jsonl", f'"data.digest":"{tags["data.digest"]}"', '"data.digest":"0123"')
    edit(folder / "journal.jsonl", f'"python":"{tags["python"]}"', '"python":"3.11.0"')
    version = logged.packages["numpy"]
    edit(folder / "packages.txt", f"numpy=={version}", "numpy==1.0")
    (folder / "packages.txt").write_text((folder / "packages.txt").read_text() + "gone-one==2.0\n")
    _, lines = again(outputs, dry=True)
    assert any(line.startswith(f"! the commit was {'a' * 10}, and is ") for line in lines)
    assert f"! Python was 3.11.0, and is {tags['python']}." in lines
    assert f"! packages differ: numpy 1.0 -> {version} and gone-one 2.0 -> absent." in lines
    assert f"! the data has changed: its digest was 0123, and is {tags['data.digest']}." in lines


def test_uncommitted_changes_are_listed_unless_they_are_equal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.runtime.provenance import Code

    def code_changes(then: dict[str, str], now: Code) -> list[str]:
        return list(rerun_differences._code(StoredRun(tmp_path), now, {"git.commit": "c", **then}))

    (tmp_path / "code.diff").write_text("a line")
    dirty = {"git.dirty": "true"}
    assert code_changes(dirty, Code("c", "main", "a line")) == []
    assert code_changes(dirty, Code("c")) == ["its code had uncommitted changes, which are in its code.diff"]
    assert code_changes({}, Code("c", "main", "other")) == ["the code has uncommitted changes now"]
    assert code_changes(dirty, Code("d")) == ["the commit was c, and is d", code_changes(dirty, Code("c"))[0]]


def test_a_secret_must_be_given_again(outputs: Path) -> None:
    config = outputs / "runs/made/config.yaml"
    stored: Any = OmegaConf.load(config)
    stored.tags = {"token": "***"}
    OmegaConf.save(stored, config)
    with pytest.raises(UserError, match=r"tags\.token was secret, .*; give tags\.token=VALUE"):
        revised(outputs)
    assert revised(outputs, "tags.token=abc").cfg.tags.token == "abc"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("model.width=3", r"model\.width is no setting of that run; did you mean model\.widths"),
        ("~model.width", r"model\.width is no setting of that run"),
        ("+seed=3", "there is a setting 'seed' already; change it without a plus"),
        ("seed=1,2", "gives several values, and a rerun is one run"),
        ("sweep.trials=3", "is a setting of sweeps"),
        ("sweep=tpe", "is a setting of sweeps"),
        ("experiment=digits_by_writer", "a rerun keeps the stored one"),
        ("hydra.verbose=true", r"of which a rerun takes hydra\.run\.dir alone"),
        ("hydra.run.dir=", r"hydra\.run\.dir must not be empty"),
        ("outputs=there", "is given with --outputs FOLDER"),
        ("~model", "would leave the run without that part"),
        ("model=[mlp]", "model takes one choice by its name"),
        ("seed", "cannot be read as KEY=VALUE"),
    ],
)
def test_a_word_that_does_not_fit_is_refused(outputs: Path, word: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        revised(outputs, word)


def test_a_configuration_from_elsewhere_is_checked_first(outputs: Path, tmp_path: Path) -> None:
    shutil.copytree(outputs / "runs/made", tmp_path / "elsewhere")
    config = tmp_path / "elsewhere/config.yaml"
    stored: Any = OmegaConf.load(config)
    stored.trainer.loss = {"_target_": "os.system", "command": "touch harmed"}
    stored.tracking = {"_target_": "harness.tracking.mlflow.Mlflow", "uri": "http://elsewhere"}
    OmegaConf.save(stored, config)

    def of(*words: str) -> Any:
        return revise(Outputs(outputs).find(str(tmp_path / "elsewhere")), read(words), outputs).cfg

    for words in ((), ("trainer.loss={command: x}",)):
        with pytest.raises(UserError, match=r"trainer\.loss\._target_=os\.system is no part"):
            of(*words)
    cfg = of("trainer/loss=focal")
    assert cfg.trainer.loss._target_ == "harness.loss.focal.Focal"
    assert cfg.tracking.uri is None
    assert not (tmp_path / "harmed").exists()


def test_an_undefined_score_equals_itself(tmp_path: Path) -> None:
    score = {"mean": float("nan"), "std": None, "ci95": None, "folds": [float("nan")]}
    new = Result(status="finished", scores={"test/auroc": score})
    new.write(tmp_path / "result.json")
    old = Result.read(tmp_path / "result.json")
    assert rerun_differences.unequal(old, rerun_differences.as_stored(new)) == {}
    assert json.loads((tmp_path / "result.json").read_text())["scores"]["test/auroc"]["mean"] is None


def test_an_evaluation_trained_nothing_and_is_not_rerun(outputs: Path) -> None:
    journal = outputs / "runs/made/journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if line["event"] == "start":
            line["tags"] |= {"evaluated.run": "abc", "evaluated.folder": str(outputs / "sweeps/s-0/3")}
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sentence = (
        r"^made is an evaluation of s-0/3 and trained nothing; rerun that one, or repeat this one with its"
    )
    with pytest.raises(UserError, match=sentence):
        again(outputs)
