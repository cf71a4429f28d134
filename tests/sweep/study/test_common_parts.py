"""Trials that have ended share what they have in common, and stay equal."""

from __future__ import annotations

import json
from typing import Any

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.sweep.study.common_parts import CommonParts

SCORES = {"valid/accuracy": 0.5, "valid/loss": None}


def ended(owner: dict[str, Any], scores: dict[str, Any] = SCORES) -> FrozenTrial:
    """A trial whose texts are its own, as those of a line of a journal."""
    return create_trial(
        state=TrialState.COMPLETE,
        value=0.5,
        params=json.loads('{"trainer.lr": 0.1}'),
        distributions={"trainer.lr": FloatDistribution(0.0, 1.0)},
        user_attrs=json.loads(json.dumps({"scores": scores, "seconds": 1.5})),
        system_attrs=json.loads(json.dumps({"owner": owner})),
    )


def test_trials_are_equal_before_and_after_to_the_types_of_their_numbers() -> None:
    parts = CommonParts()
    for scores in ({"a": 1}, {"a": 1.0}, {"a": True}, {"a": 1}, {"b": 1}):
        trial = ended({"pid": 1}, scores)
        parts.share(trial)
        assert repr(trial.user_attrs) == repr({"scores": scores, "seconds": 1.5})
        assert repr(trial.system_attrs) == repr({"owner": {"pid": 1}})
        assert trial.params == {"trainer.lr": 0.1}
        assert trial.distributions == {"trainer.lr": FloatDistribution(0.0, 1.0)}


def test_equal_parts_are_one_object() -> None:
    parts = CommonParts()
    one, other, third = ended({"pid": 1}), ended({"pid": 1}, {**SCORES, "valid/loss": 2.0}), ended({"pid": 2})
    for trial in (one, other, third):
        parts.share(trial)
    assert one.system_attrs["owner"] is other.system_attrs["owner"]
    assert one.system_attrs["owner"] is not third.system_attrs["owner"]
    assert one.system_attrs is other.system_attrs
    assert one.distributions is third.distributions
    assert one.user_attrs["scores"] != other.user_attrs["scores"]
    for mine, its in zip(one.user_attrs["scores"], other.user_attrs["scores"], strict=True):
        assert mine is its
