"""Contract of splits: see `harness.core.protocol.Splitter`."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.config.compose import compose_exactly
from harness.config.instantiate import build, check_nodes
from harness.core.fold import Fold
from harness.core.table import Table
from harness.testing.suite_choices import Suite, examples

ROLES = ("train", "valid", "test", "unlabelled")


def make_table(rows: int, groups: int, missing: int, seed: int) -> Table:
    """Rows of two classes, `missing` of them of none; `who` is the group, `when` the time."""
    random = np.random.default_rng(seed)
    target = np.array(["sick", "well"], dtype=object)[np.arange(rows) % 2]
    target[random.permutation(rows)[:missing]] = None
    who = random.permutation(rows) % groups
    frame = pd.DataFrame(
        {
            "x": np.arange(rows),
            "y": target,
            "who": who,
            "when": random.permutation(rows) // 2,
            "number": random.permutation(rows) % 4,
            "part": np.array(["train", "test", "train"])[np.arange(rows) % 3],
            "site": who % 4,
        }
    )
    return Table(frame, ("x",), target=("y",), group="who", time="when")


tables = st.builds(
    make_table,
    rows=st.integers(36, 90),
    groups=st.integers(8, 12),
    missing=st.integers(0, 4),
    seed=st.integers(0, 99),
)


def same(one: Fold, other: Fold) -> bool:
    """Whether two folds are of the same rows and have the same number."""
    parts = all(np.array_equal(getattr(one, role), getattr(other, role)) for role in ROLES)
    return parts and (one.number, one.outer) == (other.number, other.outer)


@cache
def composed(words: tuple[str, ...]) -> dict[str, Any]:
    """The node of a split as these overrides compose it, without the settings that every split has."""
    node: Any = OmegaConf.to_container(compose_exactly(list(words)).split)
    return {
        name: value for name, value in node.items() if name not in ("guard", "labelled", "sealed", "ensemble")
    }


def node_of(words: Sequence[str], **changes: object) -> dict[str, Any]:
    """The node with those of the changes that it, or the splits within it, take."""
    node = copy.deepcopy(composed(tuple(words)))
    for place in (node, node.get("outer", {}), node.get("inner", {})):
        place.update({name: value for name, value in changes.items() if name in place})
    return node


class TestSplits(Suite):
    """Every yaml of `split`.

    more     further cases by name: the overrides of each; one with a choice's name replaces its own, as in
             {"mine": ["split=mine", "split.column=site"]}. `prepare` adds columns that the table lacks
    tested   how often each row is a test row, where that is not once
    partial  cases that do not test every row; None: any may leave rows out
    """

    group: ClassVar[str] = "split"
    remedy: ClassVar[str] = (
        "give your TestSplits more = {{'{choice}': ['split={choice}', 'split.{key}=VALUE']}}"
    )
    more: ClassVar[Mapping[str, Sequence[str]]] = {}
    tested: ClassVar[Mapping[str, int]] = {}
    partial: ClassVar[Collection[str] | None] = None

    @classmethod
    def words(cls) -> dict[str, Sequence[str]]:
        """The overrides of each case."""
        return {**{name: [f"split={name}"] for name in cls.yamls()}, **cls.more}

    @classmethod
    def cases(cls) -> list[str]:
        """The choices, and `more`."""
        return list(cls.words())

    def prepare(self, choice: str, table: Table) -> Table:
        """The table that the split is tested with, by `table.with_frame`; a subclass adds columns."""
        del choice
        return table

    @classmethod
    def split(cls, case: str, **changes: object) -> Any:
        """The split of a case."""
        return build(cls.complete(case, node_of(cls.words()[case], **changes)), "split")

    def test_the_values_of_the_yaml_fit_the_constructor(self, choice: str) -> None:
        check_nodes(composed(tuple(self.words()[choice])), "split")

    @examples(12)
    @given(table=tables, seed=st.integers(0, 99), shuffle=st.booleans())
    def test_the_parts_are_disjoint_sorted_cover_every_labelled_row_and_keep_what_the_split_promises(
        self, choice: str, table: Table, seed: int, shuffle: bool
    ) -> None:
        table, split = self.prepare(choice, table), self.split(choice, seed=seed, shuffle=shuffle)
        times, labelled = table.frame["when"].to_numpy(), table.labelled
        for fold in split(table):
            used = np.concatenate([fold.train, fold.valid, fold.test])
            assert len(np.unique(used)) == len(used), "a row is in two parts of a fold"
            assert labelled[used].all(), "a row without target is in train, valid or test"
            if not getattr(split, "timed", False):
                assert len(used) == labelled.sum(), "a labelled row is in no part of the fold"
            for role in ROLES:
                rows = getattr(fold, role)
                assert rows.dtype == np.int64, f"{role} must be an array of int64, not {rows.dtype}"
                assert (np.diff(rows) > 0).all(), f"{role} must be sorted, without repeats"
            for role in ("train", "valid", "test"):
                assert len(getattr(fold, role)), f"the {role} part is empty"
            assert not labelled[fold.unlabelled].any(), "a labelled row is in the unlabelled part"
            if getattr(split, "grouped", False):
                train, valid, test, unlabelled = (set(table.groups[getattr(fold, role)]) for role in ROLES)
                divided = (train & valid) | ((train | unlabelled) & test) | ((test | unlabelled) & valid)
                assert not divided, f"grouped = True, and the groups {divided} are in two parts"
            if getattr(split, "timed", False):
                last, late = (
                    times[fold.train].max(),
                    "timed = True, and a part has rows of a later part's time",
                )
                assert last < times[fold.valid].min(), late
                assert times[fold.valid].max() < times[fold.test].min(), late
                assert (times[fold.unlabelled] <= last).all(), late

    @examples(8)
    @given(table=tables)
    def test_the_folds_are_numbered_and_test_every_row_as_often_as_promised(
        self, choice: str, table: Table
    ) -> None:
        folds = self.split(choice)(self.prepare(choice, table))
        assert [fold.number for fold in folds] == list(range(len(folds))), "folds must be numbered 0, 1, ..."
        counted = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=len(table))
        times = self.tested.get(choice, 1)
        if self.partial is None or choice in self.partial:
            assert counted.max() <= times, f"a row is a test row more than {times} times; see `tested`"
        else:
            assert counted.tolist() == (table.labelled * times).tolist(), (
                f"not every labelled row is a test row {times} times; see `tested` and `partial`"
            )

    @examples(5)
    @given(table=tables, seed=st.integers(0, 99))
    def test_the_same_seed_gives_the_same_folds_whatever_the_global_generators_do(
        self, choice: str, table: Table, seed: int
    ) -> None:
        table = self.prepare(choice, table)
        first = self.split(choice, seed=seed)(table)
        np.random.random(3)
        second = self.split(choice, seed=seed)(table)
        assert all(same(one, other) for one, other in zip(first, second, strict=True)), (
            "the same seed gave other folds"
        )
