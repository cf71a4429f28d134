from __future__ import annotations

import pytest

from harness.core.task import Task


@pytest.mark.parametrize(
    ("task", "labelled", "classification", "outputs"),
    [
        (Task("multiclass", ("a", "b", "c")), True, True, 3),
        (Task("binary", ("no", "yes")), True, True, 1),
        (Task("regression"), True, False, 1),
        (Task("none"), False, False, 1),
    ],
)
def test_a_task_knows_the_width_of_its_head(
    task: Task, labelled: bool, classification: bool, outputs: int
) -> None:
    assert (task.labelled, task.classification, task.outputs) == (labelled, classification, outputs)
