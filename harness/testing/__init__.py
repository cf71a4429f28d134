"""Contract suites for pytest: they test each kind of part, ours and those of your own project.

    from harness.testing import *

in a test file collects them all. Each tests the yaml files of one group in the project's `conf`, the folder
that `[tool.harness]` of its pyproject.toml names. Inherit from a suite to give overrides that a part needs:

    from harness import testing

    class TestTrainers(testing.TestTrainers):
        words = {"mine": ["data/extract=mine"]}

pytest and hypothesis must be installed: `pip install 'harness[contract] @ …'`.
"""

import pytest

# Before they are imported, so that an assertion that fails shows its values.
pytest.register_assert_rewrite(
    *(
        f"harness.testing.{name}_suite"
        for name in ("addition", "extract", "model", "split", "trainer", "transform")
    )
)

from harness.testing.addition_suite import TestCallbacks, TestEvaluators, TestMetrics  # noqa: E402
from harness.testing.extract_suite import TestExtractors  # noqa: E402
from harness.testing.model_suite import TestModels  # noqa: E402
from harness.testing.split_suite import TestSplits  # noqa: E402
from harness.testing.trainer_suite import TestTrainers  # noqa: E402
from harness.testing.transform_suite import TestTransforms  # noqa: E402

__all__ = [
    "TestCallbacks",
    "TestEvaluators",
    "TestExtractors",
    "TestMetrics",
    "TestModels",
    "TestSplits",
    "TestTrainers",
    "TestTransforms",
]
