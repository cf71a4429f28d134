from __future__ import annotations

from typing import Any

import pytest

from harness.config.compose import compose_exactly
from harness.config.overrides import Overrides
from harness.config.text_values import read_overrides


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("+data.extract.types.größe=text", "data.extract.types.größe", "text"),
        ("+data.extract.types.рост=int", "data.extract.types.рост", "int"),
        ("+tags.größe=1", "tags.größe", 1),
        ("+tags.größe='größe'", "tags.größe", "größe"),
        ("++tags={größe: {ü: 1}, b: 'ä: 2'}", "tags", {"größe": {"ü": 1}, "b": "ä: 2"}),
        ('++tags=[größe,{ü: "a\\"ö"}]', "tags", ["größe", {"ü": 'a"ö'}]),
        ("+tags.ZqZ=ZqZf6ZqZ", "tags.ZqZ", "ZqZf6ZqZ"),  # letters of our own writing, in ASCII
    ],
)
def test_a_key_is_read_as_it_is(word: str, key: str, value: Any) -> None:
    (override,) = Overrides.parse([word])
    assert (override.key_or_group, override.value(), override.input_line) == (key, value, word)


def test_what_hydra_can_read_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.config.any_letters._in_ascii", None)
    (override,) = Overrides.parse(["data.extract.path='größe.csv'"])
    assert override.value() == "größe.csv"


def test_each_value_of_a_sweep_has_the_key() -> None:
    one, several = Overrides.parse(["+tags.größe=a,b", "++tags={ü: 1},{ü: 2}"])
    assert (one.key_or_group, list(one.sweep_string_iterator())) == ("tags.größe", ["a", "b"])
    assert list(several.sweep_string_iterator()) == ["{ü:1}", "{ü:2}"]


def test_hydra_composes_them() -> None:
    words = ["data/extract=csv", "+data.extract.types.größe=int", "+data.extract.types.höhe (cm)=text"]
    typed = read_overrides([*words, "+tags.größe=2019"], compose_exactly)
    cfg = compose_exactly(typed.texts)
    assert cfg.data.extract.types == {"größe": "int", "höhe (cm)": "text"}
    assert cfg.tags["größe"] == 2019
