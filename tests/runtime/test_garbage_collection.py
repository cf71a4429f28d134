"""Few garbage collections until a command's training begins."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from harness.runtime.frozen_memory import frozen_memory
from harness.runtime.garbage_collection import collect_as_usual, collect_rarely


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
