"""Each of several trainings in a process draws the random numbers that it would draw alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harness.trainer.fused.member_random import MemberRandom


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def draw() -> tuple[float, ...]:
    normal = float(np.random.normal())
    return random.random(), float(np.random.random()), normal, float(torch.rand(()))


def alone(number: int, count: int) -> list[tuple[float, ...]]:
    """What a training with this seed draws, in contexts of its own."""
    seed(number)
    own = MemberRandom()
    drawn = []
    for _ in range(count):
        with own.active():
            drawn.append(draw())
    return drawn


def test_turns_of_others_change_nothing() -> None:
    expected = [alone(number, 3) for number in range(4)]
    members = []
    for number in range(4):
        seed(number)
        members.append(MemberRandom())
    seed(9)
    drawn: list[list[tuple[float, ...]]] = [[] for _ in members]
    for turn in range(3):
        for number in (0, 2, 1, 3) if turn == 1 else range(4):
            with members[number].active():
                drawn[number].append(draw())
            np.random.random(5)
    assert drawn == expected


def test_a_member_begins_with_the_numbers_of_the_process() -> None:
    seed(5)
    expected = draw()
    seed(5)
    own = MemberRandom()
    with own.active():
        assert draw() == expected


def test_numpy_goes_on_where_it_was_before_a_member_drew() -> None:
    own = MemberRandom()
    np.random.seed(3)
    expected = np.random.random(4).tolist()
    np.random.seed(3)
    with own.active():
        np.random.random(7)
    first = np.random.random(2).tolist()
    with own.active():
        np.random.seed(1)  # a member may seed its own
    assert first + np.random.random(2).tolist() == expected


def test_a_training_that_is_given_up_takes_no_numbers_of_others_when_it_is_closed_late() -> None:
    def training() -> Iterator[None]:
        with MemberRandom().active():
            yield

    seed(7)
    expected = [np.random.random(), np.random.random()]
    given_up = training()
    next(given_up)
    seed(7)  # by the training that follows
    drawn = [np.random.random()]
    given_up.close()
    assert [*drawn, np.random.random()] == expected
