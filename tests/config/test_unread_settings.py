"""A setting that nothing reads is refused, and so is a yaml file that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

GLOBAL = "# @package _global_\n"

FILES = [
    (
        "seed: 3\ntrainer: {epochs: 1}\n",
        r"nothing reads what \S+/x.yaml sets; its first line must be `# @pack.*",
    ),
    (f"\ufeff{GLOBAL}seed: 3\n", r"nothing reads what \S+/x\.yaml sets; .*"),
    (f"\n\n# A comment\n{GLOBAL}seed: 3\n", r"nothing reads what \S+/x\.yaml sets; .*"),
    ("- a\n- b\n", r"nothing reads what \S+/x\.yaml sets; .*"),
    (
        f"{GLOBAL}trainr: {{epochs: 1}}\n",
        r"nothing reads the setting trainr of \S+/x\.yaml; did you mean trainer\?",
    ),
    (
        f"{GLOBAL}data: {{loader: {{batch_size: 3}}}}\n",
        r"nothing reads the setting data\.loader .* data\.load\b.*",
    ),
    (f"{GLOBAL}seeds: 3\n", r"nothing reads the setting seeds .* did you mean seed\?"),
    (f"{GLOBAL}production: {{refitt: true}}\n", r"nothing reads the setting production\.refitt .*\.refit\?"),
    (
        f"{GLOBAL}hydra: {{sweeper: {{params: {{seed: '1'}}}}}}\n",
        r"nothing .* hydra\.sweeper\.params .*sweep\.space.*",
    ),
    (
        f"{GLOBAL}defaults: [{{/model: mlp}}]\n",
        r"model has a choice already; write `override /model: CHOICE` .*",
    ),
    (f"{GLOBAL}seed:\t3\n\tname: x\n", r"\S+/x\.yaml is not valid yaml, line 2: .*; indent with spaces, .*"),
    (f"{GLOBAL}tags: {{a: 1\nseed: 3\n", r"\S+/x\.yaml is not valid yaml, line 3: .*; correct that line\."),
    (f"{GLOBAL}seed: 3\nseed: 4\n", r"\S+/x\.yaml is not valid yaml, line 3: found duplicate key seed; .*"),
    ("3\n", r"\S+/x\.yaml holds the value 3, and a file of settings has lines KEY: VALUE; correct it\."),
    (f"{GLOBAL}- a\n", r"\S+/x\.yaml holds a list, and a file of settings has lines .*"),
    (f"{GLOBAL}tags: [1]\n", r"\S+/x\.yaml gives tags a list, and tags consists of several settings; .*"),
    (
        f"{GLOBAL}trainer: {{optimizer: [1]}}\n",
        r".* gives trainer\.optimizer a list, .*; write each of them on a line below trainer\.optimizer\.",
    ),
    (f"{GLOBAL}name: caf\udce9\n", r"\S+/x\.yaml is not UTF-8, line 2; save it in that encoding\."),
]


@pytest.fixture
def experiment(here: Path) -> Any:
    """Writes conf/experiment/x.yaml of a project; lone surrogates are bytes as they are."""

    def write(text: str) -> None:
        folder = here / "conf" / "experiment"
        folder.mkdir(parents=True)
        (folder / "x.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
        (here / "pyproject.toml").write_text('[tool.harness]\nconf = "conf"\n')

    return write


@pytest.mark.parametrize(("text", "sentence"), FILES, ids=range(len(FILES)))
@pytest.mark.parametrize("command", [(), ("check",), ("-m",)], ids=["run", "check", "multirun"])
def test_a_yaml_file_that_sets_nothing_is_refused(
    run_cli: Any, experiment: Any, here: Path, command: tuple[str, ...], text: str, sentence: str
) -> None:
    import re

    experiment(text)
    answer = run_cli(*command, "data/extract=iris", "experiment=x")
    assert answer.status == 2
    assert re.fullmatch(rf"error: (?:experiment=x: )?{sentence}\n", answer.err), answer.err
    assert not (here / "outputs").exists()


@pytest.mark.parametrize("option", [("--config-dir", "mine"), ("--config-dir=mine",)])
def test_a_list_in_a_folder_that_is_named_for_one_command_is_refused_with_its_file(
    run_cli: Any, here: Path, option: tuple[str, ...]
) -> None:
    for group in ("model", "experiment"):
        (here / "mine" / group).mkdir(parents=True)
        (here / "mine" / group / "x.yaml").write_text(f"{GLOBAL if group == 'experiment' else ''}- a\n")
        answer = run_cli(*option, f"{group}=x", "data/extract=iris")
        assert answer.status == 2
        assert f"mine/{group}/x.yaml holds a list, and a file of settings has lines" in answer.err


def test_a_value_in_place_of_settings_is_named_where_one_of_them_is_typed(
    run_cli: Any, experiment: Any
) -> None:
    experiment(f"{GLOBAL}trainer: 3\n")
    answer = run_cli("data/extract=iris", "experiment=x", "trainer.epochs=1")
    assert answer.status == 2
    assert "x.yaml gives trainer the value 3, and trainer consists of several settings; " in answer.err


@pytest.mark.parametrize("word", ["+production.refitt=true", "+mine=3", "+data.loader.workers=2"])
def test_a_setting_that_is_typed_and_not_read_is_refused(run_cli: Any, word: str) -> None:
    answer = run_cli("data/extract=iris", word)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith(f"error: nothing reads the setting {word[1:5]}")


@pytest.mark.parametrize("word", ["+production.workers=3", "+sweep.trails=3"])
def test_a_typed_setting_is_not_blamed_on_a_yaml_file(run_cli: Any, word: str) -> None:
    """conf/data/load sets `workers` of another part, and `sweep` is a group as well."""
    answer = run_cli("-m", "sweep=tpe", "sweep.trials=2", "data/extract=iris", word)
    assert answer.status == 2
    assert answer.err.startswith(f"error: nothing reads the setting {word[1:-2]}; did you mean ")
    assert ".yaml" not in answer.err


def test_a_setting_that_another_one_uses_is_read(run_cli: Any) -> None:
    words = ("check", "data/extract=iris", "+mine.rate=3e-3", "trainer.optimizer.lr=${mine.rate}")
    assert run_cli(*words).status == 0


@pytest.mark.parametrize(
    ("word", "rule", "remedy"),
    [
        ("checkpoint=-1", "checkpoint consists of several settings", "set one of checkpoint.finished, "),
        ("harness=x", "harness consists of several settings", "set one of harness."),
        (
            "~outputs",
            "a setting refers to the setting 'outputs', which does not exist",
            "leave out the override",
        ),
        ("~data.cache.folder", "the setting data.cache.folder is missing", "remove the override"),
        ("~resume.run", "resume.run is null, and cannot be deleted", "leave out ~resume.run."),
        ("trainer.scheduler._partial_=x", "trainer.scheduler._partial_ must be true or false, got 'x'", ""),
        ("+model._convert_=3", "model._convert_ must be one of none, partial, object, all", ""),
        ("data.cache.size=1e400", "data.cache.size must be a finite number, got inf", ""),
        ("checkpoint.share=nan", "checkpoint.share must be a finite number, got nan", ""),
        ("+model._args_=x", "model._args_ must be a list", ""),
        ("pretrain.words={a:", "pretrain.words must be words of the command line, and '{a:' is not", ""),
    ],
)
def test_a_setting_that_cannot_be_so_is_refused_in_one_line(
    run_cli: Any, word: str, rule: str, remedy: str
) -> None:
    answer = run_cli("check", "data/extract=iris", "model=mlp", "trainer=supervised", word)
    assert answer.status == 2
    assert answer.err.startswith(f"error: {rule}")
    assert remedy in answer.err
    assert answer.err.count("\n") == 1
