"""The semi-supervised trainer: what a step is made of, and what it learns."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.predictor import probabilities
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.trainer.consistency.fixmatch import FixMatch
from harness.trainer.consistency.flexmatch import FlexMatch
from harness.trainer.consistency.freematch import FreeMatch
from harness.trainer.consistency.mean_teacher import MeanTeacher
from harness.trainer.consistency.pi_model import PiModel
from harness.trainer.consistency.pseudo_label import PseudoLabel
from harness.trainer.layers import Layers
from harness.trainer.semi_supervised import SemiSupervisedTrainer
from harness.trainer.speed import Speed
from harness.trainer.update import Update

TASKS = {"multiclass": Task("multiclass", ("a", "b", "c")), "binary": Task("binary", ("no", "yes"))}
METHODS = {
    "pseudo_label": partial(PseudoLabel, weight=1.0, ramp=[0.0, 0.5], threshold=0.0),
    "pi_model": partial(PiModel, weight=1.0, ramp=0.3),
    "mean_teacher": partial(MeanTeacher, weight=1.0, ramp=0.3, decay=0.9),
    "fixmatch": partial(FixMatch, weight=1.0, threshold=0.6),
    "flexmatch": partial(FlexMatch, weight=1.0, threshold=0.6),
    "freematch": partial(FreeMatch, weight=1.0, fairness=0.01, momentum=0.9),
}


class Noise:
    """An augmentation whose weak change is none."""

    def __call__(self, inputs):
        return inputs + 0.1 * torch.randn_like(inputs)

    def weak(self, inputs):
        return inputs


class Counted(nn.Module):
    """(B, 4) -> (B, 8), with a note of the size of each batch that it sees in training."""

    width = 8

    def __init__(self):
        super().__init__()
        self.linear, self.sizes = nn.Linear(4, 8), []

    def forward(self, inputs):
        self.sizes.append(len(inputs))
        return torch.relu(self.linear(inputs))


def model():
    torch.manual_seed(0)
    return Counted()


def loaders(kind="multiclass", *, labelled=8, unlabelled=40, batch_size=8, **changes):
    """Rows of four numbers whose class follows from the first two; every third row of the table trains."""
    count = labelled + unlabelled + 16
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    sums = inputs[:, 0] + inputs[:, 1]
    codes = (sums > -0.5).long() + (sums > 0.5) * (kind == "multiclass")
    rows = np.random.RandomState(0).permutation(count)
    train, hidden, valid = np.split(rows, [labelled, labelled + unlabelled])
    codes[hidden] = -1
    fold = Fold(0, np.sort(train), np.sort(valid), rows[:0], np.sort(hidden))
    load = Resident(batch_size=batch_size, eval_batch_size=64, shuffle=True, **changes)
    return load(Arrays(inputs, codes, TASKS[kind]), fold, torch.device("cpu"))


def trainer(name="fixmatch", *, ema=None, **changes):
    universal = {
        "epochs": 2,
        "steps": None,
        "minutes": None,
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "scheduler": None,
        "monitor": "valid/score",
        "patience": None,
        "update": Update(accumulate=1, clip_norm=None, ema=ema, skip=0),
        "layers": Layers(freeze=0, head_first=0, decay=1.0, decay_all=False),
        "speed": Speed(channels_last=False, compile=False, tune=False, tf32=False, parallel="ddp"),
        "device": "cpu",
        "precision": "fp32",
    }
    return SemiSupervisedTrainer(**({"method": METHODS[name]()} | universal | changes))


def fit(learner, network, data, **keywords):
    defaults = {"augment": Noise(), "validate": lambda predictor: {}, "stop": lambda: False}
    return list(learner.fit(network, data, **(defaults | keywords)))


def weights(part):
    return torch.cat([value.detach().flatten() for value in part.parameters()])


def test_a_step_passes_labelled_and_unlabelled_rows_through_the_network_as_one_batch():
    network = model()
    fit(trainer("fixmatch", epochs=1), network, loaders(unlabelled_batch_size=10))
    assert network.sizes == [8 + 10 + 10] * 4


def test_the_last_view_goes_to_the_teacher_where_there_is_one():
    network, learner = model(), trainer("mean_teacher", epochs=1)
    fit(learner, network, loaders(unlabelled_batch_size=10))
    assert network.sizes == [8 + 10] * 4
    assert learner.companion.teacher.parts[0].sizes == [10] * 4


def test_an_epoch_is_a_pass_over_the_unlabelled_rows_beside_which_the_labelled_ones_repeat():
    learner, data = trainer("pi_model"), loaders(labelled=12, unlabelled=40)
    learner.attach(model(), data)
    steps = [learner.unpack(batches, Noise()) for batches in learner._epochs]
    rows = torch.cat([part.unlabelled.rows for part in steps])
    assert rows.sort().values.tolist() == data.unlabelled.rows.tolist()
    assert [len(part.labelled.labels) for part in steps] == [8, 4, 8, 4, 8]
    assert all((part.labelled.labels >= 0).all() for part in steps)


def test_an_epoch_is_a_pass_over_the_labelled_rows_where_these_have_more_batches():
    learner, data = trainer("pi_model"), loaders(labelled=40, unlabelled=12)
    learner.attach(model(), data)
    steps = [learner.unpack(batches, Noise()) for batches in learner._epochs]
    assert [len(part.labelled.labels) for part in steps] == [8] * 5
    assert all((part.labelled.labels >= 0).all() for part in steps)
    assert [len(part.unlabelled.rows) for part in steps] == [8, 4, 8, 4, 8]


@pytest.mark.parametrize(("kind", "threshold"), [("multiclass", 0.4), ("binary", 0.55)])
def test_the_loss_is_the_cross_entropy_of_the_labelled_rows_and_the_methods_term(kind, threshold):
    learner, data = trainer(method=FixMatch(weight=1.0, threshold=threshold)), loaders(kind)
    learner.attach(model(), data)
    parts = learner.unpack(next(iter(learner._epochs)), Noise())

    def chances(inputs):
        return probabilities(learner.head(learner.model(inputs)))

    labelled = -chances(parts.labelled.data).log()[range(8), parts.labelled.labels].mean()
    strong, mild = (chances(view) for view in parts.unlabelled.views)
    confidence, codes = mild.max(1)
    costs = -strong.log()[range(8), codes]
    naive = labelled + costs[confidence >= threshold].sum() / 8
    assert 0 < (confidence >= threshold).sum() < 8
    assert learner.loss(parts).item() == pytest.approx(naive.item(), rel=1e-5)


def test_a_split_without_labelled_rows_to_train_on_is_refused():
    words = "learns from labelled rows as well, and this split leaves none to train on; choose a split"
    with pytest.raises(UserError, match=words):
        trainer().preflight(model(), loaders(labelled=0))


def test_the_labelled_rows_are_changed_weakly():
    class Apart:
        def __call__(self, inputs):
            return inputs + 100

        def weak(self, inputs):
            return inputs

    learner, data = trainer("fixmatch"), loaders()
    learner.attach(model(), data)
    parts = learner.unpack(next(iter(learner._epochs)), Apart())
    assert parts.labelled.data.max() < 50
    assert parts.unlabelled.views[0].min() > 50
    assert parts.unlabelled.views[1].max() < 50


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_every_method_reports_the_two_parts_of_its_loss(method, kind):
    scores = fit(trainer(method), model(), loaders(kind))[-1].scores
    parts = scores["train/loss_labelled"] + scores["train/loss_unlabelled"]
    assert scores["train/loss"] == pytest.approx(parts, rel=1e-5)
    assert scores.get("train/mask_rate", 1.0) <= 1
    assert ("train/mask_rate" in scores) == (method not in ("pi_model", "mean_teacher"))


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_ends_with_the_same_weights_also_within_an_epoch(method):
    torch.manual_seed(1)
    whole, data = trainer(method, ema=0.9), loaders(labelled=12)
    passing = whole.fit(model(), data, Noise(), lambda p: {}, lambda: False, due=lambda: whole.step == 7)
    states = [progress.state() for progress in passing if not progress.whole]
    torch.manual_seed(2)
    resumed = trainer(method, ema=0.9)
    fit(resumed, Counted(), loaders(labelled=12), state=states[0])
    assert len(states) == 1
    assert torch.equal(weights(resumed.network), weights(whole.network))
    for ours, theirs in zip(resumed.network.buffers(), whole.network.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_teacher_is_the_average_that_is_judged():
    learner, validated = trainer("mean_teacher", ema=0.9), []

    def validate(predictor):
        validated.append(weights(predictor.model))
        assert torch.allclose(
            torch.cat([weights(predictor.model), weights(predictor.head)]),
            weights(learner.companion.teacher),
            atol=1e-6,
        )
        return {}

    fit(learner, model(), loaders(), validate=validate)
    assert len(validated) == 2


def test_the_teacher_is_no_part_of_the_predictor():
    learner = trainer("mean_teacher", ema=0.9)
    fit(learner, model(), loaders())
    assert learner.predictor().model is learner.model


def test_two_classes_have_one_logit_as_in_supervised_learning():
    learner, data = (
        trainer(method=FixMatch(weight=1.0, threshold=0.95), epochs=60),
        loaders("binary", labelled=24),
    )
    fit(learner, model(), data)
    predictor = learner.predictor()
    outputs = predictor.gather(data.valid).outputs
    targets = data.valid.targets
    assert outputs.shape == (16,)
    assert ((outputs > 0).long() == targets).double().mean() >= 0.8
    expected = F.binary_cross_entropy_with_logits(outputs, targets.float())
    assert torch.allclose(predictor.loss(outputs, targets), expected, atol=1e-6)


def test_training_in_bfloat16_compares_in_float32():
    scores = fit(trainer("fixmatch", precision="bf16"), model(), loaders())[-1].scores
    assert scores["train/loss"] == pytest.approx(
        scores["train/loss_labelled"] + scores["train/loss_unlabelled"], rel=1e-5
    )


def test_flexmatch_knows_the_unlabelled_rows_by_their_place_in_the_table():
    learner, data = trainer("flexmatch"), loaders()
    fit(learner, model(), data)
    assert torch.equal(learner.method.rows, data.unlabelled.rows)
    assert (learner.method.status >= 0).any()
