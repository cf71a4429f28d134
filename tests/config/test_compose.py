from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF, choice, choices
from harness.config.compose import compose, compose_exactly, register_resolvers
from harness.config.overrides import Overrides, as_texts
from harness.core.errors import UserError


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ([], ["model=convnet", "data/transform=image", "data/augment=none"]),
        (["data/extract=iris"], ["model=mlp", "data/transform=tabular", "data/augment=none"]),
        (["trainer=contrastive"], ["model=convnet", "data/transform=image", "data/augment=image"]),
        (
            ["data/extract=wine", "trainer=contrastive"],
            ["model=mlp", "data/transform=tabular", "data/augment=tabular"],
        ),
        (["model=resnet18"], ["data/transform=image", "data/augment=none"]),
        (
            ["data/extract=csv", "data.extract.kind=image"],
            ["model=convnet", "data/transform=image", "data/augment=none"],
        ),
        (["model=vit", "data/transform=tabular", "data/augment=tabular"], []),
        (["model=auto", "model.widths=[8]"], ["model=convnet", "data/transform=image", "data/augment=none"]),
    ],
)
def test_auto_follows_from_the_kind_of_the_data_and_the_trainer(words: list[str], made: list[str]) -> None:
    assert as_texts(choose_parts(Overrides.parse(words), compose_exactly)) == made


def test_a_value_below_an_auto_group_applies_to_the_chosen_part() -> None:
    assert compose(["model.widths=[7]"]).model.widths == [7]
    assert compose(["data/extract=iris", "model.norm=batch"]).model.norm == "batch"


def test_without_the_choices_made_auto_stays_auto() -> None:
    assert compose_exactly([]).model == {"_auto_": True}


def test_a_key_or_choice_that_does_not_exist_is_hydras_to_refuse() -> None:
    for words in (["nope=1"], ["model=nope"], ["experiment=nope"]):
        with pytest.raises(HydraException):
            compose(words)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("tracking=null", "tracking takes one choice by its name: mlflow, none."),
        ("trainer=3", "trainer takes one choice by its name: contrastive, semi_supervised, supervised."),
        (
            "trainer=[supervised,contrastive]",
            "trainer takes one choice by its name: contrastive, semi_supervised, supervised; "
            "several are runs of their own: -m trainer=supervised,contrastive.",
        ),
        ("data=x", None),
        (
            "data=null",
            "data holds groups, each of which takes a choice: "
            "data/augment, data/extract, data/load, data/transform.",
        ),
        ("=3", "the setting '=3' lacks a key; write KEY=VALUE."),
        ("model=mlp", None),
        ("model='mlp'", None),
        ("model=mlp,convnet", None),
        ("~model", None),
        ("trainer.epochs=3", None),
    ],
)
def test_a_group_takes_one_choice(word: str, sentence: str | None) -> None:
    if sentence is None:
        Overrides.parse([word]).check_choices()
        return
    with pytest.raises(UserError) as caught:
        Overrides.parse([word]).check_choices()
    assert str(caught.value) == sentence


def test_the_first_run_of_a_multirun_has_the_first_of_all_values() -> None:
    words = ["a=1,2", "+b='x, y'", "c=range(3,9)", "d=interval(0,1)", "~e", "f=${oc.env:X}", "g=[1],[2]"]
    assert Overrides.parse(words).first_values().texts == [
        "a=1",
        "+b='x, y'",
        "c=3",
        "~e",
        "f=${oc.env:X}",
        "g=[1]",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "select * from visits where age < 3 and name = 'x, y' -- (all)",
        "select \"a b\" from t where path = 'c:\\dir\\'",
        "{ rows(first: 3) { id } }",
        "select 1 as a, 'it''s' as b \\",
        'ends with a quote "',
    ],
)
def test_a_query_is_taken_as_it_is_typed(query: str) -> None:
    words = ["data/extract=sql", "data.extract.url=sqlite:///a.db", f"data.extract.query={query}"]
    assert compose(words).data.extract["query"] == query


@pytest.mark.parametrize("word", ["data.extract.query='select *'", 'data.extract.query="select *"'])
def test_a_query_that_is_quoted_for_hydra_is_left_alone(word: str) -> None:
    assert compose(["data/extract=sql", word]).data.extract["query"] == "select *"


def test_no_query_is_null_and_a_reference_to_the_environment_still_works(monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_TEST_WARD", "north")
    assert compose(["data/extract=sql", "data.extract.query=null"]).data.extract["query"] is None
    word = "data.extract.query=select * from t where ward = '${oc.env:HARNESS_TEST_WARD}'"
    assert compose(["data/extract=sql", word]).data.extract["query"].endswith("= 'north'")


def test_the_choices_are_the_yaml_files() -> None:
    assert choices("tracking") == ["mlflow", "none"]
    assert choices("nope") == choices("") == []
    assert choice("evaluate", "regression") == {"_target_": "harness.evaluate.regression.Regression"}
    assert (CONF / "config.yaml").is_file()


def test_two_runs_of_one_second_have_two_folders() -> None:
    register_resolvers()
    tokens = {OmegaConf.create({"a": "${token:}", "b": "${token:}"}).a for _ in range(2)}
    cfg = OmegaConf.create({"a": "${token:}", "b": "${token:}"})
    assert cfg.a == cfg.a == cfg.b  # one run, one folder
    assert all(len(token) == 4 for token in tokens)


def test_the_folder_of_a_multirun_is_that_of_the_sweep_its_words_mean(tmp_path: Path) -> None:
    register_resolvers()

    def folder(name: str | None, *words: str) -> str:
        node = {"o": str(tmp_path), "n": name, "w": list(words), "f": "${sweep_folder:${o},${n},${w}}"}
        return str(OmegaConf.create(node).f)

    first = folder(None, "a=1,2", "b=3")
    assert first.endswith("-0")
    assert folder(None, "b=3", "a=1,2", "sweep.workers=2", "hydra/launcher=x") == first
    assert folder(None, "a=1,3", "b=3") != first
    (tmp_path / "sweeps" / "mine-0").mkdir(parents=True)
    assert folder("mine", "a=1") == "mine-0"
    (tmp_path / "sweeps" / "mine-0" / "result.json").write_text('{"status": "finished"}')
    assert folder("mine", "a=1") == "mine-1"


@pytest.mark.parametrize(
    ("words", "epochs"),
    [
        (["trainer.epochs=5", "trainer.epochs=2"], 2),
        (["trainer.epochs=5", "++trainer.epochs=2"], 2),
        (["++trainer.epochs=5", "trainer.epochs=2"], 2),
        (["seed=7", "trainer.epochs=5", "trainer.epochs=${seed}"], 7),
        (["seed=7", "trainer.epochs=${seed}", "trainer.epochs=5"], 5),
    ],
)
def test_of_several_overrides_of_a_setting_the_last_holds(words: list[str], epochs: int) -> None:
    assert compose(words).trainer.epochs == epochs
