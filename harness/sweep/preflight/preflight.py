"""Prepares a sample of the space before the sweep writes anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import Composer
from harness.config.known_settings import SWEEPERS
from harness.core.errors import UserError
from harness.sweep.preflight.default_point import default_point
from harness.sweep.preflight.tried_points import TriedPoints, hydra_as_before
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point, Value
from harness.sweep.study.earlier_trials import EarlierSweep, learns_from_values
from harness.sweep.study.noise_stop import FEWEST_RUNS
from harness.sweep.study.pruning import build_pruner, check_prunable
from harness.sweep.study.sampling import build_sampler, check_sampling
from harness.sweep.study.sweep_settings import SweepSettings
from harness.sweep.worker.trial_agreement import SharedTraits, shared_traits
from harness.sweep.worker.trial_slots import TrialSlots, choose_slots

_COMPOSED = 64
"""Points at most whose configuration is composed and checked, at a tenth of a second each."""

_PREPARED = 24
"""Of these, points at most that are taken to the first step of their training."""


@dataclass(frozen=True)
class Preflight(SharedTraits):
    """What the trials of a sweep have in common, and how it was found out.

    words     of one of them, with the choices for `auto`
    composed  points whose configuration was composed and checked
    prepared  points that were taken to the first step
    slots     how many trials a worker trains as one
    default   the point of the configuration without the sweep, as far as it is in the space
    earlier   what the sweep takes from earlier ones
    """

    words: tuple[str, ...]
    composed: int
    prepared: int
    slots: TrialSlots
    default: Point
    earlier: tuple[EarlierSweep, ...] = ()


def run_preflight(
    space: Space,
    composer: Composer,
    settings: SweepSettings,
    say: Callable[[str], object] = print,
    *,
    recalls: bool = True,
) -> Preflight:
    """Composes points that cover the space, and takes those that differ in their parts to the first step.

    All choices of all groups, both ends of every interval and the points of `sweep.enqueue` are among them.
    What was prepared is thrown away; rows that several share are read once.

    Args:
        composer: words -> configuration, Hydra's node included.
        say: called with a line about the points that are prepared.
        recalls: whether `sweep.from` has an effect: it has none on a sweep that has begun.

    Raises:
        UserError: a run of such a point would end with this sentence, behind the point's words; or what is
            to be improved is no score of every trial.
    """
    tried = TriedPoints(space, composer)
    with hydra_as_before():
        default = default_point(space, tried.load_fixed) if settings.enqueue_default else {}
        points = probes(space, settings, default)
        tried.each(points, tried.compose)
        _require_an_aim(space, tried.compose(points[0]))
        chosen = covering(space, points)
        if len(points) > 1:
            say(f"trying {len(points)} points of the space, {len(chosen)} of them up to the first step")
        seen = tried.each(chosen, tried.prepare)
    agreed = shared_traits(settings, [tried.describe(point) for point in chosen], seen)
    cfg = tried.compose(points[0])
    _check_method(cfg, settings, agreed)
    _check_until(settings, agreed)
    sampler, pruner = (OmegaConf.select(cfg, f"sweep.{name}") for name in SWEEPERS)
    trials = space.size if sampler is None else settings.trials
    slots = choose_slots(settings, sampler, pruner is not None, trials, agreed.fused)
    if slots.line:
        say(slots.line)
    earlier = _recall(space, tried, settings, agreed, default, say) if recalls else ()
    return Preflight(
        **vars(agreed),
        slots=slots,
        words=tuple(tried.words(points[0])),
        default=default,
        earlier=earlier,
        composed=len(points),
        prepared=len(chosen),
    )


def probes(space: Space, settings: SweepSettings, default: Point | None = None) -> list[Point]:
    """Points that cover the space, those of `sweep.enqueue` first.

    Two points that differ only in numbers between the ends of intervals are not both among them.

    Args:
        default: a point that is tried first as well.

    Raises:
        UserError: one of those is not in the space.
    """
    queued = [
        space.complete(dict(point), f"sweep.enqueue[{place}]") for place, point in enumerate(settings.enqueue)
    ]
    queued += [default] if default and len(default) == len(space.dimensions) else []
    points = queued[: _COMPOSED // 2]
    kinds = [_kind(space, point) for point in points]
    for point in space.probes(_COMPOSED, settings.seed):
        if (kind := _kind(space, point)) not in kinds:
            points.append(point)
            kinds.append(kind)
    return [point for place, point in enumerate(points) if point not in points[:place]][:_COMPOSED]


def _kind(space: Space, point: Point) -> dict[str, tuple[bool, Value]]:
    """What a point shows when it is composed; numbers within an interval, all of one type, show the same."""
    shown = {}
    for key, value in point.items():
        known = value in space.by_key[key].landmarks()
        shown[key] = (known, value if known else None)
    return shown


def covering(space: Space, points: Sequence[Point], most: int = _PREPARED) -> list[Point]:
    """Of the points, few that show every combination of groups, and every landmark of every other key.

    Each is the one that shows the most of what none before it has shown.
    """
    left = {place: _shown(space, point) for place, point in enumerate(points)}
    seen: set[_Fact] = set()
    sample: list[Point] = []

    def tells(place: int) -> tuple[bool, int]:
        """A new combination of parts is worth more than any number of new values."""
        new = left[place] - seen
        return any(fact.of_parts for fact in new), len(new)

    while left and len(sample) < most:
        place = max(left, key=tells)
        if left[place] <= seen:
            break
        seen |= left.pop(place)
        sample.append(points[place])
    return sample


@dataclass(frozen=True)
class _Fact:
    """Keys with the values that a point shows together: all its groups, or a single landmark."""

    values: tuple[tuple[str, Value], ...]
    of_parts: bool = False


def _shown(space: Space, point: Point) -> set[_Fact]:
    facts = {_Fact(tuple((key, point[key]) for key in point if space.by_key[key].group), of_parts=True)}
    for key, value in point.items():
        dimension = space.by_key[key]
        if not dimension.group and value in dimension.landmarks():
            facts.add(_Fact(((key, value),)))
    return facts


def _require_an_aim(space: Space, cfg: DictConfig) -> None:
    """Whether there is something to choose among: for a grid, listed values; for a sampler, a key."""
    if OmegaConf.select(cfg, "sweep.sampler") is None:
        next(space.grid())
    elif not space.dimensions:
        raise UserError(
            "a sampler needs something to choose, and no key is swept",
            "give one several values, KEY=A,B or 'KEY=interval(A,B)', on the command line or in sweep.space",
        )


def _check_until(settings: SweepSettings, agreed: SharedTraits) -> None:
    """Whether the error of the best score will be known, which `sweep.until=noise` needs."""
    if settings.until is None:
        return
    names = [objective.name for objective in agreed.objectives]
    several = agreed.folds * settings.repeat >= FEWEST_RUNS
    if len(names) > 1:
        rule, remedy = "compares the gain of one objective", "leave it out, or give one of sweep.objectives"
    elif not several and not names[0].startswith("valid/"):
        rule, remedy = f"needs the error of {names[0]}", "use three folds or more, or a score valid/…"
    elif not several and settings.predictions == 0:
        rule, remedy = (
            "needs outputs for validation rows, or several folds",
            "leave sweep.predictions as it is",
        )
    else:
        return
    listed = ", ".join(names)
    raise UserError(
        f"sweep.until=noise {rule}; the objective is {listed}", remedy, key="sweep.until", value=listed
    )


def _check_method(cfg: DictConfig, settings: SweepSettings, agreed: SharedTraits) -> None:
    """Whether sampler and pruner can be built, and can follow what is improved."""
    sampler, pruner = (OmegaConf.select(cfg, f"sweep.{name}") for name in SWEEPERS)
    check_sampling(sampler, agreed.objectives)
    build_sampler(sampler, settings.seed, 0)
    if pruner is not None:
        compared = agreed.objectives if agreed.compared is None else (agreed.compared,)
        check_prunable(
            compared if len(agreed.objectives) == 1 else agreed.objectives, agreed.names, settings.axis
        )
        build_pruner(pruner, agreed.epochs, agreed.folds * settings.repeat, settings.axis, agreed.rung)


def _recall(
    space: Space,
    tried: TriedPoints,
    settings: SweepSettings,
    agreed: SharedTraits,
    default: Point,
    say: Callable[[str], object],
) -> tuple[EarlierSweep, ...]:
    """What `sweep.from` takes."""
    if settings.earlier is None:
        return ()
    from harness.sweep.preflight.find_earlier_sweeps import AUTO, find_earlier_sweeps
    from harness.sweep.preflight.recall_trials import recall_trials

    cfg = tried.compose(space.probes(1, settings.seed)[0])
    found = find_earlier_sweeps(settings.earlier, Path(cfg.outputs), settings.storage, agreed.objectives)
    if settings.earlier == AUTO:
        found = [each for each in found if set(each.snapshot.keys) & set(space.by_key)]
        if not found:
            say(f"sweep.from=auto: no sweep below {cfg.outputs} has this objective and a key of this sweep")
    sampler = build_sampler(OmegaConf.select(cfg, "sweep.sampler"), settings.seed, 0)
    withheld = (
        ""
        if learns_from_values(sampler)
        else f"{type(sampler).__name__} does not learn from trials of others"
    )
    withheld = "the trials of others have no constraints" if settings.constraints else withheld
    return recall_trials(found, space, default, tried.plan, settings.trials, withheld)
