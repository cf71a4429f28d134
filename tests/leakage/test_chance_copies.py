"""The number of equal rows that chance gives, compared with simulations and with tables that hold copies."""

import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.chance_copies import expected_copies
from harness.leakage.duplicate_rows import find_duplicates
from harness.leakage.row_hash import copies

rng = np.random.default_rng(0)


def halves(count: int) -> list[Fold]:
    """Two folds, each of which tests on every second row."""
    parts = [np.arange(first, count, 2) for first in (0, 1)]
    none = np.empty(0, dtype=np.int64)
    return [Fold(number, parts[1 - number], none, parts[number]) for number in (0, 1)]


def table(values: np.ndarray) -> Table:
    frame = pd.DataFrame(values).rename(columns=str)
    return Table(frame, tuple(frame.columns))


def counted(made: Table) -> int:
    first = copies(made)
    return sum(int(np.isin(first[fold.test], first[fold.train]).sum()) for fold in halves(len(made)))


def independent() -> np.ndarray:
    return rng.integers(0, 6, (1000, 4))


def dependent() -> np.ndarray:
    return np.cumsum(rng.integers(0, 3, (1000, 6)), axis=1)


def by_class() -> np.ndarray:
    ill = rng.random(700) < 0.35
    return np.where(ill[:, None], rng.integers(1, 11, (700, 6)), rng.choice([1, 1, 1, 2], (700, 6)))


def words() -> np.ndarray:
    return rng.choice(list("abcdefgh"), (400, 3)).astype(object)


COARSE = {"independent": independent, "a chain": dependent, "two classes": by_class, "texts": words}


@pytest.mark.parametrize("make", COARSE.values(), ids=COARSE)
def test_the_expected_number_is_that_of_simulated_rows(make):
    made = table(make())
    found = counted(made)
    assert found > 50
    assert expected_copies(made, halves(len(made)), copies(made)) == pytest.approx(found, rel=0.25)
    assert find_duplicates(made, halves(len(made)), grouped=False).severity == "fine"


EXACT = rng.normal(size=(200, 4)).round(3)
COPIED = {
    "one row": np.concatenate([EXACT, EXACT[1:2], EXACT[:1]]),
    "some rows": np.concatenate([EXACT, EXACT[1:21], EXACT[:1]]),
    "each row five times": np.repeat(EXACT, 5, axis=0),
    "coarse rows": np.repeat(rng.integers(0, 10, (200, 6)), 3, axis=0),
    "wide": np.repeat(rng.integers(0, 2, (100, 200)), 3, axis=0),
}


@pytest.mark.parametrize("case", COPIED)
def test_copies_are_found_where_chance_gives_none(case):
    made = table(COPIED[case])
    found = find_duplicates(made, halves(len(made)), grouped=False)
    assert found.severity == "warning"
    assert ", and none would by chance;" in found.sentence


def test_an_array_has_the_chance_of_the_same_columns():
    values = rng.integers(0, 4, (300, 3)).astype(np.float32)
    frame, folds = table(values), halves(300)
    array = Table(pd.DataFrame({"n": range(300)}), (), array=values)
    assert expected_copies(array, folds, copies(array)) == expected_copies(frame, folds, copies(frame)) > 100


def test_equal_images_are_never_chance():
    pixels = np.zeros((20, 1, 2, 2))
    images = Table(pd.DataFrame({"n": range(20)}), (), kind="image", array=pixels)
    assert expected_copies(images, halves(20), copies(images)) == 0
    assert find_duplicates(images, halves(20), grouped=False).severity == "warning"


def test_as_many_copies_as_expected_are_explained():
    made = table(np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], 25, axis=0))
    assert find_duplicates(made, halves(100), grouped=False).sentence == (
        "100 of 100 test rows in 2 of 2 folds have the same features as training rows, as expected by "
        "chance (100) of features with so few values; a model that memorises rows knows 100 % of the test "
        "rows."
    )
