"""No step of the semi-supervised trainer waits for the device."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.trainer.consistency.fixmatch import FixMatch
from harness.trainer.consistency.flexmatch import FlexMatch
from harness.trainer.consistency.freematch import FreeMatch
from harness.trainer.consistency.mean_teacher import MeanTeacher
from harness.trainer.consistency.pi_model import PiModel
from harness.trainer.consistency.pseudo_label import PseudoLabel

WAITS = (
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.bincount.default,
    torch.ops.aten.masked_select.default,
)


class Questions(TorchDispatchMode):
    """Counts what would make the program wait for a graphics card."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        del types
        if function in WAITS:
            self.asked.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "method",
    [
        PseudoLabel(weight=1.0, ramp=[0.0, 0.5], threshold=0.9),
        PiModel(weight=1.0, ramp=0.3),
        MeanTeacher(weight=1.0, ramp=0.3, decay=0.9),
        FixMatch(weight=1.0, threshold=0.9),
        FlexMatch(weight=1.0, threshold=0.9),
        FreeMatch(weight=1.0, fairness=0.01, momentum=0.9),
    ],
    ids=lambda method: type(method).__name__,
)
def test_the_term_of_a_method_does_not_wait_for_the_device(method):
    rows = torch.from_numpy(np.arange(6))
    method.begin(3, rows)
    views = [torch.randn(6, 3) for _ in method.views(torch.zeros(6, 3), lambda inputs: inputs)]
    with Questions() as questions:
        method(views, rows, 0.4)
    assert questions.asked == []


def test_a_question_is_noticed():
    with Questions() as questions:
        torch.ones(()).item()
    assert len(questions.asked) == 1
