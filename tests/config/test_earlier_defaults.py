"""harness/config/earlier_defaults.py"""

from __future__ import annotations

from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.config.earlier_defaults import CHANGED, changed_words, earlier_words
from harness.runtime.secret_values import leaves

KEY = "data.transform.numeric"
WORD = "data/transform/numeric=standard"


def settings(*words: str) -> dict[str, str]:
    plain = OmegaConf.to_container(compose(["data/extract=iris", *words]), resolve=True)
    return {name: str(value) for name, value in leaves(plain)}


def differing(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {key: (old.get(key), new.get(key)) for key in {*old, *new} if old.get(key) != new.get(key)}


def test_the_earlier_default_of_a_run_is_recognised_by_its_settings() -> None:
    before, today = settings(WORD), settings()
    assert earlier_words(before, differing(before, today)) == {KEY: WORD}


def test_another_choice_is_no_earlier_default() -> None:
    before, today = settings("data/transform/numeric=robust"), settings()
    assert earlier_words(before, differing(before, today)) == {}
    own = settings(WORD, "data.transform.numeric.0.strategy=mean")
    assert earlier_words(own, differing(own, today)) == {}


def test_other_differences_have_nothing_to_do_with_it() -> None:
    before = settings(WORD)
    assert earlier_words(before, {"seed": ("1", "2")}) == {}


def test_the_defaults_of_today_are_those_of_the_configuration() -> None:
    for group, (earlier, today) in CHANGED.items():
        key = group.replace("/", ".")
        assert earlier != today
        assert not any(name.startswith(key) for name in differing(settings(), settings(f"{group}={today}")))
        assert changed_words({group: today}) == {group: f"{group}={earlier}"}
        assert changed_words({group: earlier}) == changed_words({}) == {}
