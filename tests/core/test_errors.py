from __future__ import annotations

import pytest

from harness.core.errors import Interrupted, UserError, near, refused, refusing, sentence


def test_the_nearest_words_are_offered_best_first() -> None:
    assert near("resnet05", ["mlp", "resnet18", "resnet50"]) == "did you mean resnet50 or resnet18?"


def test_where_nothing_is_near_all_are_listed_up_to_twenty() -> None:
    assert near("x", ["b", "a"]) == "there are a, b."
    assert near("x", []) == "there are none."
    names = [f"name{number:02}" for number in range(23)]
    assert near("x", names) == f"there are {', '.join(names[:20])} and 3 more."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("epochs must be at least 1, got 0", "trainer.epochs must be at least 1, got 0."),
        ("Invalid learning rate: -1", "trainer: Invalid learning rate: -1."),
        ("two\nlines", "trainer: two lines."),
        ("", "trainer: ValueError."),
    ],
)
def test_what_a_part_refuses_is_told_with_its_place(said: str, told: str) -> None:
    assert refused("trainer", ValueError(said)) == told
    with pytest.raises(UserError) as caught, refusing("trainer"):
        raise ValueError(said)
    assert str(caught.value) == told
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_sentence_that_is_one_already_passes_unchanged() -> None:
    with pytest.raises(UserError, match=r"^as it is$"), refusing("trainer"):
        raise UserError("as it is")
    assert sentence("Is it?") == "Is it?"


def test_a_signal_and_a_full_memory_are_nobodys_mistake() -> None:
    with pytest.raises(MemoryError), refusing("trainer"):
        raise MemoryError
    with pytest.raises(Interrupted), refusing("trainer"):
        raise Interrupted(2)
