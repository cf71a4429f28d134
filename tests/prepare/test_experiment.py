"""The parts of a fold are tried together before anything is written, and trying changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from harness.config.compose import compose
from harness.core.arrays import Loaders
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.data.cache.command_scope import command
from harness.evaluate.classification import Classification
from harness.prepare.experiment import Blank, Experiment, prepare, scores_of_each
from harness.prepare.parts import new_model
from harness.prepare.plan import make_plan

IRIS = ["data/extract=iris", "trainer.device=cpu", "tracking=none"]


class Lying(nn.Module):
    """Says another width than it has."""

    width = 3

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(shape[0], 5)

    def forward(self, inputs: Tensor) -> Tensor:
        made: Tensor = self.linear(inputs)
        return made


class Remembering(nn.Module):
    """A loss that keeps what it has seen, as a queue of embeddings does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.seen.append(len(targets))
        return outputs.square().mean()


def torn(inputs: Tensor) -> Tensor:
    raise ValueError(f"cannot take {tuple(inputs.shape)}")


def prepared(*overrides: str, **parts: dict[str, Any]) -> Experiment:
    cfg = compose([*IRIS, *overrides])
    for key, node in parts.items():
        OmegaConf.update(cfg, key.replace("__", "."), node, merge=False)
    plan = make_plan(cfg)
    return prepare(plan, plan.folds[0])


@pytest.mark.parametrize("method", ["supcon", "simclr"])
def test_a_trainer_that_learns_from_unlabelled_rows_gets_no_label_that_the_split_hides(method: str) -> None:
    made = prepared("trainer=contrastive", f"trainer/method={method}", "split.labelled=12")
    targets = made.loaders.train.targets
    assert targets is not None
    assert len(targets) == 102
    assert int((targets >= 0).sum()) == 12


def test_the_parts_are_ready_to_train() -> None:
    experiment = prepared("model.widths=[8]")
    assert experiment.parameters == 40
    assert experiment.loaders.shape == (4,)
    assert experiment.model.training
    assert [len(rows) for _, rows in experiment.fold.parts()] == [102, 18, 30]


def test_trying_leaves_model_and_generators_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = prepared("trainer=contrastive")
    after = torch.rand(())
    monkeypatch.setattr("harness.prepare.experiment.try_batch", lambda *_: None)
    untried = prepared("trainer=contrastive")
    assert torch.equal(after, torch.rand(()))
    for one, other in zip(
        tried.model.state_dict().values(), untried.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_loss_that_remembers_has_seen_nothing_yet() -> None:
    experiment = prepared(trainer__loss={"_target_": f"{__name__}.Remembering"})
    loss: Any = experiment.trainer.criterion
    assert loss.seen == []


def test_a_model_with_a_wrong_width_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        prepared(model={"_target_": f"{__name__}.Lying", "_partial_": True})
    assert str(caught.value) == (
        "a model turns (B, *shape) into (B, width), and Lying turned (4, 4) into (4, 5) with width 3; "
        "correct its forward, or its attribute width."
    )


def test_an_augmentation_that_cannot_take_the_rows_is_refused() -> None:
    with pytest.raises(UserError, match=r"^data\.augment: cannot take \(64, 4\)\.$"):
        prepared(data__augment={"_target_": f"{__name__}.torn", "_partial_": True})


def test_a_loss_that_cannot_take_the_targets_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^trainer\.loss=MSELoss compares numbers, and the target is one of several"
    ):
        prepared(trainer__loss={"_target_": "torch.nn.MSELoss"})
    method = {"_target_": "harness.trainer.contrast.metric.Metric", "miner": None, "labels": False}
    method["projection"] = [8]
    with pytest.raises(UserError, match=r"^trainer\.method: .*"):
        prepared("trainer=contrastive", trainer__method={**method, "loss": {"_target_": "torch.nn.Identity"}})


def test_a_model_that_lacks_an_argument_is_refused() -> None:
    with pytest.raises(UserError, match=r"^model: missing a required argument: 'widths'\.$"):
        new_model({"_target_": "harness.model.mlp.MLP", "_partial_": True}, (4,))


def test_a_models_error_about_the_shape_is_reported_with_its_place() -> None:
    with pytest.raises(UserError, match=r"^model[.:]"):
        prepared("data/extract=digits", "model=vit", "model.patch=3")


def test_an_untrained_twin_has_other_weights_and_draws_no_number() -> None:
    experiment = prepared("model.widths=[8]")
    before = torch.get_rng_state()
    twin = experiment.untrained()
    assert torch.equal(torch.get_rng_state(), before)
    own, other = next(experiment.model.parameters()), next(twin.model.parameters())
    assert own.shape == other.shape
    assert not torch.equal(own, other)
    assert torch.equal(other, next(experiment.untrained().model.parameters()))
    assert (twin.head, twin.loss) == (None, None)


def test_validation_names_the_scores_of_the_validation_part() -> None:
    experiment = prepared("model.widths=[8]")
    experiment.trainer.attach(experiment.model, experiment.loaders)
    scores = experiment.validate(experiment.trainer.predictor())
    assert "valid/accuracy" in scores
    assert all(name.startswith("valid/") for name in scores)
    bare = prepared("model.widths=[8]", "split.valid=0")
    assert bare.validate(experiment.trainer.predictor()) == {}


def test_what_is_validated_in_two_parts_has_the_scores_of_one() -> None:
    experiment = prepared("model.widths=[8]")
    experiment.trainer.attach(experiment.model, experiment.loaders)
    predictor = experiment.trainer.predictor()
    answers = experiment.answers(predictor)
    assert answers is not None
    assert scores_of_each([answers, answers]) == [experiment.validate(predictor)] * 2
    assert prepared("model.widths=[8]", "split.valid=0").answers(predictor) is None


class Own(Classification):
    """A user's evaluation, with a validation of its own."""

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        return {**super().validate(predictor, loaders, names), "accuracy": 0.125}


def test_an_evaluation_of_the_users_is_validated_in_one_part() -> None:
    experiment = prepared("model.widths=[8]", evaluate={"_target_": f"{__name__}.Own", "bins": 15})
    experiment.trainer.attach(experiment.model, experiment.loaders)
    predictor = experiment.trainer.predictor()
    assert experiment.answers(predictor) is None
    assert experiment.validate(predictor)["valid/accuracy"] == 0.125


class OldEvaluator:
    """An evaluator written when `validate` was called `judge`."""

    names = ("accuracy",)

    def judge(self, predictor: Any, loaders: Any) -> dict[str, float]:
        return {}


def test_an_evaluator_written_for_the_old_name_of_validate_gets_an_error_with_the_new_one() -> None:
    with pytest.raises(UserError, match=r"OldEvaluator.validate\(predictor, loaders\)") as caught:
        prepared(evaluate={"_target_": f"{__name__}.OldEvaluator"})
    assert (caught.value.key, caught.value.value) == ("evaluate", "OldEvaluator")


def test_a_blank_model_is_zeros_of_its_width() -> None:
    model = nn.Linear(7, 3)
    model.width, model.members = 3, 3
    blank = Blank(model)
    assert torch.equal(blank(torch.ones(2, 7)), torch.zeros(2, 3))
    assert blank.members == 3


def test_the_runs_of_one_command_share_their_rows_and_another_command_reads_anew() -> None:
    with command(many=True):
        table = make_plan(compose(IRIS)).table
        assert make_plan(compose([*IRIS, "seed=1"])).table is table
    assert make_plan(compose(IRIS)).table is not table


def test_planning_writes_nothing(here: Path) -> None:
    make_plan(compose([*IRIS, "data.cache=off"]))
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "fits"),
    [
        (("data.load.batch_size=1",), True),
        (("data.load.batch_size=1", "model.norm=batch"), False),
        (("data.load.batch_size=101", "model.norm=batch"), True),  # 102 rows: the last one joins the others
        (("trainer=semi_supervised", "trainer/method=mean_teacher", "split.labelled=10", "model.norm=batch",
          "data.load.unlabelled_batch_size=1"), False),
        (("trainer=semi_supervised", "trainer/method=mean_teacher", "split.labelled=10", "model.norm=batch",
          "data.load.batch_size=1", "data.load.unlabelled_batch_size=2"), True),
    ],
)  # fmt: skip
def test_a_batch_of_one_row_is_refused_where_the_model_needs_two(
    overrides: tuple[str, ...], fits: bool
) -> None:
    if fits:
        assert len(prepared("model=mlp", *overrides).loaders.train) >= 1
        return
    with pytest.raises(UserError, match="MLP cannot learn from a batch of one row") as refused:
        prepared("model=mlp", *overrides)
    assert refused.value.key == "data.load.batch_size"
