"""Points of a space that are composed and prepared before the sweep writes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import Composer, choose_parts
from harness.config.error_messages import as_user_error
from harness.config.instantiate import check
from harness.config.overrides import Overrides, as_texts
from harness.core.errors import SettingOfOtherChoice, UnknownName, UserError, WrongType
from harness.core.typed_override import typed
from harness.core.user_path import user_path
from harness.prepare.plan import Plan
from harness.runtime.config_nodes import copied
from harness.runtime.secret_values import Secrets
from harness.sweep.space.interval import Interval
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.worker.trial_agreement import PreparedTrial

T = TypeVar("T")


class TriedPoints:
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

    def plan(self, point: Point) -> Plan:
        """The plan of the point's run: its settings, data and folds."""
        from harness.prepare.plan import make_plan

        cfg = self._load(self.words(point))
        with hydra_as_before():
            HydraConfig.instance().set_config(cfg)
            return make_plan(without_hydra(cfg))

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


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The configuration with which `harness.run.run` is called."""
    made = copied(cfg)
    OmegaConf.set_struct(made, None)
    del made["hydra"]
    return made


@contextmanager
def hydra_as_before() -> Iterator[None]:
    """Sets Hydra's own configuration back afterwards."""
    before = HydraConfig.instance().cfg
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
