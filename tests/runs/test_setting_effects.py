"""Each setting has an entry in the table of effects, and every reader of the table agrees with it."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose_exactly
from harness.runs.setting_effects import EFFECTS, affecting_scores, below, effects_of, fixed_on_resume
from harness.runtime.secret_values import leaves


@pytest.mark.parametrize("words", [[], ["sweep=asha"], ["data/extract=iris", "debug=fast"]])
def test_every_setting_of_the_composed_configuration_has_an_entry(words: list[str]) -> None:
    config = OmegaConf.to_container(compose_exactly(words), resolve=False)
    missing = [key for key, _ in leaves(config) if not below(key, EFFECTS)]
    assert missing == []


def test_the_longest_key_counts() -> None:
    assert effects_of("tracking.uri").resume
    assert not effects_of("tracking.outputs").resume
    assert effects_of("sweep.sampler.seed").names_sweep
    assert not effects_of("sweep.workers").names_sweep


def test_a_setting_of_ones_own_may_affect_scores() -> None:
    assert effects_of("mine.depth").scores


def test_labels_leave_scores_alone_and_stay_with_a_resumed_run() -> None:
    texts = {"name": "a", "tags.idea": "b", "tracking.uri": "c", "seed": "0", "checkpoint.keep": "2"}
    assert affecting_scores(texts) == {"seed": "0"}
    assert set(fixed_on_resume(texts)) == {"name", "tags.idea", "tracking.uri", "seed"}


def test_what_affects_scores_is_fixed_on_resume() -> None:
    assert all(effects.resume for effects in EFFECTS.values() if effects.scores)
