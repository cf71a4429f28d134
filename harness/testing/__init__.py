"""What every part promises, as suites for pytest, for the parts of your own as for ours.

    from harness.testing import *

in a file of tests collects them all; each is about the yaml files of one group in the project's `conf`, the
folder that `[tool.harness]` of its pyproject.toml names. To say more of a group, such as the words that its
parts need, inherit from its suite instead:

    from harness import contract

    class TestTrainers(contract.TestTrainers):
        words = {"mine": ["data/extract=mine"]}

pytest and hypothesis must be installed: `pip install 'harness[contract] @ …'`.
"""

import pytest

# Before they are imported: a claim that fails then tells the values.
pytest.register_assert_rewrite(
    *(f"harness.testing.{name}" for name in ("extract", "model", "split", "trainer", "transform"))
)

from harness.testing.extract_suite import TestExtractors  # noqa: E402
from harness.testing.model_suite import TestModels  # noqa: E402
from harness.testing.split_suite import TestSplits  # noqa: E402
from harness.testing.trainer_suite import TestTrainers  # noqa: E402
from harness.testing.transform_suite import TestTransforms  # noqa: E402

__all__ = ["TestExtractors", "TestModels", "TestSplits", "TestTrainers", "TestTransforms"]
