"""What several processes tell each other, and that one process needs none of it."""

from __future__ import annotations

import pytest
import torch

from harness.runtime import distributed
from harness.runtime.distributed import Agreed, average, gathered, stacked
from harness.runtime.process_group import any_process, broadcast, highest, rank, same_in_all, world


def together(function):
    """The function's value in a group that is formed for it."""
    distributed.join_group()
    try:
        return function()
    finally:
        distributed.leave_group()


def values(ended):
    return [process.value for process in ended]


def test_with_one_process_broadcast_returns_its_argument():
    rows = torch.arange(3.0, requires_grad=True)
    assert (rank(), world()) == (0, 1)
    assert broadcast({"a": 1}) == {"a": 1}
    assert any_process(True)
    assert not any_process(False)
    assert highest(2, 0.5) == [2, 0.5]
    assert gathered(rows) is rows
    assert average(rows) is rows
    assert stacked(rows).tolist() == [[0, 1, 2]]
    assert Agreed(lambda: True)()


def test_a_difference_of_one_process_is_known_to_all(processes):
    ended = processes(together, lambda: (same_in_all({"a": "b"}), same_in_all(rank())))
    assert values(ended) == [(True, False), (True, False)]
    assert same_in_all(1)


def test_broadcast_gives_every_process_the_value_of_rank_0(processes):
    ended = processes(together, lambda: (rank(), world(), broadcast(f"from rank {rank()}")))
    assert values(ended) == [(0, 2, "from rank 0"), (1, 2, "from rank 0")]


def test_a_yes_of_one_process_is_that_of_all(processes):
    ended = processes(
        together, lambda: (any_process(rank() == 1), any_process(False), highest(rank(), -rank()))
    )
    assert values(ended) == [(True, False, [1, 0])] * 2


def answers(lasting):
    """What a question that rank 1 answers by yes at its third call comes to, call by call."""
    asked = []
    question = Agreed(lambda: asked.append(1) or (rank() == 1 and len(asked) == 3), lasting=lasting)
    found = [question.now() for _ in range(4)]
    return [*found, question()]


@pytest.mark.parametrize(("lasting", "last"), [(True, True), (False, False)])
def test_a_question_is_answered_alike_in_all_processes(processes, lasting, last):
    ended = processes(together, lambda: answers(lasting)[:3])
    assert values(ended) == [[False, False, True]] * 2
    assert values(processes(together, lambda: answers_after_yes(lasting))) == [last] * 2


def answers_after_yes(lasting):
    """The answer right after a yes, without a new exchange."""
    question = Agreed(lambda: True, lasting=lasting)
    question.now()
    question._every = 1000
    return question()


def loss_of(rows):
    """One in which each row meets every other."""
    return (rows @ rows.T).tanh().square().sum()


def gathered_gradient():
    """The gathered rows and the gradient of one's own, of shares of three rows and of two."""
    everything = torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    own = (everything[:3] if rank() == 0 else everything[3:]).clone().requires_grad_()
    rows = gathered(own)
    (loss_of(rows) / world()).backward()
    return rows.tolist(), own.grad.tolist()


def test_gathered_rows_have_the_gradient_of_a_single_process(processes):
    everything = torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    everything.requires_grad_()
    loss_of(everything).backward()
    (rows, first), (same, second) = values(processes(together, gathered_gradient))
    assert rows == same == everything.tolist()
    torch.testing.assert_close(torch.tensor(first + second, dtype=torch.float64), everything.grad)


def test_a_mean_is_that_over_the_processes(processes):
    ended = processes(together, lambda: average(torch.tensor([1.0 + rank(), 4.0])).tolist())
    assert values(ended) == [[1.5, 4.0]] * 2


def test_shares_are_contiguous_and_differ_by_one_row_at_most(processes):
    def shares():
        own = [distributed.slice_of(count) for count in (2, 7, 64)]
        return [(part.start, part.stop) for part in own], [distributed.weight_of(c) for c in (2, 7, 64)]

    (first, light), (second, heavy) = values(processes(together, shares))
    assert first == [(0, 1), (0, 3), (0, 32)]
    assert second == [(1, 2), (3, 7), (32, 64)]
    assert light == [1, 6 / 7, 1]
    assert heavy == [1, 8 / 7, 1]
