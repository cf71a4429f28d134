"""Sweeps replayed from recorded learning curves, and the file that holds these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks import sweep_curves, sweep_replay, sweep_until
from benchmarks.measure import Unable
from benchmarks.sweep_curves import PATH, SETS, SPACE, Curves
from benchmarks.sweep_regret import KINDS, measure
from benchmarks.sweep_replay import Kind, Replay, Replayed, decisive_steps, pruner_of, samplers

COUNT = int(np.prod([len(values) for values in SPACE.values()]))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def curves(epochs: int = 27, steps: int = 100) -> Curves:
    """Each configuration has a loss of its own, which falls at a pace of its own."""
    random = np.random.default_rng(0)
    pace = 2 + 6 * random.random((COUNT, 1))
    loss = 1 + random.permutation(COUNT)[:, None] / COUNT + np.exp(-np.arange(epochs) / pace)
    return Curves(loss, loss / 10, np.zeros_like(loss), loss[:, -1] * 2, steps)


def replayed(kind: Kind, trials: int = 18, seed: int = 0, every: bool = False) -> Replay:
    sweep = Replayed(curves(), kind, samplers(kind.sampler, seed, None))
    if every:
        sweep.steps = [*range(1, sweep.epochs + 1)]
    return sweep.run(trials)


def test_without_pruning_every_trial_is_complete_and_the_best_one_is_found() -> None:
    made = replayed(Kind("random", "none"), trials=9)
    assert made.epochs == 9 * 27
    assert made.spent.tolist() == [27 * trial for trial in range(1, 10)]
    final = curves().loss[:, -1][made.found]
    assert (np.diff(final) <= 0).all()
    assert made.at(26) is None
    assert made.at(27) == made.found[0] == np.ravel_multi_index(sweep_curves.DEFAULT, sweep_replay._SHAPE)


def test_a_replayed_sweep_ends_sooner_the_more_counts_as_noise_and_loses_what_it_has_not_found() -> None:
    known = curves()
    drawn = sweep_until.draw(known, "random", 0, 30)
    assert (drawn == sweep_until.draw(known, "random", 0, 30)).all()
    counts = sweep_until.ends(known, drawn)
    assert counts == sorted(counts, reverse=True)
    assert 10 <= counts[-1] < counts[0] <= 30
    saved, gap, _ = sweep_until.lost(known, drawn, 10)
    final = known.loss[drawn, -1]
    assert saved == pytest.approx(2 / 3)
    assert gap == pytest.approx((final[:10].min() - final.min()) / (final.min() / 10))
    assert sweep_until.lost(known, drawn, 30) == (0, 0, 0)


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if kind.pruner in ("asha", "hyperband")]
)
def test_reports_at_the_decisive_epochs_alone_change_no_decision(name: str) -> None:
    kind = Kind("random", KINDS[name].pruner, KINDS[name].settings, KINDS[name].workers)
    short, whole = replayed(kind), replayed(kind, every=True)
    assert (short.epochs, short.spent.tolist(), short.found.tolist()) == (
        whole.epochs,
        whole.spent.tolist(),
        whole.found.tolist(),
    )
    assert short.epochs < 18 * 27


def test_the_pruner_is_that_of_the_yaml_with_the_rung_of_a_real_sweep() -> None:
    pruner = pruner_of(Kind("random", "asha", {"min_resource": 2}), curves())
    assert type(pruner).__module__ == "harness.sweep.study.successive_halving"
    assert decisive_steps(pruner, 27) == [2, 6, 18, 27]
    assert type(pruner_of(KINDS["random, ASHA that stops for good"], curves())).__module__.startswith(
        "optuna"
    )


def test_the_outcome_of_a_kind_is_regret_and_epochs() -> None:
    of = curves()
    outcome = measure(of, Kind("random", "none"), 9, 3)
    assert outcome.epochs == 1
    assert list(outcome.regrets) == sorted(outcome.regrets, reverse=True)
    found = [replayed(Kind("random", "none"), 9, seed).found[-1] for seed in range(3)]
    assert outcome.loss == pytest.approx(of.loss[found, -1].mean())
    assert outcome.test == pytest.approx(2 * outcome.loss)


def test_the_file_holds_the_curves_to_a_tenth_of_a_percent(tmp_path: Path) -> None:
    made = curves()
    np.savez_compressed(
        tmp_path / "c.npz", **{f"a/{key}": part for key, part in sweep_curves._packed((made, 40)).items()}
    )
    again = sweep_curves.read("a", tmp_path / "c.npz")
    np.testing.assert_allclose(again.loss, made.loss, rtol=6e-4)
    np.testing.assert_allclose(again.error, made.error, rtol=0.03)
    np.testing.assert_allclose(again.test, made.test, rtol=6e-4)
    assert again.steps == 100


@pytest.mark.parametrize("name", [*SETS])
def test_the_stored_curves_are_of_all_configurations_and_never_rise(name: str) -> None:
    stored = sweep_curves.read(name)
    assert stored.loss.shape == stored.error.shape == (COUNT, SETS[name].epochs)
    assert (np.diff(stored.loss, axis=1) <= 0).all()
    assert (stored.test > 0).all()
    assert stored.steps > 0
    assert PATH.stat().st_size < 300_000


def test_a_sweep_that_goes_on_with_more_trials_is_the_sweep_of_more_trials() -> None:
    kind = Kind("random", "asha", {"min_resource": 1})
    sweep = Replayed(curves(), kind, samplers("random", 0, None))
    first, again = sweep.run(18), sweep.run(36)
    whole = replayed(kind, trials=36)
    assert first.epochs < again.epochs
    assert (again.epochs, again.found.tolist()) == (whole.epochs, whole.found.tolist())


def test_a_sampler_that_takes_too_long_for_a_point_is_not_run() -> None:
    sweep = Replayed(curves(), Kind("random", "none"), samplers("random", 0, None), longest=0.0)
    with pytest.raises(Unable, match=r"it took 0 s of CPU for point 1 of a sweep, more than 0$"):
        sweep.run(3)
