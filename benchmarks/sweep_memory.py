"""What a sweep gains from earlier sweeps: trials until it is as good as the best of fifty random points.

Nothing is trained: an objective is a smooth function of five keys. Eight related sets have shifted optima,
other weights and other units; an unrelated set has another function. An earlier sweep of thirty trials by TPE
was made on one set, and the next set is swept cold, and warm with what `sweep.from` takes of it. The
samplers, and the view of the study that they get, are those of a sweep.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from omegaconf import OmegaConf
from optuna.trial import Trial

from benchmarks import report
from harness.config.choice_files import CONF
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.earlier_trials import EarlierSweep, EarlierTrials, Kind, best_points
from harness.sweep.study.optuna_internals import seen_by_samplers
from harness.sweep.study.points_as_numbers import points_as_numbers
from harness.sweep.study.sampling import build_sampler
from harness.sweep.study.snapshot import Objective

SPACE = Space(
    (),
    (
        Interval(key="lr", low=1e-4, high=1e-1, log=True),
        Interval(key="decay", low=1e-6, high=1e-2, log=True),
        Interval(key="dropout", low=0.0, high=0.6),
        Interval(key="width", low=16, high=512, log=True),
        Choices(key="model", choices=("mlp", "convnet")),
    ),
)
AIM = (Objective("valid/accuracy", "maximize"),)
RELATED, EARLIER, RANDOM = 8, 30, 50


@dataclass(frozen=True)
class Set:
    """A function of points: a bowl around an optimum, with a handicap of the second model, and noise.

    optimum   (coordinates,) between 0 and 1
    weights   (coordinates,)
    scale, level  its unit
    noise     standard deviation, of the bowl's unit
    """

    optimum: np.ndarray
    weights: np.ndarray
    scale: float
    level: float
    noise: float = 0.02

    def scores(self, points: Sequence[Point], chance: np.random.Generator) -> np.ndarray:
        at = points_as_numbers(points, SPACE.distributions())
        bowl = np.sqrt(((at - self.optimum) ** 2 * self.weights).sum(1))
        return self.level - self.scale * (bowl + self.noise * chance.standard_normal(len(points)))


def related_sets(seed: int) -> list[Set]:
    """Sets whose optima lie near each other."""
    chance = np.random.default_rng((1, seed))
    optimum, weights = _optimum(chance), np.exp(chance.normal(0, 0.7, 6))
    return [
        Set(
            np.clip(optimum + chance.normal(0, 0.08, 6) * _IS_NUMBER, 0, 1),
            weights * np.exp(chance.normal(0, 0.3, 6)),
            float(np.exp(chance.normal(0, 1))),
            float(chance.normal(0, 1)),
        )
        for _ in range(RELATED)
    ]


_IS_NUMBER = np.array([1, 1, 1, 1, 0, 0])


def _optimum(chance: np.random.Generator) -> np.ndarray:
    best = np.zeros(2)
    best[chance.integers(2)] = np.sqrt(0.5)
    return np.concatenate([chance.uniform(0.1, 0.9, 4), best])


def unrelated_set(seed: int) -> Set:
    """A set that has nothing to do with `related_sets`."""
    chance = np.random.default_rng((2, seed))
    return Set(_optimum(chance), np.exp(chance.normal(0, 0.7, 6)), 1.0, 0.0)


def sweep(
    objective: Set, seed: int, trials: int, earlier: Sequence[EarlierSweep] = (), target: float = np.inf
) -> tuple[list[Point], list[float]]:
    """The points of a sweep by TPE and their scores; it ends at a score of `target`."""
    study = optuna.create_study(direction="maximize")
    node = OmegaConf.load(CONF / "sweep" / "sampler" / "tpe.yaml")
    plain = OmegaConf.to_container(OmegaConf.create({"sweep": {"seed": seed, "sampler": node}}), resolve=True)
    told = EarlierTrials(earlier, SPACE.distributions(), AIM)
    for point in [point for one in earlier for point in one.tried]:
        study.enqueue_trial(point)
    points: list[Point] = []
    scores: list[float] = []
    chance = np.random.default_rng((3, seed))
    for number in range(trials):
        study.sampler = build_sampler(plain["sweep"]["sampler"], seed, told.drawn + number)
        asked = study.ask()
        trial = Trial(seen_by_samplers(study, lambda trial: False, told.seen), asked._trial_id)
        points.append(SPACE.suggest(trial))
        scores.append(float(objective.scores(points[-1:], chance)[0]))
        study.tell(number, scores[-1])
        if scores[-1] >= target:
            break
    return points, scores


def remembered(points: Sequence[Point], scores: Sequence[float], kind: Kind, best: int) -> EarlierSweep:
    """What `sweep.from` takes of a sweep."""
    tried = best_points(points, [-score for score in scores], best, SPACE.distributions())
    values = tuple((score,) for score in scores)
    keys = tuple(SPACE.by_key)
    return EarlierSweep("earlier", kind, "", keys, (), {}, len(points), tried, tuple(points), values)


def random_best(objective: Set, seed: int) -> float:
    """The best score of fifty points at random."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed + 1000))
    points = [SPACE.suggest(study.ask()) for _ in range(RANDOM)]
    return float(objective.scores(points, np.random.default_rng((4, seed))).max())


def compare(seeds: int) -> dict[str, np.ndarray]:
    """Trials until random-50's best, by what the earlier sweep was made on: (sweeps, 2), cold and warm."""
    counts: dict[str, list[tuple[int, int]]] = {
        "the same set": [],
        "a related set": [],
        "an unrelated set": [],
    }
    for seed in range(seeds):
        sets = related_sets(seed)
        other = sweep(unrelated_set(seed), 50 + seed, EARLIER)
        known = [sweep(each, 700 + seed * RELATED + place, EARLIER) for place, each in enumerate(sets)]
        for place, objective in enumerate(sets):
            number = seed * RELATED + place
            target = random_best(objective, number)
            cold = len(sweep(objective, number, RANDOM, target=target)[0])
            memories = (
                remembered(*known[place], "observations", 1),
                remembered(*known[place - 1], "prior", 2),
                remembered(*other, "prior", 2),
            )
            for name, memory in zip(counts, memories, strict=True):
                counts[name].append((cold, len(sweep(objective, number, RANDOM, [memory], target)[0])))
    return {name: np.array(pairs) for name, pairs in counts.items()}


PAGE = Path(__file__).with_suffix(".md")


def main(words: Sequence[str] | None = None, page: Path = PAGE) -> int:
    """Prints the table, and stores it beside this file."""
    parser = argparse.ArgumentParser("python -m benchmarks sweep_memory")
    parser.add_argument("--seeds", type=int, default=12, help="groups of eight sets (default: %(default)s)")
    options = parser.parse_args(words)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    text = "\n".join([*_HEADING, *(_line(name, pairs) for name, pairs in compare(options.seeds).items())])
    print(text)
    command = f"python -m benchmarks sweep_memory --seeds {options.seeds}"
    report.store_text(page, "Sweeps that remember", command, __doc__, text)
    return 0


_HEADING = (
    f"Mean trials until the best of {RANDOM} random points is reached, {RANDOM} at most; the difference with "
    "its standard error.",
    "",
    "| earlier sweep on | sweeps | cold | warm | difference | ratio |",
    "|---|--:|--:|--:|--:|--:|",
)


def _line(name: str, pairs: np.ndarray) -> str:
    cold, warm = pairs.mean(0)
    gaps = pairs[:, 1] - pairs[:, 0]
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    difference = f"{gaps.mean():+.1f} ± {error:.1f}"
    return f"| {name} | {len(pairs)} | {cold:.1f} | {warm:.1f} | {difference} | {warm / cold:.2f} |"
