"""What every part promises, as suites for pytest, for the parts of your own as for ours.

    from harness.contract import *

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
    *(f"harness.contract.{name}" for name in ("extract", "model", "split", "trainer", "transform"))
)

from harness.contract.extract import TestExtractors  # noqa: E402
from harness.contract.model import TestModels  # noqa: E402
from harness.contract.split import TestSplits  # noqa: E402
from harness.contract.trainer import TestTrainers  # noqa: E402
from harness.contract.transform import TestTransforms  # noqa: E402

__all__ = ["TestExtractors", "TestModels", "TestSplits", "TestTrainers", "TestTransforms"]
