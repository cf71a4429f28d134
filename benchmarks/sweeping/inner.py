"""`study.optimize` around our own trainer: no sweep of ours, no record, no files.

python -m benchmarks.sweeping.inner TOLD TRIALS WORD...

What it takes beyond a bare loop is the trainer's; what a sweep takes beyond it is the sweep's and the
record's.
"""

from __future__ import annotations

import sys
from time import time

import optuna
import torch

from harness.config.compose import compose
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.runtime.stop_signals import Stop


def main(spans: str, trials: str, *words: str) -> None:
    """Appends a line to the file `spans` for each trial: when it began and ended."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan = make_plan(compose(list(words)))

    def objective(trial: optuna.Trial) -> float:
        began, best = time(), 0.0
        cfg = plan.cfg.copy()
        cfg.trainer.optimizer.lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        experiment = prepare(plan.with_config(cfg), plan.folds[0])
        fit = experiment.trainer.fit
        for progress in fit(
            experiment.model, experiment.loaders, experiment.augment, experiment.validate, Stop()
        ):
            best = max(best, progress.scores["valid/accuracy"])
            trial.report(best, progress.epoch)
        with open(spans, "a") as file:
            file.write(f"{began} {time()}\n")
        return best

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize")
    study.optimize(objective, n_trials=int(trials))


if __name__ == "__main__":
    main(*sys.argv[1:])
