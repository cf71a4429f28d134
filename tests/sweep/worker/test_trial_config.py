"""The composer gives what Hydra would, however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from harness.config.choice_files import CONF, config_dir
from harness.config.compose import compose
from harness.sweep.worker import trial_config
from harness.sweep.worker.trial_config import TrialComposer

COMPOSER = TrialComposer(
    (("main", f"file://{CONF}"), ("hydra", "pkg://hydra.conf"), ("schema", "structured://"))
)


@pytest.fixture(autouse=True)
def _hydra_forgets() -> Iterator[None]:
    """A task's node of Hydra becomes that of the process."""
    before = HydraConfig.instance().cfg
    yield
    HydraConfig.instance().cfg = before


@pytest.mark.parametrize(
    "number", ["0.0048", "1", "-3", "1e5", "1.5e-07", "0", "-0.0", "01", "1_0", "-0", "inf"]
)
@pytest.mark.parametrize("key", ["seed", "trainer.epochs", "++trainer.epochs", "+data.load.my_number"])
def test_a_number_is_read_as_hydra_reads_it(key: str, number: str) -> None:
    word = f"{key}={number}"
    ours, theirs = trial_config._parsed(word), OverridesParser.create().parse_override(word)
    assert ours == theirs
    assert repr(ours.value()) == repr(theirs.value())


@pytest.mark.parametrize(
    "words",
    [
        ["data/extract=breast_cancer", "trainer.optimizer.lr=0.01", "seed=3"],
        ["data/extract=csv", "data.extract.path=a.csv", "data.extract.kind=image"],
        ["seed=7", "trainer.epochs=5", "trainer.epochs=${seed}"],
        ["trainer.epochs=5", "++trainer.epochs=2"],
    ],
)
def test_a_task_is_what_hydra_composes_of_its_words(words: list[str]) -> None:
    found = COMPOSER.task(COMPOSER.whole(words))
    expected = OmegaConf.to_container(compose(words), resolve=True)
    assert OmegaConf.to_container(found, resolve=True) == expected
    shared = COMPOSER.task(COMPOSER.whole(words), words)
    assert OmegaConf.to_container(shared, resolve=True) == expected


def test_the_folder_of_the_command_is_an_option_of_each_trial(tmp_path: Path) -> None:
    with config_dir(str(tmp_path)), hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composer = TrialComposer.of(GlobalHydra.instance().config_loader())
    assert composer.options == ("--config-dir", str(tmp_path))
    assert COMPOSER.options == ()


def test_each_trial_has_its_own_copy_of_the_configuration() -> None:
    first = COMPOSER(["seed=1"])
    first.trainer.epochs = 99
    assert COMPOSER(["seed=2"]).trainer.epochs == "auto"


def test_a_task_leaves_the_node_of_hydra_of_its_own_choices() -> None:
    COMPOSER.task(["model=mlp", "seed=1"])
    first = HydraConfig.get()
    COMPOSER.task(["model=convnet"])
    assert (first.runtime.choices.model, HydraConfig.get().runtime.choices.model) == ("mlp", "convnet")
    COMPOSER.task(["model=mlp", "seed=2"])
    assert HydraConfig.get().runtime.choices.model == "mlp"
