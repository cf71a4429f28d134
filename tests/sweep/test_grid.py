from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from harness.errors import UserError
from harness.sweep.grid import combinations

FAST = ("trainer.epochs=1", "tracking=none")


def grid(*words: str) -> list[list[str]]:
    return combinations(OverridesParser.create().parse_overrides(list(words)))


def test_the_grid_is_every_combination_with_the_last_key_varying_fastest() -> None:
    assert grid("a=1,2", "b=x", "c=[3],[4]") == [
        ["a=1", "b=x", "c=[3]"],
        ["a=1", "b=x", "c=[4]"],
        ["a=2", "b=x", "c=[3]"],
        ["a=2", "b=x", "c=[4]"],
    ]


def test_words_that_are_not_swept_stay_as_they_were_typed() -> None:
    words = ["~a", "+b=${oc.env:X}", "c='x, y'", "d={e: 1}", "++f=null"]
    assert grid(*words) == [words]


def test_ranges_and_quoted_values_are_listed() -> None:
    assert grid("seed=range(1,4)") == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert grid("name='a,b','c'") == [["name='a,b'"], ["name='c'"]]


@pytest.mark.parametrize("values", ["interval(0.1,1)", "tag(log,interval(1e-4,1e-1))", "int(interval(1,5))"])
def test_an_interval_has_no_grid(values: str) -> None:
    with pytest.raises(
        UserError, match=r"^a grid needs listed values, and lr got .+; list them: lr=A,B,C\.$"
    ):
        grid(f"lr={values}")


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^seed=range\(1,0\) holds no value; give one or more: seed=A,B,C\.$"
    ):
        grid("seed=range(1,0)")


def results(here: Path) -> list[dict[str, Any]]:
    """The results of the one multirun, by the numbers of its runs."""
    (sweep,) = (here / "outputs" / "sweeps").iterdir()
    folders = sorted(sweep.iterdir(), key=lambda folder: int(folder.name))
    assert [folder.name for folder in folders] == [str(number) for number in range(len(folders))]
    return [json.loads((folder / "result.json").read_text()) for folder in folders]


def test_a_multirun_of_four_writes_four_folders(knock: Any, here: Path) -> None:
    answer = knock("-m", "data/extract=iris", "seed=1,2", "model.widths=[4],[8]", *FAST)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("4 runs in outputs/sweeps/")
    found = results(here)
    assert [result["status"] for result in found] == ["finished"] * 4
    assert [result["seed"] for result in found] == [1, 1, 2, 2]
    parameters = [result["scores"]["model/parameters"]["mean"] for result in found]
    assert parameters == [20, 40, 20, 40]
    assert found[1]["command"] == (
        "python -m harness data/extract=iris seed=1 'model.widths=[8]' trainer.epochs=1 tracking=none "
        "model=mlp data/transform=tabular data/augment=none"
    )


def test_what_auto_stands_for_is_chosen_for_each_run(knock: Any, here: Path) -> None:
    answer = knock("-m", "data/extract=digits,iris", "split.test=0.9", *FAST)
    assert answer.status == 0
    (sweep,) = (here / "outputs" / "sweeps").iterdir()
    models = [OmegaConf.load(sweep / number / "config.yaml").model._target_ for number in ("0", "1")]
    assert models == ["harness.model.convnet.ConvNet", "harness.model.mlp.MLP"]
    names = [OmegaConf.load(sweep / number / "config.yaml").name for number in ("0", "1")]
    assert names == ["convnet-supervised-digits", "mlp-supervised-iris"]


def test_a_run_that_fails_does_not_keep_the_others_from_running(knock: Any, here: Path) -> None:
    words = ("data/extract=diabetes", "trainer/optimizer=sgd", "trainer.optimizer.lr=1e30,0.01", *FAST)
    answer = knock("-m", *words, "trainer.epochs=3")
    assert answer.status == 1
    assert "1 of 2 runs failed; the first of them, data/extract=diabetes " in answer.out
    (sentence,) = answer.err.splitlines()
    assert sentence.startswith("error: the training loss became ")
    assert [result["status"] for result in results(here)] == ["failed", "finished"]
