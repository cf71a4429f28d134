"""What `sweep.until=noise` saves and loses: sweeps without pruning, replayed from recorded learning curves.

The curves are those of `benchmarks/sweep_curves.py`: six sets, 216 configurations each. Each replayed sweep
is stopped by the rule of a real one (`harness/sweep/study/noise_stop.py`), with the standard error of a
configuration over its five folds. What is lost is how much worse its best trial then is than after all
trials, in such errors: on the validation rows, by which it was chosen, and on test rows.

`saved` is the share of the trials that were not begun. A sampler with random points has 50 sweeps for each
set and number of trials, TPE, which takes longer, 5; `--seeds` is the part of them that is run. Aims: .40
saved, and .10 lost. What was tried where they are missed is in `docs/log.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna

from benchmarks import report, sweep_curves
from benchmarks.sweep_curves import SETS, SPACE, Curves
from benchmarks.sweep_replay import samplers
from harness.sweep.study.noise_stop import FEWEST_ENDED, SHARE, remaining_gain
from harness.sweep.study.snapshot import Objective, Row, Snapshot

TRIALS, SEEDS = (30, 50), {"random": 50, "tpe": 5}
SHARES = (0.1, 0.2, SHARE, 0.6)
"""Of the error, below which the gain counts as noise; the third one is that of a real sweep."""

_OBJECTIVE = (Objective("valid/loss", "minimize"),)


def draw(curves: Curves, sampler: str, seed: int, trials: int) -> np.ndarray:
    """(trials,) the configurations that a sampler draws, which sees their losses after the last epoch."""
    make = samplers(sampler, seed, None)
    study = optuna.create_study()
    drawn = []
    for number in range(trials):
        study.sampler = make(number)
        trial = study.ask()
        places = [trial.suggest_int(key, 0, len(values) - 1) for key, values in SPACE.items()]
        drawn.append(int(np.ravel_multi_index(places, tuple(map(len, SPACE.values())))))
        study.tell(trial, float(curves.loss[drawn[-1], -1]))
    return np.array(drawn)


def ends(curves: Curves, drawn: np.ndarray) -> list[int]:
    """After how many trials a sweep ends, for each of `SHARES`."""
    loss, error = curves.loss[drawn, -1], curves.error[drawn, -1]
    rows = [
        Row(number, "complete", {}, (float(loss[number]),), score_error=float(error[number]))
        for number in range(len(drawn))
    ]
    ended = [len(drawn)] * len(SHARES)
    for count in range(FEWEST_ENDED, len(drawn)):
        gain = remaining_gain(Snapshot(_OBJECTIVE, tuple(rows[:count])), len(drawn) - count)
        for place, share in enumerate(SHARES):
            if gain is not None and gain.gain < share * gain.error:
                ended[place] = min(ended[place], count)
    return ended


def lost(curves: Curves, drawn: np.ndarray, count: int) -> tuple[float, float, float]:
    """The share of trials that is saved, and what is lost on validation and test rows."""
    loss = curves.loss[drawn, -1]
    best, whole = drawn[loss[:count].argmin()], drawn[loss.argmin()]
    error = curves.error[whole, -1]
    gaps = (curves.loss[best, -1] - curves.loss[whole, -1], curves.test[best] - curves.test[whole])
    return 1 - count / len(drawn), float(gaps[0] / error), float(gaps[1] / error)


def measure(curves: Curves, sampler: str, trials: int, seeds: int) -> np.ndarray:
    """(seeds, shares, 3) the outcomes of `lost`."""
    sweeps = [draw(curves, sampler, seed, trials) for seed in range(seeds)]
    return np.array([[lost(curves, drawn, count) for count in ends(curves, drawn)] for drawn in sweeps])


def main(words: Sequence[str] = ()) -> int:
    """Prints the tables, and stores them beside this file unless only some sets are asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks sweep_until")
    parser.add_argument("--sets", nargs="*", choices=[*SETS], help="some alone")
    parser.add_argument("--seeds", type=float, default=1.0, help="a part of the sweeps (default: all)")
    options = parser.parse_args(words)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sets = {name: sweep_curves.read(name) for name in options.sets or SETS}
    outcomes = {
        (sampler, trials): {
            name: measure(curves, sampler, trials, max(1, round(options.seeds * seeds)))
            for name, curves in sets.items()
        }
        for sampler, seeds in SEEDS.items()
        for trials in TRIALS
    }
    text = "\n\n".join(pages(outcomes))
    print(text)
    if not options.sets:
        command = f"python -m benchmarks sweep_until --seeds {options.seeds:g}"
        report.store_text(Path(__file__).with_suffix(".md"), "Ending at noise", command, __doc__, text)
    return 0


def pages(outcomes: Mapping[tuple[str, int], Mapping[str, np.ndarray]]) -> Iterator[str]:
    """The table of all thresholds, means over sets, and that of each set for the one of a real sweep."""
    lines = ["| sampler | trials | noise below | saved | lost | worst set | test rows |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for (sampler, trials), of in outcomes.items():
        means = np.stack([values.mean(axis=0) for values in of.values()])
        for place, share in enumerate(SHARES):
            saved, gap, test = means[:, place].mean(axis=0)
            worst = means[:, place, 1].max()
            name = f"**{share}**" if share == SHARE else f"{share}"
            lines.append(
                f"| {sampler} | {trials} | {name} | {saved:.2f} | {gap:.2f} | {worst:.2f} | {test:+.2f} |"
            )
    yield "Means over sets. Noise is a gain below this part of the standard error."
    yield "\n".join(lines)
    lines = ["| sampler | trials | set | saved | lost | test rows |", "|---|--:|---|--:|--:|--:|"]
    for (sampler, trials), of in outcomes.items():
        for name, values in of.items():
            saved, gap, test = values[:, SHARES.index(SHARE)].mean(axis=0)
            lines.append(f"| {sampler} | {trials} | {name} | {saved:.2f} | {gap:.2f} | {test:+.2f} |")
    yield f"By set, for {SHARE}."
    yield "\n".join(lines)
