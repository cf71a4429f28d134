from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from harness.config.choice_files import CONF
from harness.config.compose import register_resolvers
from harness.config.overrides import Overrides
from harness.core.errors import UserError
from harness.data.cache.command_scope import command
from harness.sweep.preflight.preflight import Preflight, covering, probes, run_preflight
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.read_space import read_space
from harness.sweep.space.search_space import Space
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.worker.trial_config import TrialComposer

pytestmark = pytest.mark.slow

IRIS = ("data/extract=iris", "data.cache=off", "model=mlp", "model.widths=[8]", "trainer.epochs=2")
Opened = tuple[Space, TrialComposer, SweepSettings]


@pytest.fixture(autouse=True)
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composing 64 points takes seconds; 8 prove the same."""
    monkeypatch.setattr("harness.sweep.preflight.preflight._COMPOSED", 8)


@pytest.fixture
def opened(here: Path) -> Iterator[Callable[..., Opened]]:
    """`opened(*words)` is what `python -m harness -m *words` knows before it rehearses."""
    register_resolvers()

    def opening(*words: str) -> Opened:
        loader = GlobalHydra.instance().config_loader()
        cfg = loader.load_configuration("config", list(words), run_mode=RunMode.MULTIRUN)
        settings = read_settings(cfg.sweep)
        return read_space(Overrides.parse(words), settings.space, loader), TrialComposer.of(loader), settings

    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        yield opening


@pytest.fixture
def rehearsed(opened: Callable[..., Opened]) -> Callable[..., Preflight]:
    def answer(*words: str) -> Preflight:
        with command(many=True):
            return run_preflight(*opened(*words), say=lambda text: None)

    return answer


@pytest.fixture
def refused(rehearsed: Callable[..., Preflight]) -> Callable[..., str]:
    def sentence(*words: str) -> str:
        with pytest.raises(UserError) as caught:
            rehearsed(*words)
        return str(caught.value)

    return sentence


def test_a_grid_is_composed_whole_and_nothing_is_written(
    rehearsed: Callable[..., Preflight], here: Path
) -> None:
    before = HydraConfig.instance().cfg
    found = rehearsed(*IRIS, "seed=1,2,3", "split.seed=4,5")
    assert (found.composed, found.prepared) == (6, 3)
    assert found.objectives == (Objective("valid/accuracy", "maximize"),)
    assert (found.epochs, found.folds) == (2, 1)
    assert {"valid/accuracy", "valid/loss", "train/loss"} <= set(found.names)
    assert found.words == (*IRIS, "seed=1", "split.seed=4", "data/transform=tabular", "data/augment=none")
    assert list(here.iterdir()) == []
    assert HydraConfig.instance().cfg is before


def test_the_number_of_tried_points_is_printed(opened: Callable[..., Opened]) -> None:
    lines: list[str] = []
    with command(many=True):
        run_preflight(*opened(*IRIS, "seed=1,2"), say=lines.append)
        run_preflight(*opened(*IRIS), say=lines.append)
    assert lines == ["trying 2 points of the space, 2 of them up to the first step"]


def test_folds_are_counted(rehearsed: Callable[..., Preflight]) -> None:
    found = rehearsed(*IRIS[:-1], "split=stratified_kfold,ratio", "trainer.epochs=3,4")
    assert (found.epochs, found.folds) == (4, 5)


def test_a_choice_that_does_not_exist_is_refused_with_its_words(refused: Callable[..., str]) -> None:
    assert refused("data/extract=iris", "model=mlp,mpl").startswith(
        "model=mpl: model has no choice 'mpl'; did you mean mlp?"
    )


def test_an_error_of_all_points_is_reported_without_a_point(refused: Callable[..., str]) -> None:
    assert (
        refused(*IRIS, "trainer.epochs=0", "seed=1,2")
        == "trainer.epochs must be auto, null or at least 1, got 0."
    )
    assert refused("data/extract=iris", "model=resnet18", "seed=1,2").startswith(
        "model=resnet18 takes images"
    )


def test_a_float_for_a_whole_number_is_refused_with_the_way_to_write_it(refused: Callable[..., str]) -> None:
    tpe = ("sweep=tpe", "sweep.trials=2", *IRIS[:-1])
    assert refused(*tpe, "trainer.epochs=interval(1,5)") == (
        "trainer.epochs=1.0: trainer.epochs must be a whole number or auto or null, got 1.0; "
        "whole numbers of an interval are 'trainer.epochs=int(interval(1,5))'."
    )
    assert refused(*tpe, "trainer.epochs=tag(log,interval(2,64))").endswith(
        "'trainer.epochs=tag(log,int(interval(2,64)))'."
    )
    lists = refused(*tpe[:3], "trainer.epochs=1", "model.widths=interval(1,3)")
    assert lists.startswith("model.widths=1.0: model.widths must be a list of")
    assert "interval" not in lists


def test_a_key_of_some_choices_is_refused_with_the_way_to_set_it_for_these_only(
    refused: Callable[..., str],
) -> None:
    sentence = refused("data/extract=iris", "model=mlp,transformer", "model.widths=[8],[16]")
    assert "there is no setting 'model.widths' with the choice made; model=convnet, model=mlp" in sentence
    assert sentence.endswith(
        " have it; in its place, 'sweep.space.model.widths={values: VALUES, when: \"model=CHOICE\"}' "
        "gives it to these alone."
    )


def test_a_name_with_a_comma_is_answered_with_its_quotes(refused: Callable[..., str], here: Path) -> None:
    csv = ("data/extract=csv", "trainer.epochs=2", "data.extract.path=a,b.csv")
    assert "quote it" not in refused(*csv)
    (here / "a,b.csv").write_text("x,'y,z'\n1,2\n")
    assert refused(*csv).endswith("; for the one name 'a,b.csv', quote it: 'data.extract.path=\"a,b.csv\"'.")
    (here / "rows.csv").write_text('x,"y,z"\n1,2\n')
    rows = ("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y,z")
    assert refused(*rows).endswith("; for the one name 'y,z', quote it: 'data.extract.target=\"y,z\"'.")


def test_both_ends_of_an_interval_are_tried(refused: Callable[..., str]) -> None:
    tpe = ("sweep=tpe", "sweep.trials=2", *IRIS)
    assert refused(*tpe, "trainer.optimizer.lr=interval(-0.1,0.1)").startswith("trainer.optimizer.lr=-0.1: ")
    assert refused(*tpe, "trainer.optimizer.lr=interval(0,0.1)") == (
        "trainer.optimizer.lr=0.0: trainer.optimizer.lr must be a finite number above 0, got 0.0; "
        "the usual value is 0.003."
    )
    assert refused(*tpe, "model.dropout=interval(0.5,1.5)").startswith("model.dropout=1.5: ")


def test_two_parts_that_do_not_fit_are_refused(refused: Callable[..., str]) -> None:
    sentence = refused("data/extract=iris,digits", "model=mlp,convnet", "trainer.epochs=1")
    assert sentence.startswith("data/extract=iris model=convnet: model=convnet takes images, and iris gives ")


def test_points_to_try_first_are_tried(refused: Callable[..., str], opened: Callable[..., Opened]) -> None:
    tpe = ("sweep=tpe", "sweep.trials=2", *IRIS, "seed=1,2,3")
    space, _, settings = opened(*tpe, "sweep.enqueue=[{seed: 3}]")
    assert probes(space, settings)[0] == {"seed": 3}
    assert len(probes(space, settings)) == 3
    assert "sweep.enqueue[0]" in refused(*tpe, "sweep.enqueue=[{seed: 4}]")


def test_a_grid_over_an_interval_and_a_sampler_without_a_key_are_refused(refused: Callable[..., str]) -> None:
    assert refused(*IRIS, "trainer.optimizer.lr=interval(0.1,1)").startswith(
        "a grid needs listed values, and trainer.optimizer.lr got "
    )
    assert refused(*IRIS, "sweep=tpe", "sweep.trials=2", "seed=1") == (
        "a sampler needs something to choose, and no key is swept; give one several values, KEY=A,B or "
        "'KEY=interval(A,B)', on the command line or in sweep.space."
    )


def test_sampler_and_pruner_are_checked_like_any_part(refused: Callable[..., str]) -> None:
    asha = ("sweep=asha", "sweep.trials=2", *IRIS, "seed=1,2")
    assert refused(*asha, "sweep.sampler.n_startup_trials=few") == (
        "sweep.sampler.n_startup_trials must be a whole number, got 'few'."
    )
    assert refused(*asha, "+sweep.pruner.reduction=3").startswith(
        "sweep.pruner.reduction is no argument of harness.sweep.study.successive_halving.SuccessiveHalving "
    )
    assert "sweep/pruner=none, or one objective" in refused(
        *asha, "sweep.objectives=[valid/accuracy,valid/loss]"
    )


def test_what_a_representation_is_scored_by_in_the_end_may_be_improved(
    rehearsed: Callable[..., Preflight],
) -> None:
    found = rehearsed(
        *IRIS,
        "trainer=contrastive",
        "data/augment=tabular",
        "seed=1,2",
        "sweep.objectives=valid/linear_accuracy",
    )
    assert found.objectives == (Objective("valid/linear_accuracy", "maximize"),)
    assert "valid/linear_accuracy" not in found.names


def test_points_are_prepared_if_they_have_a_new_combination_of_parts() -> None:
    space = Space(
        (),
        (
            Choices(key="model", group=True, choices=("mlp", "vit")),
            Choices(key="seed", choices=(1, 2, 3)),
            Interval(key="lr", low=0.1, high=0.9),
        ),
    )
    points = [
        {"model": "mlp", "seed": 1, "lr": 0.1},
        {"model": "mlp", "seed": 1, "lr": 0.5},
        {"model": "mlp", "seed": 2, "lr": 0.9},
        {"model": "vit", "seed": 2, "lr": 0.5},
        {"model": "mlp", "seed": 3, "lr": 0.1},
    ]
    assert covering(space, points) == [points[0], points[3], points[2], points[4]]
    assert covering(space, points, most=2) == [points[0], points[3]]


def test_of_numbers_within_intervals_one_is_composed(opened: Callable[..., Opened]) -> None:
    """With both ends; listed values and what is queued are all there."""
    rate = "trainer.optimizer.lr"
    words = ("sweep=random", "sweep.trials=2", f"{rate}=interval(1e-4,1e-1)", "seed=1,2")
    space, _, settings = opened(*words, f"sweep.enqueue=[{{seed: 1, {rate}: .02}}, {{seed: 1, {rate}: .03}}]")
    points = probes(space, settings)
    assert points[:2] == [{rate: 0.02, "seed": 1}, {rate: 0.03, "seed": 1}]
    shown = [(point["seed"], point[rate] in (1e-4, 1e-1)) for point in points[2:]]
    assert set(shown) >= {(1, True), (2, True)}
    assert shown.count((1, False)) == 0
    assert shown.count((2, False)) <= 1
