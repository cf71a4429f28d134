"""Each part that a yaml of `conf` names is tested against the contract of its kind."""

# ruff: noqa: RUF012
from harness import testing
from harness.testing import TestCallbacks, TestExtractors, TestModels, TestSplits, TestTransforms

__all__ = ["TestCallbacks", "TestExtractors", "TestModels", "TestSplits", "TestTransforms"]

OWN = ["data/extract=mine", "split.test=0.2"]


class TestTrainers(testing.TestTrainers):
    """Trainer, loss and method; the loss compares numbers, so it needs other data."""

    words = {
        "mine": OWN,
        "trainer/loss/mine": ["data/extract=diabetes", "split.test=0.2"],
        "trainer/method/mine": ["trainer=contrastive", *OWN],
    }


class TestEvaluators(testing.TestEvaluators):
    """On the project's own data."""

    words = {"mine": OWN}


class TestMetrics(testing.TestMetrics):
    """On the project's own data."""

    words = {"mine": OWN}
