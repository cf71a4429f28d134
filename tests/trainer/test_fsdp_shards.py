"""A network that is divided over processes trains as one that each of them has whole."""

from __future__ import annotations

import copy
from importlib import import_module

import pytest
import torch
from torch import nn

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.runtime import distributed
from harness.trainer.fsdp_shards import FsdpShards

FEW = (
    *("trainer.device=cpu", "tracking=none", "data.cache=off", "split.guard=off", "split.test=0.8"),
    *("data/augment=none", "data.load.batch_size=63", "model=mlp", "model.widths=[8,8]", "trainer.epochs=2"),
)
TRAININGS = {
    "averaged and clipped": ("trainer.update.ema=0.9", "trainer.update.clip_norm=0.1"),
    "some frozen": ("trainer.layers.freeze=1", "trainer.layers.decay=0.5", "trainer/optimizer=lars"),
    "batches normed": ("model=convnet", "trainer/optimizer=sgd"),
    "a momentum copy": ("trainer=contrastive", "trainer/method=moco"),
    "a teacher": ("trainer=semi_supervised", "trainer/method=mean_teacher", "split.labelled=40"),
}


@pytest.fixture(autouse=True)
def imported() -> None:
    """What every process needs, once here."""
    for module in ("torch._dynamo", "torch.distributed.fsdp"):
        import_module(module)


def trained(plan, parallel, state=None):
    """A training in which a state is wanted within an epoch too: its weights, scores and states."""
    plan.cfg.trainer.speed.parallel = parallel
    ready = prepare(plan, plan.folds[0])
    passed = [
        (progress.whole, progress.state(), progress.scores)
        for progress in ready.trainer.fit(
            ready.model, ready.loaders, ready.augment, ready.validate, lambda: False, state, lambda: True
        )
    ]
    assert not passed[0][0] or state is not None  # the first of a whole training is within its epoch
    scores = [scores for whole, _, scores in passed if whole]
    return ready.trainer.network.state_dict(), scores, [kept for _, kept, _ in passed]


def in_a_group(function, *arguments):
    distributed.join_group()
    torch.set_num_threads(1)
    found = function(*arguments)
    distributed.leave_group()
    return found


def farthest(one, two):
    """The largest difference between two sets of weights of the same names and kinds."""
    assert list(one) == list(two)
    assert {type(weight) for weight in two.values()} == {torch.Tensor}
    return max((one[name].double() - two[name].double()).abs().max().item() for name in one)


def differences(plan):
    """Of the weights to undivided ones; to those of trainings that go on; of the scores."""
    whole, scores, others = trained(plan, "ddp")
    found, same, states = trained(plan, "fsdp")
    resumed = farthest(found, trained(plan, "fsdp", states[0])[0])
    moved = farthest(whole, trained(plan, "fsdp", others[-2])[0])
    score = max(
        abs(one[name] - two[name])
        for one, two in zip(scores, same, strict=True)
        for name in {"train/loss", "valid/loss", "valid/rankme"} & set(one)
    )
    return farthest(whole, found), resumed, moved, score


@pytest.mark.parametrize("words", TRAININGS.values(), ids=TRAININGS)
def test_a_divided_training_equals_that_of_whole_weights_and_resumes_exactly(processes, words):
    for ended in processes(in_a_group, differences, make_plan(compose([*FEW, *words]))):
        apart, resumed, moved, score = ended.value
        assert apart < 1e-5
        assert resumed == 0
        assert moved < 1e-5
        assert score < 1e-5


class Net(nn.Module):
    width = 6

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.second = nn.Linear(4, 7), nn.LayerNorm(7), nn.Linear(7, 6)

    def forward(self, inputs):
        return self.second(self.norm(self.first(inputs)))


def lives():
    """A network's shares, and the whole network while it is divided, seen whole, and after its release."""
    net, whole = Net(), Net()
    network = nn.ModuleDict({"model": net, "head": nn.Linear(6, 3)})
    plain = nn.ModuleDict({"model": whole, "head": nn.Linear(6, 3)})
    before = [weight.detach().clone() for weight in network.parameters()]
    parameters = list(plain.parameters())
    shards = FsdpShards(net, network, lambda rows: network["head"](net(rows)).square().mean(), plain)
    sizes = [weight.to_local().numel() for weight in network.parameters()]
    held = [weight.numel() for weight in parameters]
    with shards.whole():
        seen = [weight.detach().clone() for weight in plain.parameters()]
        outputs = plain["head"](whole(torch.ones(2, 4)))
    emptied = [weight.numel() for weight in parameters]
    shards.loss()(torch.ones(2, 4)).backward()
    learned = all(weight.grad is not None for weight in network.parameters())
    shards.release()
    return {
        "seen": all(map(torch.equal, before, seen)),
        "outputs": outputs.detach(),
        "learned": learned,
        "sizes": sizes,
        "held": held,
        "emptied": emptied,
        "same": all(one is two for one, two in zip(parameters, plain.parameters(), strict=True)),
        "after": all(map(torch.equal, before, plain.parameters())),
    }


def test_each_process_keeps_a_share_and_the_whole_network_gets_all_weights(processes):
    net = Net()
    head = nn.Linear(6, 3)
    first, second = (ended.value for ended in processes(in_a_group, lives))
    whole = [weight.numel() for weight in [*net.parameters(), *head.parameters()]]
    assert [a + b for a, b in zip(first["sizes"], second["sizes"], strict=True)] == whole
    assert first["sizes"][0] == 16  # four of the seven rows
    for found in (first, second):
        assert found["held"] == found["emptied"] == [0] * 8
        assert found["seen"]
        assert found["learned"]
        assert found["same"]
        assert found["after"]
        torch.testing.assert_close(found["outputs"], head(net(torch.ones(2, 4))).detach())


def test_a_weight_that_two_layers_share_is_divided_once(processes):
    def shared():
        net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        net[2].weight = net[0].weight
        network = nn.ModuleDict({"model": net})
        plain, before = copy.deepcopy(network), net[0].weight.detach().clone()
        shards = FsdpShards(net, network, lambda rows: net(rows).sum(), plain)
        shards.loss()(torch.ones(1, 4)).backward()
        shards.release()
        tied = [layer.weight for layer in plain["model"] if hasattr(layer, "weight")]
        return net[2].weight is net[0].weight, tied[0] is tied[1] and torch.equal(tied[0], before)

    torch.manual_seed(0)
    for ended in processes(in_a_group, shared):
        assert ended.value == (True, True)


def test_a_parameter_without_dimension_is_refused():
    net = nn.Linear(2, 2)
    net.scale = nn.Parameter(torch.tensor(1.0))
    sentence = (
        r"^trainer\.speed\.parallel=fsdp divides parameters along their first dimension, and scale has none; "
        r"give it the shape \(1,\), or use trainer\.speed\.parallel=ddp\.$"
    )
    with pytest.raises(UserError, match=sentence):
        FsdpShards(net, net, torch.sum, net)
