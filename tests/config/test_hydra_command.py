"""Runs and multiruns of the command line keep what Hydra offers, though `hydra.main` is not used."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hydra.experimental.callback import Callback

from harness.config import compose
from harness.sweep.worker import trial_config

QUICK = ("data/extract=iris", "model=mlp", "trainer.epochs=1", "tracking=none", "split.guard=off")


class Heard(Callback):
    """Hydra's callback that keeps the names of its calls."""

    calls: ClassVar[list[str]] = []

    def on_run_start(self, config: Any, **kwargs: Any) -> None:
        self.calls.append(f"run starts {config.hydra.mode.name}")

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        self.calls.append(f"job starts {config.seed}")

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        self.calls.append(f"job ends {job_return.status.name}")

    def on_run_end(self, config: Any, **kwargs: Any) -> None:
        self.calls.append("run ends")

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        self.calls.append(f"multirun starts {config.hydra.mode.name}")

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        self.calls.append("multirun ends")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(Heard, "calls", [])
    return Heard.calls


CALLBACK = f"+hydra.callbacks.mine._target_={__name__}.Heard"


def test_hydras_callbacks_are_called_at_a_run(run_cli: Any, heard: list[str]) -> None:
    assert run_cli(*QUICK, CALLBACK, "seed=7").status == 0
    assert heard == ["run starts RUN", "job starts 7", "job ends COMPLETED", "run ends"]


def test_hydras_callbacks_are_called_at_a_multirun(run_cli: Any, heard: list[str]) -> None:
    assert run_cli("-m", *QUICK, CALLBACK, "seed=7").status == 0
    assert heard[0] == "multirun starts MULTIRUN"
    assert heard[-1] == "multirun ends"


def test_the_folder_may_be_named_by_the_overrides(run_cli: Any, here: Path) -> None:
    folder = "hydra.run.dir='out/${hydra.job.override_dirname}'"
    assert run_cli("data/extract=iris", "trainer.epochs=1", "tracking=none", "seed=3", folder).status == 0
    (made,) = (here / "out").rglob("config.yaml")
    chosen = "data/augment=none,data/extract=iris,data/transform=tabular,model=mlp"
    typed = "seed=3,tracking=none,trainer.epochs=1"
    assert made.parent.relative_to(here / "out").as_posix() == f"{chosen},{typed}"


def test_a_yaml_file_may_ask_for_a_multirun(run_cli: Any, here: Path) -> None:
    (here / "conf" / "experiment").mkdir(parents=True)
    (here / "conf" / "experiment" / "many.yaml").write_text(
        "# @package _global_\nseed: 5\nhydra: {mode: MULTIRUN}\n"
    )
    (here / "pyproject.toml").write_text('[tool.harness]\nconf = "conf"\n')
    answer = run_cli(*QUICK, "experiment=many")
    assert answer.status == 0, answer
    assert "workers    1, hydra/launcher=local" in answer.out


@pytest.mark.parametrize(("mode", "words"), [("RUN", ()), ("MULTIRUN", ()), ("MULTIRUN", ("seed=1,2",))])
def test_the_mode_may_be_typed(run_cli: Any, mode: str, words: tuple[str, ...]) -> None:
    answer = run_cli(*QUICK, f"hydra.mode={mode}", *words)
    assert answer.status == 0, answer
    assert ("hydra/launcher=local" in answer.out) is (mode == "MULTIRUN")


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The overrides that Hydra has composed in this test; nothing is kept of tests before."""
    every: list[tuple[str, ...]] = []
    plain = compose._composed.__wrapped__

    def counted(places: Any, overrides: tuple[str, ...], state: tuple[object, ...]) -> Any:
        every.append(overrides)
        return plain(places, overrides, state)

    counted.__wrapped__ = plain  # type: ignore[attr-defined]
    monkeypatch.setattr(compose, "_composed", lru_cache(counted))
    compose._kept.cache_clear()
    trial_config._composed.cache_clear()
    return every


CHOICES = ("data/extract=iris", "model=mlp", "tracking=none")


def test_a_second_run_with_other_values_composes_nothing(
    run_cli: Any, composed: list[tuple[str, ...]]
) -> None:
    for seed in (1, 2):
        assert run_cli(*QUICK, f"seed={seed}").status == 0
    assert composed == [CHOICES, (*CHOICES, "data/transform=tabular", "data/augment=none")]


def test_a_sweep_over_values_composes_what_one_run_composes(
    run_cli: Any, composed: list[tuple[str, ...]]
) -> None:
    sweep = ("-m", *QUICK, "trainer.optimizer.lr=0.1,0.2")
    assert run_cli(*sweep).status == 0
    assert sorted(map(len, composed)) == [3, 5]
    assert set(composed[0]) == set(CHOICES)
    composed.clear()
    assert run_cli(*sweep[:-1], "trainer.optimizer.lr=0.3,0.4").status == 0
    assert composed == []


@pytest.fixture
def own_folder(here: Path) -> str:
    """A folder for `--config-dir` with a model of its own."""
    folder = here / "more" / "model"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "# A small one\ndefaults: [mlp, _self_]\nwidths: [3]\n", encoding="utf-8"
    )
    return "more"


@pytest.mark.parametrize(
    "words",
    [
        ("--config-dir", "more", "model=mine", *QUICK[2:], "data/extract=iris"),
        ("model=mine", "--config-dir", "more", "data/extract=iris", *QUICK[2:]),
        ("model=mine", "data/extract=iris", *QUICK[2:], "--config-dir=more"),
        ("check", "model=mine", "--config-dir", "more", "data/extract=iris"),
        ("check", "-m", "model=mine", "--config-dir", "more", "data/extract=iris", "seed=1,2"),
        ("seed=1", "-m", "model=mine", "--config-dir=more", *QUICK[2:], "data/extract=iris"),
    ],
)
def test_an_option_may_stand_anywhere(run_cli: Any, own_folder: str, words: tuple[str, ...]) -> None:
    answer = run_cli(*words)
    assert answer.status == 0, answer


def test_ls_lists_the_choices_of_another_folder(run_cli: Any, own_folder: str) -> None:
    answer = run_cli("ls", "model", "--config-dir", own_folder)
    assert re.search(r"^mine +A small one$", answer.out, re.MULTILINE)
    assert "mine" not in run_cli("ls", "model").out


def test_info_after_it_is_no_value_of_an_option(run_cli: Any) -> None:
    assert run_cli("seed=3", "--info").status == 0
    assert "\nseed: 3\n" in run_cli("--info", "config", "seed=3").out


def test_the_version_is_ours(run_cli: Any) -> None:
    from importlib.metadata import version

    assert run_cli("--version").out == f"harness {version('harness')}, Hydra {version('hydra-core')}\n"
