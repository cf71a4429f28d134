"""What each kind of sweep finds for the epochs that it spends: sweeps replayed from recorded learning curves.

The curves are those of `benchmarks/sweep_curves.py`: six sets, 216 configurations each. A replayed sweep asks
a sampler for a configuration, looks up its curve, and reports it to the sweep's own queue and pruner, so that
what is measured is the code that decides in a real sweep. Its result at any time is the best complete trial.

The budget is what `TRIALS` trials without pruning cost. Regret is how far the validation loss of the result
is from that of the best configuration, as a share of the distance from the median configuration to the best:
0 is the best, 1 the median; a sweep without a complete trial has 1.

The second table compares each kind with the same sampler without pruning. `epochs`: what 30 trials took, as
a share of the budget. `reaches no pruning at`: the share of the budget after which the mean loss is that
without pruning at its end; inf: not within the budget. `worse by`: how much higher the validation loss of
the best of 30 trials is, in standard errors over its five folds. `test loss`: of that trial; `without`: the
same without pruning.

Aims for `random, ASHA` and `sweep=asha`: the loss without pruning is reached at .35 (median of the sets),
and no set is worse by more than 1. What was tried is in `docs/log.md`. Samplers that take long have a
quarter of the seeds. `--registry` is the folder `package` of a copy of
https://github.com/optuna/optunahub-registry; without it the samplers of OptunaHub are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna

from benchmarks import report, sweep_curves
from benchmarks.measure import Unable
from benchmarks.sweep_curves import SETS, Curves
from benchmarks.sweep_replay import Kind, Replayed, samplers

TRIALS, SEEDS = 30, 50
SHARES = (0.1, 0.2, 0.35, 0.5, 1.0)
"""Of the budget, at which regret is shown."""

STOPS_FOR_GOOD = {
    "_target_": "optuna.pruners.SuccessiveHalvingPruner",
    "min_resource": "auto",
    "reduction_factor": 3,
}
_SLOW = 0.24
"""The share of the seeds of samplers that model the space."""

LONGEST = 10.0
"""Seconds of CPU for a point. A sampler that takes longer is named and not run: 30 trials on six sets and 12
seeds would take it six hours."""

KINDS = {
    "random": Kind("random", "none"),
    "tpe": Kind("tpe", "none", seeds=_SLOW),
    "gp": Kind("gp", "none", seeds=_SLOW),
    "random, ASHA that stops for good": Kind("random", "asha", STOPS_FOR_GOOD),
    "random, ASHA": Kind("random", "asha"),
    "tpe, ASHA that stops for good": Kind("tpe", "asha", STOPS_FOR_GOOD, seeds=_SLOW),
    "tpe, ASHA (sweep=asha)": Kind("tpe", "asha", seeds=_SLOW),
    "tpe, ASHA, 7 workers": Kind("tpe", "asha", workers=7, seeds=_SLOW),
    "tpe, Hyperband (sweep=hyperband)": Kind("tpe", "hyperband", seeds=_SLOW),
    "tpe, median (sweep=median)": Kind("tpe", "median", seeds=_SLOW),
    "AutoSampler (OptunaHub)": Kind("samplers/auto_sampler:AutoSampler", "none", seeds=_SLOW),
    "HEBO (OptunaHub)": Kind("samplers/hebo:HEBOSampler", "none", seeds=_SLOW),
}
PLAIN = {"random": "random", "tpe": "tpe"}
"""The kind without pruning to which those with the same sampler are compared."""


@dataclass(frozen=True)
class Outcome:
    """A kind of sweep on one set: means over the seeds.

    epochs   of a sweep of `trials`, as a share of the budget
    regrets  after each of `SHARES` of the budget; with ASHA, of up to twice as many trials
    reached  the share of the budget after which the mean loss is that of the kind without pruning at its
             end; inf: never
    loss     of the validation rows, of the best trial of a sweep of `trials`
    error    its standard error over folds
    test     the loss of the test rows of that trial
    seeds    sweeps
    """

    epochs: float
    regrets: tuple[float, ...]
    reached: float
    loss: float
    error: float
    test: float
    seeds: int


def measure(
    curves: Curves, kind: Kind, trials: int, seeds: int, registry: Path | None = None, aim: float = np.nan
) -> Outcome:
    """A kind of sweep on one set.

    Args:
        aim: the loss of the kind without pruning at its end.

    Raises:
        Unable: a sampler cannot be had, or takes longer than `LONGEST` for a point.
    """
    budget = trials * curves.loss.shape[1]
    final = curves.loss[:, -1]
    best, median = final.min(), np.median(final)
    short, long = [], []
    for seed in range(max(1, round(seeds * kind.seeds))):
        sweep = Replayed(curves, kind, samplers(kind.sampler, seed, registry), seed, LONGEST)
        short.append(sweep.run(trials))
        # The budget pays for more trials of ASHA: it goes on, as a sweep of twice as many would.
        goes_on = kind.pruner == "asha" and kind.workers == 1
        long.append(sweep.run(2 * trials) if goes_on else short[-1])
    chosen = np.array([one.found[-1] for one in short])

    def loss(share: float) -> float:
        found = [one.at(share * budget) for one in long]
        return float(np.mean([median if place is None else min(final[place], median) for place in found]))

    shares = np.linspace(0, 1, 101)[1:]
    return Outcome(
        float(np.mean([one.epochs for one in short])) / budget,
        tuple((loss(share) - best) / (median - best) for share in SHARES),
        next((float(share) for share in shares if loss(share) <= aim), np.inf),
        float(final[chosen].mean()),
        float(curves.error[chosen, -1].mean()),
        float(curves.test[chosen].mean()),
        len(short),
    )


def main(words: Sequence[str] = ()) -> int:
    """Prints the tables, and stores them beside this file unless only some of them are asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks sweep_regret")
    parser.add_argument("--sets", nargs="*", choices=[*SETS], help="some alone")
    parser.add_argument("--kinds", nargs="*", choices=[*KINDS], help="some alone")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="sweeps of each kind (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of a sweep (default: %(default)s)")
    parser.add_argument("--registry", type=Path, help="`package` of a checkout of optunahub-registry")
    options = parser.parse_args(words)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sets = {name: sweep_curves.read(name) for name in options.sets or SETS}
    outcomes: dict[str, dict[str, Outcome]] = {}
    absent: dict[str, str] = {}
    for name in options.kinds or KINDS:
        begun, plain = time.process_time(), outcomes.get(PLAIN.get(KINDS[name].sampler, ""), {})
        try:
            outcomes[name] = {
                one: measure(
                    curves,
                    KINDS[name],
                    options.trials,
                    options.seeds,
                    options.registry,
                    plain[one].loss if one in plain else np.nan,
                )
                for one, curves in sets.items()
            }
        except Unable as reason:
            absent[name] = str(reason)
        print(f"{name}: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr, flush=True)
    text = "\n\n".join(pages(outcomes, absent))
    print(text)
    if not options.sets and not options.kinds:
        command = f"python -m benchmarks sweep_regret --seeds {options.seeds} --trials {options.trials}"
        if options.registry is not None:
            command += " --registry optunahub-registry/package"
        report.store_text(Path(__file__).with_suffix(".md"), "Regret of sweeps", command, __doc__, text)
    return 0


def pages(outcomes: Mapping[str, Mapping[str, Outcome]], absent: Mapping[str, str]) -> Iterator[str]:
    """The table of all kinds, one of each kind with a pruner by set, and what could not be run."""
    shares = " | ".join(f"regret at {share:.0%}" for share in SHARES)
    lines = [f"| sweep | seeds | epochs | {shares} |", "|---|--:|--:|" + "--:|" * len(SHARES)]
    for name, of in outcomes.items():
        regrets = np.mean([one.regrets for one in of.values()], 0)
        epochs = np.median([one.epochs for one in of.values()])
        seeds = next(iter(of.values())).seeds
        figures = " | ".join(f"{regret:.3f}" for regret in regrets)
        lines.append(f"| {name} | {seeds} | {epochs:.2f} | {figures} |")
    yield "Means over sets and seeds. Epochs of as many trials: median of the sets, as a share of the budget."
    yield "\n".join(lines)
    lines = [
        "| sweep | set | epochs | reaches no pruning at | worse by (standard errors) | test loss | without |"
    ]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for name, of in outcomes.items():
        kind = KINDS[name]
        plain = outcomes.get(PLAIN.get(kind.sampler, ""), {})
        if kind.pruner == "none" or not plain:
            continue
        worse = {one: (of[one].loss - plain[one].loss) / of[one].error for one in of}
        for one, outcome in of.items():
            figures = f"{outcome.epochs:.2f} | {outcome.reached:.2f} | {worse[one]:+.2f}"
            lines.append(f"| {name} | {one} | {figures} | {outcome.test:.4f} | {plain[one].test:.4f} |")
        epochs, reached = (np.median([getattr(o, key) for o in of.values()]) for key in ("epochs", "reached"))
        lines.append(
            f"| **{name}** | median; worst | {epochs:.2f} | {reached:.2f} | {max(worse.values()):+.2f} | | |"
        )
    yield "Against the same sampler without pruning."
    yield "\n".join(lines)
    if absent:
        yield "\n".join(f"* {name}: not run, {reason}." for name, reason in absent.items())
