"""Which part of the configuration a key belongs to."""

from __future__ import annotations

from harness.sweep.space.swept_key import root


def test_the_root_of_a_key_is_its_first_part() -> None:
    assert [root(key) for key in ("+trainer.epochs", "~trainer/optimizer@a.b", "seed", "data@x.y")] == [
        "trainer",
        "trainer",
        "seed",
        "data",
    ]
