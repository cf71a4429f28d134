"""A sweep on recorded learning curves, with the queue and the pruner of a real one."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from omegaconf import OmegaConf
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler

from benchmarks.measure import Unable
from benchmarks.sweep_curves import DEFAULT, SPACE, WARMUP, Curves
from harness.sweep.study.optuna_internals import seen_by_samplers, storage_of
from harness.sweep.study.pruning import build_pruner
from harness.sweep.study.successive_halving import SuccessiveHalving, is_frozen
from harness.sweep.study.trial_claim import EXEMPT, Budget, Claim
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.trial_agreement import first_rung

CONF = Path(__file__).parents[1] / "conf" / "sweep"
_SHAPE = tuple(map(len, SPACE.values()))


@dataclass(frozen=True)
class Kind:
    """A kind of sweep.

    sampler   a choice of `sweep/sampler`, or the folder of a package of OptunaHub
    pruner    a choice of `sweep/pruner`
    settings  of the pruner that differ from its yaml
    workers   trials that run at the same time
    seeds     the share of the seeds that is run, where a sampler takes long
    """

    sampler: str
    pruner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    seeds: float = 1.0


@dataclass(frozen=True)
class Replay:
    """One sweep.

    spent   epochs by then, when a trial completed
    found   the configuration of the best complete trial then
    epochs  of the whole sweep
    """

    spent: np.ndarray
    found: np.ndarray
    epochs: int

    def at(self, epochs: float) -> int | None:
        """The configuration that was the best one after so many epochs; None: no trial was complete."""
        place = int(np.searchsorted(self.spent, epochs, "right"))
        return None if place == 0 else int(self.found[place - 1])


class Replayed:
    """A sweep on recorded curves, with the queue and the pruner of a real one.

    Args:
        sampler: makes that of a trial from its number.
        seed: names the study, from whose name Hyperband draws the bracket of a trial.
        longest: seconds of CPU that the sampler may take for a point.
    """

    def __init__(
        self,
        curves: Curves,
        kind: Kind,
        sampler: Callable[[int], BaseSampler],
        seed: int = 0,
        longest: float = math.inf,
    ) -> None:
        self.curves, self.kind, self.sampler, self.longest = curves, kind, sampler, longest
        self.epochs = curves.loss.shape[1]
        pruner = pruner_of(kind, curves)
        self.study = optuna.create_study(pruner=pruner, study_name=f"replay-{seed}")
        self.study.enqueue_trial(dict(zip(SPACE, DEFAULT, strict=True)), user_attrs={EXEMPT: True})
        halving = pruner if isinstance(pruner, SuccessiveHalving) else None
        self.queue = TrialQueue(self.study, nullcontext, halving=halving)
        self.steps = decisive_steps(pruner, self.epochs)
        self.spent, self.found, self.total = [0], [-1], 0
        self._now = self._order = 0

    def run(self, trials: int) -> Replay:
        """Until nothing is left to do; with more trials than before, the sweep goes on.

        Raises:
            Unable: the sampler takes longer than `longest` for a point.
        """
        budget = Budget(trials)
        running: list[tuple[int, int, Claim]] = []  # when a trial reports next; order of the claims; trial
        while True:
            while len(running) < self.kind.workers and (claim := self.queue.claim(budget)) is not None:
                self._draw(claim)
                self._order += 1
                heapq.heappush(running, (self._now + self._ahead(claim), self._order, claim))
            if not running:
                return Replay(np.array(self.spent[1:]), np.array(self.found[1:]), self.total)
            self._now, place, claim = heapq.heappop(running)
            if self._train(claim):
                heapq.heappush(running, (self._now + self._ahead(claim), place, claim))
            elif len(self.spent) < len(self.found):
                # What the other workers have trained by now is spent too.
                part = sum(self._ahead(other) - (when - self._now) for when, _, other in running)
                self.spent.append(self.total + part)

    def _draw(self, claim: Claim) -> None:
        begun = time.process_time()
        self.study.sampler = self.sampler(claim.number)
        trial = optuna.trial.Trial(seen_by_samplers(self.study, is_frozen), claim.trial_id)
        for key, values in SPACE.items():
            trial.suggest_int(key, 0, len(values) - 1)
        if (seconds := time.process_time() - begun) > self.longest:
            raise Unable(
                f"it took {seconds:.0f} s of CPU for point {claim.number + 1} of a sweep, "
                f"more than {self.longest:g}"
            )

    def _ahead(self, claim: Claim) -> int:
        """Epochs until the trial reports next."""
        done = self._trial(claim).last_step or 0
        return next(step for step in self.steps if step > done) - done

    def _train(self, claim: Claim) -> bool:
        """Trains until the next report; whether the trial goes on."""
        trial = self._trial(claim)
        place = int(np.ravel_multi_index([trial.params[key] for key in SPACE], _SHAPE))
        ahead = self._ahead(claim)
        step = (trial.last_step or 0) + ahead
        value = float(self.curves.loss[place, step - 1])
        self.total += ahead
        stops = self.queue.report(claim, step, value)
        if step == self.epochs:
            self.queue.complete(claim, [value], {})
            final = self.curves.loss[:, -1]
            best = self.found[-1]
            self.found.append(place if best < 0 or final[place] < final[best] else best)
            return False
        if stops:
            (self.queue.prune if self.queue.halving is None else self.queue.freeze)(claim, {})
        return not stops

    def _trial(self, claim: Claim) -> optuna.trial.FrozenTrial:
        return storage_of(self.study).get_trial(claim.trial_id)


def pruner_of(kind: Kind, curves: Curves) -> BasePruner:
    """The pruner as a sweep of these trainings would have it."""
    epochs = curves.loss.shape[1]
    trainer = {"scheduler": {"warmup": WARMUP}}
    rung = first_rung(trainer, epochs, curves.steps * epochs)
    node = _node("pruner", kind.pruner)
    if node is not None and "_target_" in kind.settings:
        node = {}
    whole = None if node is None else {**node, **kind.settings}
    return build_pruner(whole, epochs, units=1, rung=rung) or optuna.pruners.NopPruner()


def decisive_steps(pruner: BasePruner, epochs: int) -> list[int]:
    """The epochs at which a report can stop a trial, and the last one.

    Nothing else is reported, which is all that makes a replay quicker than the sweep's own reports.
    """
    if isinstance(pruner, optuna.pruners.NopPruner):
        return [epochs]
    if isinstance(pruner, HyperbandPruner):
        steps = [pruner._min_resource * pruner._reduction_factor**rung for rung in range(epochs)]
    elif isinstance(pruner, SuccessiveHalvingPruner):
        factor, first = pruner._reduction_factor, int(pruner._min_resource or 1)
        steps = [first * factor ** (pruner._min_early_stopping_rate + rung) for rung in range(epochs)]
    else:
        return [*range(1, epochs + 1)]
    return [*(step for step in steps if step < epochs), epochs]


@cache
def _node(group: str, choice: str) -> dict[str, Any] | None:
    """A node of the configuration, as its yaml has it; None: the choice is none."""
    node: Any = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{choice}.yaml"))
    return node if "_target_" in node else None


def samplers(name: str, seed: int, registry: Path | None) -> Callable[[int], BaseSampler]:
    """Makes the sampler of a trial from its number, as `harness.sweep.study.sampling` does.

    Raises:
        Unable: a package of OptunaHub that cannot be had.
    """
    if ":" in name:
        made = _from_hub(*name.split(":"), registry)
        arguments: dict[str, Any] = {}
    else:
        node = dict(_node("sampler", name) or {})
        module, _, kind = node.pop("_target_").rpartition(".")
        made, arguments = getattr(import_module(module), kind), node
    arguments.pop("seed", None)

    def sampler(number: int) -> BaseSampler:
        drawn = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
        built: BaseSampler = made(**arguments, seed=drawn)
        return built

    return sampler


def _from_hub(package: str, kind: str, registry: Path | None) -> Any:
    try:
        import optunahub
    except ImportError:
        raise Unable("needs optunahub: pip install optunahub") from None
    try:
        if registry is not None:
            return getattr(optunahub.load_local_module(package, registry_root=str(registry)), kind)
        return getattr(optunahub.load_module(package), kind)
    except Exception as error:
        raise Unable(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
