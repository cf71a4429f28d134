"""From the source to the fitted arrays of a fold: what is cached, what is hidden, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.cache.command_scope import command
from harness.data.cache.table_files import read_arrays
from harness.prepare import data_pipeline
from harness.prepare.plan import Plan, make_plan

pytestmark = pytest.mark.slow

BARE = ["tracking=none", "trainer.device=cpu", "model=mlp", "data/transform=tabular"]
KEEP = ["data.cache.worth=0"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=40), "z": random.normal(size=40), "y": ["a", "b"] * 20})
    frame.to_csv(path, index=False)


def planned(*overrides: str, **nodes: dict[str, Any]) -> Plan:
    cfg = compose([*BARE, *overrides])
    for key, node in nodes.items():
        OmegaConf.update(cfg, key, node, merge=False)
    return make_plan(cfg)


def csv(*words: str) -> Plan:
    return planned("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", *words)


def test_rows_that_took_their_time_are_kept_for_the_next_command(here: Path) -> None:
    write(here / "rows.csv")
    first, second = csv(*KEEP), csv(*KEEP)
    assert first.cache.used == []
    assert [use.split(" in ")[0] for use in second.cache.used] == ["rows", "findings"]
    assert second.findings == first.findings != []
    pd.testing.assert_frame_equal(second.table.frame, first.table.frame)
    assert second.table.digest == first.table.digest


def test_rows_that_are_read_in_a_moment_are_not_kept(here: Path) -> None:
    write(here / "rows.csv")
    csv("data.cache.worth=100")
    assert not (here / "outputs").exists()


def test_a_changed_file_is_read_anew_even_within_the_same_moment(here: Path) -> None:
    write(here / "rows.csv")
    csv(*KEEP)
    write(here / "rows.csv", seed=1)
    second = csv(*KEEP)
    assert second.cache.used == []
    assert second.table.frame.x[0] == pytest.approx(np.random.default_rng(1).normal())


@pytest.mark.parametrize("word", ["data.extract.drop=[z]", "data.extract.missing=['',none]"])
def test_a_changed_configuration_is_read_anew(here: Path, word: str) -> None:
    write(here / "rows.csv")
    csv(*KEEP)
    assert "rows" not in str(csv(*KEEP, word).cache.used)


def test_a_cache_that_is_off_keeps_nothing_and_reads_nothing(here: Path) -> None:
    write(here / "rows.csv")
    assert csv("data.cache=off").cache.used == []
    assert not (here / "outputs").exists()


def test_a_torn_entry_is_made_anew(here: Path) -> None:
    write(here / "rows.csv")
    first = csv(*KEEP)
    for file in (here / "outputs/cache").rglob("facts.json"):
        file.write_text("{" + " " * (file.stat().st_size - 1))  # as long as it was
    second = csv(*KEEP)
    assert "rows" not in str(second.cache.used)
    pd.testing.assert_frame_equal(second.table.frame, first.table.frame)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(here: Path) -> None:
    write(here / "rows.csv")
    (here / "outputs").write_text("in the way")
    plan = csv(*KEEP)
    assert len(plan.table) == 40
    assert plan.cache.trouble.startswith(f"nothing is kept in data.cache.folder={here}/outputs/cache: ")


class Remote:
    """Rows from far away, counted."""

    reads = 0

    def __call__(self) -> Table:
        Remote.reads += 1
        frame = pd.DataFrame({"x": np.arange(20.0) + Remote.reads, "y": ["a", "b"] * 10})
        return Table(frame, ("x",), target=("y",), name="remote")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("far_away")
    Remote.reads = 0
    module.Remote = Remote  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "far_away", module)


def remotely(version: int | None = None) -> Plan:
    cfg = compose([*BARE, *KEEP])
    OmegaConf.update(cfg, "data.cache.version", version)
    OmegaConf.update(cfg, "data.extract", {"_target_": "far_away.Remote"}, merge=False)
    return make_plan(cfg)


def test_a_remote_source_is_read_anew_by_each_command(remote: None) -> None:
    assert remotely().table.frame.x[0] == 1
    assert remotely().table.frame.x[0] == 2


def test_a_remote_source_is_read_once_for_all_runs_of_a_command(remote: None, here: Path) -> None:
    with command(many=True) as own:
        assert remotely().table.frame.x[0] == 1
        assert remotely().table.frame.x[0] == 1
        # For processes that the command starts, and for no longer.
        assert len(list((here / "outputs/cache").glob(f"{own.token}-*"))) == 1
    assert not list((here / "outputs/cache").glob(f"{own.token}-*"))
    assert remotely().table.frame.x[0] == 2


def test_another_process_of_the_command_finds_what_the_first_has_read(
    remote: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with command(many=True):
        remotely()
        with monkeypatch.context() as worker:
            # A worker has the environment variable alone.
            worker.setattr("harness.data.cache.command_scope._current", None)
            assert remotely().cache.used[0].startswith("rows in ")
        assert Remote.reads == 1


def test_a_remote_source_of_a_stated_version_is_kept_until_the_version_changes(remote: None) -> None:
    assert [remotely(version).table.frame.x[0] for version in (1, 1, 2, 1)] == [1, 1, 2, 1]


def paint(path: Path, colour: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), colour).save(path)


PICTURES = ["data/transform=image", "model=convnet", "model.widths=[4]"]


def test_decoded_pictures_are_kept_until_one_is_painted_anew(here: Path) -> None:
    for number in range(20):
        paint(here / "pictures" / "ab"[number % 2] / f"{number:02d}.png", 10 * number)

    def look() -> tuple[int, str, list[str]]:
        words = [*PICTURES, *KEEP, "data/extract=image_folder", "data.extract.path=pictures"]
        plan = planned(*words)
        assert plan.table.array is not None
        uses = [use.split(" in ")[0] for use in plan.cache.used]
        return int(plan.table.array[0].max()), plan.table.digest, uses

    value, digest, uses = look()
    assert (value, uses) == (0, [])
    assert look() == (0, digest, ["rows", "settings", "arranged rows", "findings"])
    paint(here / "pictures" / "a" / "00.png", 77)
    value, other, uses = look()
    assert (value, uses) == (77, [])
    assert other != digest


def test_pictures_in_files_are_decoded_anew(here: Path) -> None:
    lines = ["picture,y"]
    for number in range(20):
        paint(here / f"{number:02d}.png", 10 * number)
        lines.append(f"{number:02d}.png,{'ab'[number % 2]}")
    (here / "rows.csv").write_text("\n".join(lines))

    def look() -> int:
        words = [
            *PICTURES,
            *KEEP,
            "data/extract=csv",
            "data.extract.path=rows.csv",
            "data.extract.kind=image",
        ]
        plan = planned(*words, "data.extract.target=y")
        assert plan.table.array is not None
        return int(plan.table.array[0].max())

    assert look() == 0
    paint(here / "00.png", 77)
    assert look() == 77


def test_fitted_arrays_are_kept_and_are_the_same(here: Path) -> None:
    write(here / "rows.csv")
    plan = csv(*KEEP)
    (one, first), (two, second) = (
        data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache) for _ in range(2)
    )
    assert [use.split(" in ")[0] for use in plan.cache.used] == ["fitted arrays"]
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(one(plan.table).inputs, two(plan.table).inputs)


def test_the_guards_look_again_at_other_folds_and_other_rows(here: Path) -> None:
    write(here / "rows.csv")
    csv(*KEEP)
    for words in (["split.seed=1"], ["split=kfold"], ["data.extract.drop=[z]"]):
        assert "findings" not in str(csv(*KEEP, *words).cache.used)
    write(here / "rows.csv", seed=1)
    assert csv(*KEEP).cache.used == []


def test_another_fold_or_transform_is_fitted_anew(here: Path) -> None:
    write(here / "rows.csv")
    plan = csv(*KEEP, "split=kfold")
    data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
    data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[1], plan.cache)
    plan.cfg.data.transform.numeric[1] = {"_target_": "sklearn.preprocessing.MinMaxScaler"}
    data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[1], plan.cache)
    assert plan.cache.used == []


QUANTILES = {"_target_": "sklearn.preprocessing.QuantileTransformer", "n_quantiles": 5}


@pytest.mark.parametrize(("part", "shared"), [(QUANTILES, False), ({**QUANTILES, "random_state": 3}, True)])
def test_what_a_transform_draws_is_not_shared_by_runs_of_different_seeds(
    here: Path, part: dict[str, Any], shared: bool
) -> None:
    write(here / "rows.csv")
    plan = csv(*KEEP)
    plan.cfg.data.transform.numeric[1] = part
    for seed in (0, 1):
        plan.cfg.seed = seed
        data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
    assert bool(plan.cache.used) == shared


def test_hidden_labels_are_in_no_array_that_training_gets() -> None:
    plan = planned("data/extract=iris", "split.labelled=12")
    fold = plan.folds[0]
    _, arrays = data_pipeline.fit_transform(plan.parts, plan.table, fold, plan.cache)
    assert len(fold.train) == 12
    assert len(fold.unlabelled) == 102 - 12
    assert (arrays.targets[fold.unlabelled] == -1).all()
    for rows in (fold.train, fold.valid, fold.test):
        assert (arrays.targets[rows] >= 0).all()


def test_hidden_labels_reach_no_encoder_of_a_trainer_that_learns_from_unlabelled_rows() -> None:
    plan = planned("data/extract=iris", "split.labelled=12", "data.cache=off")
    encoder = {"_target_": "sklearn.preprocessing.TargetEncoder"}
    plan.cfg.data.transform.numeric = [encoder]
    fold = plan.folds[0]
    labels = plan.table.frame[plan.table.target[0]]
    shuffled = labels.copy()
    shuffled.iloc[fold.unlabelled] = labels.iloc[fold.unlabelled].sample(frac=1, random_state=0).to_numpy()
    assert not shuffled.equals(labels)
    inputs = []
    for values in (labels, shuffled):
        table = plan.table.with_frame(plan.table.frame.assign(**{plan.table.target[0]: values}))
        training = fold.with_unlabelled_in_training()
        _, arrays = data_pipeline.fit_transform(plan.parts, table, training, plan.cache, fold.unlabelled)
        inputs.append(arrays.inputs)
    assert torch.equal(*inputs)


def test_arrays_of_columns_of_other_types_are_fitted_anew(here: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=40), "b": [0, 1] * 20, "y": ["u", "v", "v", "u"] * 10})
    words = ["data/extract=parquet", "data.extract.path=rows.parquet", "data.extract.target=y", *KEEP]
    for rows in (frame, frame.astype({"b": bool})):
        rows.to_parquet(here / "rows.parquet")
        plan = planned(*words, "split=kfold")
        data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
        assert "fitted" not in " ".join(plan.cache.used)


def test_arrays_of_another_task_are_fitted_anew(here: Path) -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=40), "y": [1, 2, 3, 4] * 10})
    frame.to_parquet(here / "rows.parquet")
    words = ["data/extract=parquet", "data.extract.path=rows.parquet", "data.extract.target=y", *KEEP]
    kinds = []
    for task in ("classification", "regression"):
        plan = planned(*words, "split=kfold", f"data.extract.task={task}")
        _, arrays = data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
        kinds.append(arrays.targets.is_floating_point())
    assert kinds == [False, True]


def test_an_entry_that_another_process_removes_while_it_is_read_is_made_anew(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here / "rows.csv")
    plan = csv(*KEEP)
    _, first = data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)

    def removed(folder: Path, task: Any) -> Any:
        (folder / "targets.npy").unlink()
        return read_arrays(folder, task)

    monkeypatch.setattr("harness.data.cache.cache.read_arrays", removed)
    _, second = data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
    assert plan.cache.used == []
    assert torch.equal(first.targets, second.targets)


def test_the_guards_look_at_the_folds_before_labels_are_hidden() -> None:
    few, all_of_them = planned("data/extract=iris", "split.labelled=6"), planned("data/extract=iris")
    assert few.findings == all_of_them.findings
    assert len(few.folds[0].train) < len(all_of_them.folds[0].train)


def test_the_same_labels_are_hidden_whatever_the_seed_of_the_run() -> None:
    one, two = (planned("data/extract=iris", "split.labelled=12", f"seed={seed}") for seed in (0, 1))
    other = planned("data/extract=iris", "split.labelled=12", "split.seed=1")
    assert np.array_equal(one.folds[0].train, two.folds[0].train)
    assert not np.array_equal(one.folds[0].train, other.folds[0].train)


def test_hidden_numbers_are_nan() -> None:
    plan = planned("data/extract=diabetes", "split.labelled=0.1")
    _, arrays = data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
    assert arrays.targets[plan.folds[0].unlabelled].isnan().all()
    assert not arrays.targets[plan.folds[0].train].isnan().any()


def leaky(here: Path, **columns: Any) -> list[str]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=60), "y": ["a", "b", "c"] * 20, **columns})
    frame.to_csv(here / "rows.csv", index=False)
    return ["data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y"]


def test_a_leak_is_a_warning_by_default(here: Path) -> None:
    words = leaky(here, patient=[f"p{n // 6}" for n in range(60)])
    plan = planned(*words, "data.extract.group=patient")
    warned = [finding for finding in plan.findings if finding.severity == "warning"]
    assert [finding.check for finding in warned] == ["groups"]
    assert "split=group_kfold" in warned[0].sentence


def test_a_strict_guard_refuses_what_it_would_warn_of(here: Path) -> None:
    words = leaky(here, patient=[f"p{n // 6}" for n in range(60)])
    with pytest.raises(UserError, match=r"test rows share 'patient' with training rows.*split=group_kfold"):
        planned(*words, "data.extract.group=patient", "split.guard=error")
    passed = planned(*words, "data.extract.group=patient", "split.guard=off").findings
    assert {finding.severity for finding in passed} == {"fine"}


@pytest.mark.parametrize("guard", ["warn", "error", "off"])
def test_the_target_among_the_features_is_refused_whatever_the_guard(here: Path, guard: str) -> None:
    words = leaky(here, copy=["u", "v", "w"] * 20)
    with pytest.raises(UserError, match=r"'copy'"):
        planned(*words, f"split.guard={guard}")


class Careless:
    """Says that it keeps groups whole, and does not."""

    grouped = True

    def __call__(self, table: Table) -> list[Any]:
        from harness.core.fold import Fold

        rows = np.arange(len(table))
        return [Fold(0, rows[::3], rows[1::3], rows[2::3])]


@pytest.mark.parametrize("guard", ["warn", "off"])
def test_a_split_that_breaks_its_promise_is_refused(
    here: Path, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("careless")
    module.Careless = Careless  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "careless", module)
    words = leaky(here, patient=[f"p{n // 6}" for n in range(60)])
    with pytest.raises(UserError, match="promises to keep groups whole"):
        planned(
            *words,
            "data.extract.group=patient",
            split={"_target_": "careless.Careless", "guard": guard, "labelled": None},
        )


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data.cache=on", r"^data.cache must be off, or left as it is, got 'on'\.$"),
        ("+data.cache.wort=1", r"^there is no setting 'data.cache.wort'; did you mean worth\?$"),
        ("data.cache.size=-1", r"^data.cache.size must be 0 or more, got -1\.$"),
        ("data.cache.worth=soon", r"^data.cache.worth must be .*number.*, got 'soon'"),
        ("split.guard=maybe", r"^split.guard must be .*warn.*error.*off.*, got 'maybe'"),
        ("split.labelled=some", r"^split.labelled must be .*, got 'some'"),
    ],
)
def test_settings_of_the_cache_and_of_every_split_are_checked(word: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        planned("data/extract=iris", word)


def test_the_cache_needs_all_its_settings() -> None:
    with pytest.raises(UserError, match=r"the setting data.cache.worth is missing"):
        planned("data/extract=iris", "~data.cache.worth")
