"""Texts on the command line are taken as typed, by the type of their key."""

from __future__ import annotations

import csv
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.cli.verb_parser import Parser
from harness.config.choice_files import config_dir
from harness.config.compose import compose, compose_exactly, compose_with_hydra
from harness.config.home_folders import expand_home
from harness.config.text_values import read_overrides
from harness.runs.run_result import Result

CSV = "data/extract=csv"

NAMES = [
    "my data.csv",
    "a=b.csv",
    "a,b.csv",
    "a;b.csv",
    "a#b&c.csv",
    "größe.csv",
    "данные.csv",
    "日本.csv",
    "x(1).csv",
    "[x].csv",
    "{x}.csv",
    "o'brien.csv",
    'say "hi".csv',
    "x~1.csv",
    "~/x.csv",
    "2019",
    "007",
    "1e3",
    "true",
    " ",
]


@pytest.mark.parametrize("text", NAMES)
def test_a_text_is_taken_as_typed(text: str) -> None:
    keys = ("data.extract.path", "data.extract.target", "name", "tracking.experiment")
    cfg = compose([CSV, *(f"{key}={text}" for key in keys)])
    assert {key: OmegaConf.select(cfg, key) for key in keys} == dict.fromkeys(keys, text)


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("data.extract.drop=[f 2, größe,1,'a,b']", "data.extract.drop", ["f 2", "größe", "1", "a,b"]),
        ("data.extract.path=[my data.csv,größe.csv]", "data.extract.path", ["my data.csv", "größe.csv"]),
        ("data.extract.target=[a,b]", "data.extract.target", ["a", "b"]),
        ("data.extract.target='a b'", "data.extract.target", "a b"),
        ("data.extract.target=null", "data.extract.target", None),
        ("+tags.idea=breiter, größer", "tags.idea", "breiter, größer"),
        ("+tags.count=3", "tags.count", 3),
        ("+data.extract.types.f 2=int", "data.extract.types", {"f 2": "int"}),
        ("+data.extract.types.a(b), c=int", "data.extract.types", {"a(b), c": "int"}),
        ("trainer.patience=3", "trainer.patience", 3),
        ("outputs=~/my runs", "outputs", str(Path("~/my runs").expanduser())),
        ("data.cache=off", "data.cache", "off"),
    ],
)
def test_other_values_keep_their_type(word: str, key: str, value: Any) -> None:
    assert OmegaConf.select(compose([CSV, word]), key) == value


def test_hydras_own_texts_are_taken_as_typed() -> None:
    (override,) = read_overrides(["hydra.run.dir=my runs, größer"], compose_exactly)
    assert override.value() == "my runs, größer"


def test_in_a_multirun_a_comma_separates_values() -> None:
    word = "data.extract.path=größe.csv,a b.csv,'a,b',2019"
    _, override = read_overrides([CSV, word], compose_exactly, many=True)
    assert list(override.sweep_string_iterator()) == ['"größe.csv"', r"a\ b.csv", "'a,b'", '"2019"']


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "data.extract.pth=größe.csv",
            "there is no setting 'data.extract.pth'; did you mean data.extract.path .*",
        ),
        (
            "data.extract.types.größe=int",
            "there is no setting 'data.extract.types.größe' yet; add it with a plus before it: .*",
        ),
        ("~data.cache.folder", "the setting data\\.cache\\.folder is missing; .*"),
        ("trainer.epochs=3;4", "the setting 'trainer.epochs=3;4' cannot be read as KEY=VALUE; .*"),
    ],
)
def test_what_is_no_text_is_refused(run_cli: Any, word: str, sentence: str) -> None:
    answer = run_cli("check", CSV, word)
    assert answer.status == 2
    assert re.fullmatch(f"error: {sentence}\n", answer.err), answer.err


@pytest.mark.slow
def test_a_run_its_evaluation_and_its_rerun_take_names_as_typed(run_cli: Any, here: Path) -> None:
    for name in ("größe, 1.csv", "größe, 2.csv"):
        with (here / name).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["höhe 1", "Ergebnis = ja"])
            rows.writerows((number % 7, "ja" if number % 7 > 3 else "nein") for number in range(60))
    target, folder = "data.extract.target=Ergebnis = ja", "out, größe"
    words = (CSV, "data.extract.path=größe, 1.csv", target, f"hydra.run.dir={folder}")
    assert run_cli(*words, "trainer.epochs=1", "tracking=none", "split.guard=off").status == 0
    assert (here / folder / "result.json").exists()
    other = "data.extract.path=größe, 2.csv"
    assert run_cli("evaluate", folder, other, "tracking=none").status == 0
    assert run_cli("rerun", folder, other, "tracking=none", "--dry").status == 0


def test_a_folder_in_the_home_folder_is_found_in_a_yaml_too(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    mine = here / "conf" / "experiment" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("# @package _global_\noutputs: ~/runs\nhydra: {run: {dir: ~/one}}\n")
    with config_dir(str(here / "conf")):
        cfg = compose_with_hydra(["experiment=mine", "hydra.sweep.dir='~/many'"])
        expand_home(cfg)
    assert cfg.data.cache.folder == f"{here}/home/runs/cache"
    assert (cfg.hydra.run.dir, cfg.hydra.sweep.dir) == (f"{here}/home/one", f"{here}/home/many")

    def run(cfg: Any, folder: Path, **_: Any) -> Result:
        called.append((cfg.outputs, folder, Path.cwd()))
        return Result(status="finished")

    called: list[Any] = []
    monkeypatch.setattr(import_module("harness.run"), "run", run)
    answer = run_cli("experiment=mine", "--config-dir", "conf", "hydra.job.chdir=true")
    assert answer == (0, "", "")
    assert called == [(f"{here}/home/runs", here / "home" / "one", here)]


def test_a_verb_takes_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    parser = Parser("ls", "")
    parser.add_argument("--outputs")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args(["--outputs=~/my runs", "~/a", "~trainer.x"])
    assert vars(options) == {"outputs": "/home/me/my runs", "words": ["~/a", "~trainer.x"]}


def test_the_home_folder_of_nobody_is_a_missing_folder(run_cli: Any) -> None:
    answer = run_cli("check", CSV, "data.extract.path=~nobody-here/x.csv", "data.extract.target=y")
    assert answer.status == 2
    assert "data.extract.path=~nobody-here/x.csv does not exist" in answer.err
