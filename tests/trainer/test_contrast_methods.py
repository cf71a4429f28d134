"""Each method compares what its paper compares, through heads of the widths in its settings."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.loss.barlow_twins import barlow_twins
from harness.loss.vicreg_terms import vicreg
from harness.trainer.contrast.barlow import Barlow
from harness.trainer.contrast.byol import Byol
from harness.trainer.contrast.columns import ColumnPairs, ColumnTriplets
from harness.trainer.contrast.metric import Metric
from harness.trainer.contrast.moco import Moco
from harness.trainer.contrast.momentum_encoder import Momentum
from harness.trainer.contrast.online_probe import Probe
from harness.trainer.contrast.projection_heads import mlp
from harness.trainer.contrast.simsiam import SimSiam
from harness.trainer.contrast.vicreg import VicReg
from harness.trainer.contrastive_method import Contrast, ContrastiveMethod

ROWS = 3


class Net(nn.Module):
    """(B, 4) -> (B, 8)."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.linear(inputs))


def built(method: ContrastiveMethod) -> tuple[Net, Any]:
    torch.manual_seed(0)
    model = Net()
    method.build(model, 8)
    return model, method.eval()  # so that what a row comes to does not hang on the others


def parts(rows: list[int] | None = None, seed: int = 1) -> Contrast:
    """Three rows with two views each, or with the given row numbers."""
    numbers = list(range(ROWS)) * 2 if rows is None else rows
    views = torch.randn(len(numbers), 4, generator=torch.Generator().manual_seed(seed))
    negatives = views[2 * ROWS :] if len(numbers) > 2 * ROWS else None
    return Contrast(
        views[:ROWS], views[ROWS : 2 * ROWS], negatives, torch.arange(ROWS), torch.tensor(numbers), None
    )


def loss(model: Net, method: Any, contrast: Contrast) -> Tensor:
    representation = model(torch.cat(method.views(contrast)))
    found: Tensor = method.compare(contrast, *method.embed(representation, contrast))
    return found


def cosine(one: Tensor, other: Tensor) -> Tensor:
    return (normalize(one, dim=1) * normalize(other, dim=1)).sum(dim=1).mean()


def moved(module: nn.Module) -> None:
    """As if it had learned a little."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1


def test_byol_predicts_the_targets_projection_of_the_other_view() -> None:
    model, byol = built(Byol(projection=[6, 5], prediction=[7, 5], momentum=0.9))
    target = copy.deepcopy(nn.Sequential(model, byol.projector)).eval()
    moved(model)
    moved(byol.projector)
    contrast = parts()

    def predicted(view: Tensor) -> Tensor:
        guess: Tensor = byol.predictor(byol.projector(model(view)))
        return guess

    one = 2 - 2 * cosine(predicted(contrast.data), target(contrast.positives))
    other = 2 - 2 * cosine(predicted(contrast.positives), target(contrast.data))
    found = loss(model, byol, contrast)
    torch.testing.assert_close(found, one + other)
    found.backward()
    assert all(parameter.grad is not None for parameter in byol.predictor.parameters())
    assert all(parameter.grad is None for parameter in byol.target.parameters())


def test_simsiam_predicts_the_other_views_projection_without_a_gradient_through_it() -> None:
    model, simsiam = built(SimSiam(projection=[6, 5], prediction=[2, 5]))
    contrast = parts()
    one, other = (simsiam.projector(model(view)) for view in (contrast.data, contrast.positives))
    expected = -cosine(simsiam.predictor(one), other.detach()) - cosine(
        simsiam.predictor(other), one.detach()
    )
    found = loss(model, simsiam, contrast)
    torch.testing.assert_close(found, 1 + expected / 2)
    gradients = [torch.autograd.grad(value, model.linear.weight)[0] for value in (found, expected / 2)]
    torch.testing.assert_close(*gradients)


def test_barlow_and_vicreg_compare_the_projections_of_the_two_views() -> None:
    weights = {"invariance": 3.0, "variance": 2.0, "covariance": 1.0}
    contrast = parts()
    for method in (Barlow(projection=[6, 5], redundancy=0.3), VicReg(projection=[6, 5], **weights)):
        model, made = built(method)
        one, other = (made.projector(model(view)) for view in (contrast.data, contrast.positives))
        barlow = isinstance(method, Barlow)
        expected = barlow_twins(one, other, redundancy=0.3) if barlow else vicreg(one, other, **weights)
        torch.testing.assert_close(loss(model, made, contrast), expected)


def test_moco_finds_the_key_of_the_other_view_among_those_of_the_queue() -> None:
    model, moco = built(Moco(projection=[6, 5], queue=10, temperature=0.2, momentum=0.9))
    keys_of = copy.deepcopy(nn.Sequential(model, moco.projector))
    moved(model)
    contrast, queue = parts(), moco.queue.clone()
    torch.testing.assert_close(queue.norm(dim=1), torch.ones(10))
    queries = normalize(moco.projector(model(contrast.data)), dim=1)
    keys = normalize(keys_of(contrast.positives), dim=1)
    total = torch.zeros(())
    for query, key in zip(queries, keys, strict=True):
        logits = torch.stack([query @ key, *(query @ old for old in queue)]) / 0.2
        total += -torch.log_softmax(logits, dim=0)[0]
    found = loss(model, moco, contrast)
    torch.testing.assert_close(found, total / ROWS)
    found.backward()
    assert all(parameter.grad is None for parameter in moco.copy.parameters())


def test_the_newest_keys_take_the_place_of_the_oldest() -> None:
    model, moco = built(Moco(projection=[5], queue=7, temperature=0.2, momentum=1.0))
    seen = []
    for seed in range(3):
        contrast = parts(seed=seed)
        loss(model, moco, contrast)
        seen.extend(normalize(moco.copy(contrast.positives), dim=1))
    # Nine keys in seven places: the last two stand where the first two stood.
    torch.testing.assert_close(moco.queue, torch.stack([*seen[7:], *seen[2:7]]))
    assert moco.oldest.item() == 2


def test_a_queue_and_its_place_are_in_the_state() -> None:
    names = set(built(Moco(projection=[5], queue=7, temperature=0.2, momentum=0.9))[1].state_dict())
    assert {"queue", "oldest", "copy.parts.0.linear.weight", "projector.0.weight"} <= names


def test_a_queue_that_a_batch_would_fill_is_refused() -> None:
    model, moco = built(Moco(projection=[5], queue=ROWS, temperature=0.2, momentum=0.9))
    words = (
        r"^trainer\.method\.queue must hold more keys than a batch has rows, got 3 for 3; raise it, or lower "
        r"data\.load\.batch_size\.$"
    )
    with pytest.raises(UserError, match=words):
        loss(model, moco, parts())


def test_a_momentum_copy_is_the_moving_average_of_the_weights() -> None:
    torch.manual_seed(0)
    model = Net()
    average = [weight.detach().clone() for weight in model.parameters()]
    follower = Momentum(model)
    for _ in range(3):
        moved(model)
        follower.follow(0.7, model)
        average = [0.7 * old + 0.3 * new for old, new in zip(average, model.parameters(), strict=True)]
    torch.testing.assert_close(list(follower.parameters()), average)
    assert not any(parameter.requires_grad for parameter in follower.parameters())
    assert not follower(torch.ones(2, 4)).requires_grad


def test_a_momentum_copy_normalises_by_the_batch_at_hand() -> None:
    follower = Momentum(nn.BatchNorm1d(2))
    found = follower.train()(torch.tensor([[0.0, 10.0], [2.0, 30.0]]))
    torch.testing.assert_close(found, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-4, rtol=0)


def test_a_momentum_copy_of_a_module_without_weights_is_possible() -> None:
    Momentum(nn.Identity()).follow(0.5, nn.Identity())


def test_column_pairs_leave_out_what_is_the_row_or_its_positive() -> None:
    # Rows 10 and 11 share the positive 20; row 12 has row 10 for its positive; 30, 31, 10 are negatives.
    model, method = built(ColumnPairs(positive="like", negative="unlike", temperature=0.5, projection=[5]))
    contrast = parts([10, 11, 12, 20, 20, 10, 30, 31, 10])
    z = normalize(method.projector(model(torch.cat(method.views(contrast)))), dim=1)
    candidates = {0: [6, 7], 1: [5, 6, 7, 8], 2: [3, 4, 6, 7]}
    total = torch.zeros(())
    for i, others in candidates.items():
        logits = torch.stack([z[i] @ z[3 + i], *(z[i] @ z[k] for k in others)]) / 0.5
        total += -torch.log_softmax(logits, dim=0)[0]
    torch.testing.assert_close(loss(model, method, contrast), total / ROWS)


def test_column_pairs_do_without_a_negative_column() -> None:
    method = ColumnPairs(positive="like", negative=None, temperature=0.5, projection=[5])
    assert method.columns == ("like",)
    model, made = built(method)
    contrast = parts([10, 11, 12, 20, 21, 22])
    z = normalize(made.projector(model(torch.cat(made.views(contrast)))), dim=1)
    expected = nn.functional.cross_entropy(z[:3] @ z[3:].T / 0.5, torch.arange(3))
    torch.testing.assert_close(loss(model, made, contrast), expected)


def test_column_triplets_are_the_named_ones_alone() -> None:
    model, method = built(ColumnTriplets(positive="like", negative="unlike", margin=0.4, projection=[5]))
    contrast = parts([10, 11, 12, 20, 21, 22, 30, 31, 32])
    a, p, n = normalize(method.projector(model(torch.cat(method.views(contrast)))), dim=1).detach().chunk(3)
    hinges = [max(0.0, float((a[i] - p[i]).norm() - (a[i] - n[i]).norm()) + 0.4) for i in range(ROWS)]
    assert sum(hinges) > 0
    assert loss(model, method, contrast).item() == pytest.approx(sum(hinges) / ROWS, rel=1e-4)


def test_a_method_of_metric_learning_learns_through_its_projection() -> None:
    model, method = built(Metric(loss=nn.Identity(), miner=None, labels=False, projection=[6, 5]))
    representation = model(torch.cat(method.views(parts())))
    (embeddings,) = method.embed(representation, parts())
    assert torch.equal(embeddings, method.projector(representation))


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [
        ("hidden", ["Linear", "BatchNorm1d", "ReLU", "Linear"]),
        ("all", ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]),
        ("none", ["Linear", "ReLU", "Linear"]),
    ],
)
def test_a_head_has_its_widths_and_its_norms(norm: Any, kinds: list[str]) -> None:
    head = mlp(8, [6, 5], norm)
    assert [type(layer).__name__ for layer in head] == kinds
    assert [tuple(weight.shape) for weight in head.parameters() if weight.ndim == 2] == [(6, 8), (5, 6)]


def test_a_probe_leaves_out_unlabelled_rows_and_gives_no_gradient_to_the_representation() -> None:
    torch.manual_seed(0)
    probe = Probe(4, 3)
    representation = torch.randn(5, 4, requires_grad=True)
    targets = torch.tensor([0, -1, 2, -1, 1])
    found, accuracy = probe(representation, targets)
    unit = (representation - representation.mean(0)) / (representation.var(0, correction=0) + 1e-5).sqrt()
    logits = probe.linear(unit.detach())[[0, 2, 4]]
    torch.testing.assert_close(found, nn.functional.cross_entropy(logits, torch.tensor([0, 2, 1])))
    assert accuracy.item() == pytest.approx(
        (logits.argmax(1) == torch.tensor([0, 2, 1])).float().mean().item()
    )
    found.backward()
    assert representation.grad is None
    nothing = probe(representation, torch.full((5,), -1))
    assert [value.item() for value in nothing] == [0, 0]


SIMSIAM = {"projection": [6, 5], "prediction": [2, 5]}
MOCO = {"projection": [5], "queue": 9, "temperature": 0.2, "momentum": 0.9}
VICREG = {"projection": [5], "invariance": 1.0, "variance": 1.0, "covariance": 1.0}
COLUMNS: dict[str, Any] = {"positive": "like", "negative": None, "projection": [5]}


@pytest.mark.parametrize(
    ("make", "right", "wrong", "words"),
    [
        (
            SimSiam,
            SIMSIAM,
            {"projection": []},
            r"projection must be a list of one or more widths .*, got \[\]",
        ),
        (SimSiam, SIMSIAM, {"prediction": [0, 5]}, r"prediction must be .* of at least 1, got \[0, 5\]"),
        (
            SimSiam,
            SIMSIAM,
            {"prediction": [2, 4]},
            "prediction must end with the width that projection ends with, 5, got 4",
        ),
        (
            Byol,
            {**SIMSIAM, "momentum": 0.9},
            {"momentum": 1.5},
            "momentum must be a share of the copy's weights, 0 to 1, got 1.5",
        ),
        (Moco, MOCO, {"queue": 1}, "queue must be above 1, got 1"),
        (Moco, MOCO, {"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        (
            Moco,
            MOCO,
            {"momentum": -0.1},
            "momentum must be a share of the copy's weights, 0 to 1, got -0.1",
        ),
        (
            Barlow,
            {"projection": [5], "redundancy": 0.1},
            {"redundancy": 0.0},
            "redundancy must be above 0, got 0.0",
        ),
        (VicReg, VICREG, {"variance": -1.0}, "variance must be a weight of at least 0, got -1.0"),
        (
            ColumnPairs,
            {**COLUMNS, "temperature": 0.1},
            {"positive": None},
            "positive must name the column with the id of each row's positive, got null",
        ),
        (
            ColumnTriplets,
            {**COLUMNS, "negative": "unlike", "margin": 0.1},
            {"negative": None},
            "negative must name the column with the id of each row's negative, got null",
        ),
        (
            ColumnTriplets,
            {**COLUMNS, "negative": "unlike", "margin": 0.1},
            {"margin": 0.0},
            "margin must be above 0, got 0.0",
        ),
    ],
)
def test_a_value_out_of_range_is_refused(
    make: Any, right: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    make(**right)
    with pytest.raises(ValueError, match=f"^{words}$"):
        make(**(right | wrong))


@pytest.mark.parametrize(
    "name", ["simclr", "supcon", "triplet", "moco", "byol", "simsiam", "vicreg", "barlow"]
)
def test_every_method_can_be_built_twice_and_then_starts_afresh(name: str) -> None:
    method = build(
        compose(["trainer=contrastive", f"trainer/method={name}"]).trainer.method, "trainer.method"
    )
    first = copy.deepcopy(built(method)[1].state_dict())
    model, again = built(method)
    moved(model)
    assert first.keys() == again.state_dict().keys()
    for key, value in built(method)[1].state_dict().items():
        assert torch.equal(value, first[key])
