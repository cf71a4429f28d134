"""Few garbage collections until a command's training begins."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import pairwise

import pytest

from harness.runtime.frozen_memory import frozen_memory
from harness.runtime.garbage_collection import TrialGarbage, collect_as_usual, collect_rarely


@pytest.fixture(autouse=True)
def thresholds_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.unfreeze()
    yield
    collect_as_usual()
    gc.freeze()  # as tests/conftest.py does
    gc.set_threshold(*before)


def test_a_training_collects_as_usual_but_looks_at_no_imported_object() -> None:
    usual = gc.get_threshold()
    collect_rarely()
    collect_rarely()
    assert gc.get_threshold()[0] > usual[0]
    imported = [object()]
    collect_as_usual()
    assert gc.get_threshold() == usual
    assert not any(found is imported for found in gc.get_objects())
    assert gc.get_freeze_count() > 100_000


def test_a_notebook_keeps_its_own_settings() -> None:
    usual = gc.get_threshold()
    collect_as_usual()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def test_what_a_process_froze_before_a_trial_stays_frozen_after_it() -> None:
    with frozen_memory():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    gc.freeze()
    before = gc.get_freeze_count()
    with frozen_memory():
        later = [object()]
        assert any(found is later for found in gc.get_objects())
    assert gc.get_freeze_count() > 0.9 * before


class Node:
    """Refers to itself, as the nodes of a configuration refer to each other."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_trial_leaves_is_gone_when_it_ends() -> None:
    garbage = TrialGarbage()
    for alone in (True, False):
        left = weakref.ref(Node())
        garbage.collect(alone)
        assert left() is None


def test_collections_are_rare_from_the_end_of_a_trial_to_the_next_training() -> None:
    usual = gc.get_threshold()
    with frozen_memory():
        garbage = TrialGarbage()
        garbage.collect(alone=False)
        assert gc.get_threshold() == usual
        garbage.collect(alone=True)
        garbage.collect(alone=True)
        assert gc.get_threshold()[0] > usual[0]
        frozen = gc.get_freeze_count()
        collect_as_usual()
        assert gc.get_threshold() == usual
        assert gc.get_freeze_count() <= frozen
        garbage.collect(alone=True)
    assert gc.get_threshold() == usual


def test_full_collections_become_rarer_as_trials_become_more(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: collected.append(generation))
    garbage = TrialGarbage()
    for _ in range(1000):
        garbage.collect(alone=False)
    full = [number for number, generation in enumerate(collected, start=1) if generation == 2]
    assert full[:3] == [50, 100, 150]
    assert all(later - one >= one // 8 for one, later in pairwise(full))
    assert len(full) < 20
    assert set(collected) == {1, 2}
