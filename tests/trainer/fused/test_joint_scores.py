"""Members that are validated together have the scores that each has alone, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from harness.core.predictor import Predictor
from harness.core.task import TaskKind
from harness.evaluate.classification import Classification
from harness.evaluate.scored_rows import Answers, scores_of
from harness.trainer.fused import group_training
from harness.trainer.fused.fused_member import JointValidation, Member
from tests.service.fused_members import equal, together, weights
from tests.trainer.fused import test_group_training as group

Scored = list[int]
"""How many members were scored in each call."""


def of_valid(scores: dict[str, float]) -> dict[str, float]:
    return {f"valid/{name}": value for name, value in scores.items()}


def validated_by(evaluator: Classification, one: Member, joint: bool, scored: Scored) -> Member:
    """The same training, with all scores of an evaluator at each epoch."""
    valid = one.loaders.valid
    assert valid is not None

    def validate(predictor: Predictor) -> dict[str, float]:
        return of_valid(evaluator.validate(predictor, one.loaders))

    def scores(answered: Sequence[Answers]) -> list[dict[str, float]]:
        scored.append(len(answered))
        return [of_valid(own) for own in scores_of(answered)]

    one.validate = validate
    one.joint = JointValidation(partial(evaluator.answers, loader=valid), scores) if joint else None
    return one


def trained(joint: bool, count: int, scored: Scored, **case: Any) -> tuple[list[Member], list[Any]]:
    evaluator = Classification()
    members = [
        validated_by(evaluator, group.member(number, **case), joint, scored) for number in range(count)
    ]
    return members, together(members)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"model": "batch"}])
def test_members_that_are_scored_together_have_the_scores_and_weights_of_each_alone(
    kind: TaskKind, changes: dict[str, Any]
) -> None:
    calls: Scored = []
    members, curves = trained(True, 5, calls, kind=kind, **changes)
    apart, expected = trained(False, 5, calls, kind=kind, **changes)
    assert calls == [5, 5]  # two epochs
    assert curves == expected
    assert {"valid/loss", "valid/accuracy", "valid/f1", "valid/auroc", "valid/log_loss", "valid/ece"} <= set(
        curves[0][0]
    )
    for one, other in zip(members, apart, strict=True):
        assert equal(weights(one), weights(other))
        assert one.random.generator.get_state().equal(other.random.generator.get_state())


def test_with_many_outputs_fewer_members_are_scored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_training, "_NUMBERS_AT_ONCE", 2 * 14 * 3)  # two members of 14 rows
    calls: Scored = []
    _, curves = trained(True, 5, calls)
    assert calls == [2, 2, 1] * 2
    assert curves == trained(False, 5, calls)[1]


def test_a_member_alone_is_validated_at_once() -> None:
    calls: Scored = []
    trained(True, 1, calls)
    assert calls == []


def test_a_member_that_diverges_is_not_scored() -> None:
    calls: Scored = []
    evaluator = Classification()
    members = [
        validated_by(evaluator, group.member(number, extreme=number == 1), True, calls) for number in range(3)
    ]
    curves = together(members)
    assert calls == [2, 2]
    assert members[1].failure is not None
    expected = trained(False, 3, calls)[1]
    assert curves == [expected[0], [], expected[2]]


def test_a_validation_that_has_one_part_is_done_for_each_member() -> None:
    calls: Scored = []
    members = [validated_by(Classification(), group.member(number), True, calls) for number in range(3)]
    joint = members[1].joint
    assert joint is not None
    members[1].joint = joint._replace(answers=lambda predictor: None)
    assert together(members) == trained(False, 3, calls)[1]
    assert calls == [2, 2]


def test_dropout_is_looked_up_in_one_network_of_a_group_without_it() -> None:
    members = [group.member(number, "layer") for number in (0, 3, 7)]  # of equal rows
    for one in members:
        one.begin()
    list(group.stacked_members.StackedMembers(members, 4).train_epoch(lambda: False, lambda: False))
    assert [list(one.dropout._used.values()) for one in members] == [[[]], [], []]
