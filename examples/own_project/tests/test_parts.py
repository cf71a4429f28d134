"""Every part that a yaml of `conf` names keeps the contract of its group."""

from harness import testing
from harness.testing import TestExtractors, TestModels, TestSplits, TestTransforms

__all__ = ["TestExtractors", "TestModels", "TestSplits", "TestTransforms"]


class TestTrainers(testing.TestTrainers):
    """The trainer is tried on the project's own data."""

    words = {"mine": ["data/extract=mine", "split.test=0.2"]}  # noqa: RUF012
