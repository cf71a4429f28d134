"""Prepares a sample of the space before the sweep writes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import Composer, choose_parts
from harness.config.error_messages import as_user_error
from harness.config.instantiate import check
from harness.config.known_settings import SWEEPERS
from harness.config.overrides import Overrides, as_texts
from harness.core.errors import SettingOfOtherChoice, UnknownName, UserError, WrongType
from harness.core.typed_override import typed
from harness.core.user_path import user_path
from harness.runtime.config_nodes import copied
from harness.runtime.secret_values import Secrets
from harness.sweep.preflight.default_point import default_point
from harness.sweep.space.interval import Interval
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point, Value
from harness.sweep.study.pruning import build_pruner, check_prunable
from harness.sweep.study.sampling import build_sampler, check_sampling
from harness.sweep.study.sweep_settings import SweepSettings
from harness.sweep.worker.trial_agreement import PreparedTrial, SharedTraits, shared_traits
from harness.sweep.worker.trial_slots import TrialSlots, choose_slots

T = TypeVar("T")

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
    """

    words: tuple[str, ...]
    composed: int
    prepared: int
    slots: TrialSlots
    default: Point


def run_preflight(
    space: Space, composer: Composer, settings: SweepSettings, say: Callable[[str], object] = print
) -> Preflight:
    """Composes points that cover the space, and takes those that differ in their parts to the first step.

    All choices of all groups, both ends of every interval and the points of `sweep.enqueue` are among them.
    What was prepared is thrown away; rows that several share are read once.

    Args:
        composer: words -> configuration, Hydra's node included.
        say: called with a line about the points that are prepared.

    Raises:
        UserError: a run of such a point would end with this sentence, behind the point's words; or what is
            to be improved is no score of every trial.
    """
    tried = _Tried(space, composer)
    with _hydra_as_before():
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
    sampler, pruner = (OmegaConf.select(cfg, f"sweep.{name}") for name in SWEEPERS)
    trials = space.size if sampler is None else settings.trials
    slots = choose_slots(settings, sampler, pruner is not None, trials, agreed.fused)
    if slots.line:
        say(slots.line)
    return Preflight(
        **vars(agreed),
        slots=slots,
        words=tuple(tried.words(points[0])),
        default=default,
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


class _Tried:
    """Composes and prepares points, each configuration once."""

    def __init__(self, space: Space, composer: Composer) -> None:
        self._space = space
        self._composer = composer
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def words(self, point: Point) -> list[str]:
        """The point's run as a command line, with the choices for `auto`."""
        words = [*self._space.fixed, *self._space.words(point)]
        return [*words, *as_texts(choose_parts(Overrides.parse(words), self._load))]

    def load_fixed(self) -> tuple[DictConfig, Mapping[str, str]]:
        """The configuration without swept values, and the choices of its groups."""
        words = list(self._space.fixed)
        cfg = self._load([*words, *as_texts(choose_parts(Overrides.parse(words), self._load))])
        choices: Mapping[str, str] = cfg.hydra.runtime.choices
        return cfg, choices

    def compose(self, point: Point) -> DictConfig:
        """The point's configuration, whose names, types and targets are right.

        Raises:
            UserError: they are not.
            HydraException: a choice or a key does not exist.
        """
        cfg = self._load(self.words(point))
        check(without_hydra(cfg))
        return cfg

    def prepare(self, point: Point) -> PreparedTrial:
        """Prepares the point's first fold up to the start of its training.

        Raises:
            UserError: parts do not fit each other, or the data.
        """
        from harness.prepare.callback_parts import build_callbacks
        from harness.prepare.experiment import prepare
        from harness.prepare.plan import make_plan

        cfg = self._load(self.words(point))
        HydraConfig.instance().set_config(cfg)
        plan = make_plan(without_hydra(cfg))
        build_callbacks(plan.cfg)
        return PreparedTrial.of(prepare(plan, plan.folds[0]), plan)

    def describe(self, point: Point) -> str:
        """The swept keys with the point's values, without secrets."""
        words = self._space.words(point)
        return Secrets(None, [*self._space.fixed, *words]).text(" ".join(words))

    def each(self, points: Sequence[Point], step: Callable[[Point], T]) -> list[T]:
        """The step taken by each point.

        Raises:
            UserError: the first that cannot take it.
        """
        errors = []
        for point in points:
            try:
                errors.append(step(point))
            except Exception as error:
                self._refuse(error, point, points, step)
        return errors

    def _refuse(
        self, error: Exception, point: Point, points: Sequence[Point], step: Callable[[Point], object]
    ) -> NoReturn:
        """Raises the user's mistake; with the point in front, if the most different point has another."""
        mistake = self._mistake(error, point)
        unlike = min(points, key=lambda other: len(other.items() & point.items()))
        try:
            step(unlike)
        except Exception as another:
            if str(self._mistake(another, unlike)) == str(mistake):
                raise mistake from error
        raise mistake.with_rule(f"{self.describe(point)}: {mistake.rule}") from error

    def _mistake(self, error: Exception, point: Point) -> UserError:
        """The user's mistake behind an error, with the remedies of a sweep; a fault is raised as it is."""
        mistake = as_user_error(error, [*self._space.fixed, *self._space.words(point)])
        if mistake is None:
            raise error
        if isinstance(mistake, WrongType):
            return self._with_whole_numbers(mistake)
        if isinstance(mistake, SettingOfOtherChoice):
            return self._with_condition(mistake)
        return self._with_comma(mistake)

    def _with_whole_numbers(self, mistake: WrongType) -> UserError:
        """With the remedy for an interval of floats whose key takes whole numbers."""
        swept = self._space.by_key.get(str(mistake.key))
        if not (isinstance(swept, Interval) and isinstance(swept.low, float) and mistake.whole_number):
            return mistake
        written = f"int(interval({swept.low:g},{swept.high:g}))"
        written = f"tag(log,{written})" if swept.log else written
        return mistake.with_remedy(f"whole numbers of an interval are '{swept.key}={written}'")

    def _with_comma(self, mistake: UserError) -> UserError:
        """With the remedy for a file or a name with a comma, which separates the values of a multirun."""
        for key, swept in self._space.by_key.items():
            texts = [value for value in swept.landmarks() if isinstance(value, str)]
            name = ",".join(texts)
            known = mistake.known if isinstance(mistake, UnknownName) else ()
            if len(texts) > 1 and (name in known or (mistake.key == key and user_path(name).exists())):
                return mistake.with_remedy(f"for the one name {name!r}, quote it: {typed(key, name)}")
        return mistake

    def _with_condition(self, mistake: SettingOfOtherChoice) -> UserError:
        """With the remedy for a setting that only some choices of a swept group have."""
        if mistake.group not in self._space.by_key:
            return mistake
        written = f'sweep.space.{mistake.key}={{values: VALUES, when: "{mistake.group}=CHOICE"}}'
        return mistake.with_remedy(f"in its place, '{written}' gives it to these alone")

    def _load(self, words: list[str]) -> DictConfig:
        key = tuple(words)
        if key not in self._composed:
            self._composed[key] = self._composer(words)
        return self._composed[key]


def _require_an_aim(space: Space, cfg: DictConfig) -> None:
    """Whether there is something to choose among: for a grid, listed values; for a sampler, a key."""
    if OmegaConf.select(cfg, "sweep.sampler") is None:
        next(space.grid())
    elif not space.dimensions:
        raise UserError(
            "a sampler needs something to choose, and no key is swept",
            "give one several values, KEY=A,B or 'KEY=interval(A,B)', on the command line or in sweep.space",
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


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The configuration of a run, as the corridor takes it."""
    made = copied(cfg)
    OmegaConf.set_struct(made, None)
    del made["hydra"]
    return made


@contextmanager
def _hydra_as_before() -> Iterator[None]:
    before = HydraConfig.instance().cfg
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
