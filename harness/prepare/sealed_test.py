"""The seal of the test rows (`split.sealed`): which runs may score them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from harness.core.errors import FolderNotWritable, UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.runs.held_out_rows import HeldOutRows
from harness.runs.look_ledger import LookLedger
from harness.runtime.distributed import from_rank_0

_OTHER_SPLIT = "choose a split with a test part, such as split=ratio, or leave split.sealed out"


def find_seal(cfg: DictConfig, table: Table, folds: Sequence[Fold]) -> HeldOutRows | None:
    """The test rows if the run seals them; None of a run that may score them. Nothing is written.

    Raises:
        UserError: `split.sealed` does not fit the split, or the rows were looked at; or they are sealed, and
            the run does not know that.
    """
    if cfg.split.get("sealed", False):
        tested = HeldOutRows.of(table, folds)
        _require_test_part(tested, folds)
        _require_no_tests(cfg)
        from_rank_0(lambda: LookLedger(Path(cfg.outputs)).require_sealable(tested))
        return tested
    require_unsealed(cfg, table, folds)
    return None


def require_unsealed(cfg: DictConfig, table: Table, folds: Sequence[Fold]) -> None:
    """Checks that no test row of the folds is sealed.

    Raises:
        SealedRows: some are.
    """
    ledger = LookLedger(Path(cfg.outputs))

    def require() -> None:
        if ledger.closed():  # else the rows are not looked at
            tested = HeldOutRows.of(table, folds)
            ledger.require_open(
                tested,
                f"the run scores {len(tested.rows):,} test rows",
                "add split.sealed=true with the same split",
            )

    from_rank_0(require)


def seal_rows(cfg: DictConfig, table: Table, tested: HeldOutRows | None) -> None:
    """Seals the test rows before a run is recorded.

    Raises:
        UserError: they were looked at meanwhile, or the ledger cannot be written.
    """
    if tested is None:
        return
    ledger = LookLedger(Path(cfg.outputs))

    def seal() -> None:
        try:
            ledger.seal(table, tested)
        except OSError as error:
            raise FolderNotWritable(str(ledger.folder), str(error.strerror)) from error

    from_rank_0(seal)


def _require_no_tests(cfg: DictConfig) -> None:
    if OmegaConf.select(cfg, "sweep.test") == "all":
        raise UserError(
            "sweep.test=all scores the test rows of all trials, and split.sealed=true seals them",
            "leave one of them out",
            key="sweep.test",
        )


def _require_test_part(tested: HeldOutRows, folds: Sequence[Fold]) -> None:
    if not len(tested.rows):
        raise UserError(
            "split.sealed=true seals test rows, and this split has none", _OTHER_SPLIT, key="split.sealed"
        )
    learned = reduce(np.union1d, [rows for fold in folds for rows in (fold.train, fold.valid)])
    twice = len(np.intersect1d(tested.rows, learned))
    if twice:
        raise UserError(
            "split.sealed=true seals test rows that no fold trains on or validates with, and "
            f"{twice:,} of {len(tested.rows):,} test rows are in another fold's training or validation part",
            _OTHER_SPLIT,
            key="split.sealed",
        )
