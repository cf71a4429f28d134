"""A step that several processes take together is that of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.core.errors import UserError
from harness.runtime import distributed
from harness.runtime.process_group import world
from harness.trainer.data_parallel import check_device, set_process_seed, spread, weight_of
from harness.trainer.global_batch_norm import GlobalBatchNorm, norm_globally

CPU = torch.device("cpu")
ROWS = {1: (7, 3), 2: (7, 3, 5), 3: (7, 3, 2, 4), 4: (7, 3, 2, 2, 2)}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}


def data(kind):
    generator = torch.Generator().manual_seed(1)
    return 2 + 3 * torch.randn(ROWS[kind], generator=generator, dtype=torch.float32)


def normed(kind, momentum):
    """Outputs, gradients and buffers of two steps of a normalisation, of this process's share."""
    whole = data(kind)
    net = nn.Sequential(NORMS[kind](3, momentum=momentum))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    norm_globally(net, CPU)
    inputs = whole[distributed.slice_of(len(whole))].clone().requires_grad_()
    for _ in range(2):
        outputs = net(inputs)
        # The mean over the processes is the mean over all rows, of a loss in which no channel cancels.
        loss = (outputs * torch.linspace(1, 2, outputs[0].numel()).view_as(outputs[0])).tanh().square().mean()
        (loss * distributed.weight_of(len(whole)) / world()).backward()
    return outputs, inputs.grad, net[0].weight.grad, net[0].bias.grad, dict(net.named_buffers()), type(net[0])


def in_a_group(function, *arguments):
    distributed.join_group()
    found = function(*arguments)
    distributed.leave_group()
    return found


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", ROWS)
def test_a_share_of_a_batch_is_normed_as_the_whole(processes, kind, momentum):
    expected = normed(kind, momentum)
    first, second = (ended.value for ended in processes(in_a_group, normed, kind, momentum))
    assert first[5] is second[5] is GlobalBatchNorm
    for place in (0, 1):
        torch.testing.assert_close(torch.cat([first[place], second[place]]), expected[place])
    for place in (2, 3):
        torch.testing.assert_close(first[place] + second[place], expected[place])
    for name, buffer in expected[4].items():
        torch.testing.assert_close(first[4][name], buffer)
        torch.testing.assert_close(second[4][name], buffer)


def test_in_evaluation_a_norm_exchanges_nothing():
    norm = GlobalBatchNorm(3)
    norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    inputs = data(1)
    expected = (inputs - norm.running_mean) / (1 + norm.eps) ** 0.5
    torch.testing.assert_close(norm.eval()(inputs), expected)


def test_one_process_keeps_its_norms():
    net = nn.Sequential(nn.BatchNorm1d(3))
    norm_globally(net, CPU)
    assert type(net[0]) is nn.BatchNorm1d


def network():
    torch.manual_seed(0)
    return nn.ModuleDict({"body": nn.Linear(4, 6), "head": nn.Linear(6, 2), "unused": nn.Linear(3, 3)})


def gradients(accumulate, frozen):
    """The gradients of a step on this process's shares of `accumulate` batches of five rows."""
    batches = torch.randn(accumulate, 5, 4, generator=torch.Generator().manual_seed(2))
    net = network()
    net["body"].requires_grad_(not frozen)
    loss_of = spread(lambda rows: net["head"](net["body"](rows).tanh()).square().mean(), net)
    for _ in range(2):  # torch learns in the first step which parameters the loss needs
        net.zero_grad()
        for batch in batches:
            (loss_of(batch[distributed.slice_of(5)]) * distributed.weight_of(5)).backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_gradient_is_that_of_the_whole_batch_in_every_process(processes, accumulate, frozen):
    expected = gradients(accumulate, frozen)
    assert expected["unused.weight"] is None
    assert (expected["body.weight"] is None) is frozen
    for ended in processes(in_a_group, gradients, accumulate, frozen):
        for name, gradient in expected.items():
            torch.testing.assert_close(ended.value[name], gradient)


def test_one_process_takes_the_loss_as_it_is():
    net = network()
    assert spread(torch.sum, net) is torch.sum


def draws():
    torch.manual_seed(7)
    found = []
    for step in (3, 4, 3):
        set_process_seed(7, step)
        found.append(torch.rand(3).tolist())
    return found


def test_random_numbers_differ_from_process_to_process_and_follow_from_the_step(processes):
    alone = draws()
    first, second = (ended.value for ended in processes(in_a_group, draws))
    assert first == alone
    assert second[0] == second[2]
    assert len({tuple(numbers) for numbers in [*first, *second]}) == 5


def test_a_number_of_a_card_is_refused_under_torchrun(processes):
    def refused():
        distributed.join_group()
        distributed.average(torch.ones(1))  # nobody leaves before the other has arrived
        try:
            check_device(torch.device("cuda:1"))
        except UserError as error:
            return str(error)

    check_device(torch.device("cuda:1"))
    assert [ended.value for ended in processes(refused)] == [
        "trainer.device must leave the number to torchrun, which gives each process a card of its own, "
        "got cuda:1; use trainer.device=cuda."
    ] * 2


def test_more_processes_than_cards_are_refused(processes):
    def refused():
        distributed.join_group()
        distributed.average(torch.ones(1))  # nobody leaves before the other has arrived
        torch.cuda.device_count = lambda: 1
        try:
            check_device(torch.device("cuda"))
        except UserError as error:
            return str(error)

    assert [ended.value for ended in processes(refused)] == [
        None,
        "torchrun must start at most one process per card, of which there is 1 here, got more; "
        "use --nproc-per-node 1, or trainer.device=cpu.",
    ]


def test_of_a_pair_the_leading_batch_weighs():
    from harness.core.arrays import Batch

    light = Batch(torch.zeros(1), None, torch.zeros(1), 0.5)
    assert weight_of(light) == 0.5
    assert weight_of((light, light._replace(weight=2.0))) == 0.5
