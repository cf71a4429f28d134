"""Opens a seal: scores the sealed test rows of one run, once."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from harness.config.instantiate import check
from harness.core.errors import UserError
from harness.data.cache.command_scope import command as one_command
from harness.replay.rerun_config import require_training, revise
from harness.replay.rerun_overrides import Words
from harness.runs.look_ledger import LookLedger
from harness.runs.run_result import Result
from harness.runs.seal_errors import Unsealed
from harness.runs.stored_run import StoredRun
from harness.runs.trial import Trial
from harness.runtime.stored_file import configured_by
from harness.stages.deferred_test import run_deferred_test


def unseal(name: str, logged: StoredRun, words: Words, outputs: Path) -> Result:
    """Scores the test rows of a run whose seal this opens; the scores are added to its record.

    The seal is opened before the rows are scored and stays open; where the run cannot be scored, it is closed
    again. A run whose scoring was interrupted may be scored again.

    Args:
        name: of the seal.
        words: secrets that its configuration does not hold.
        outputs: the folder of the ledger, in which the run lies too.

    Raises:
        UserError: there is no such seal, it was opened before, or the run is not one that it seals, is not
            finished or cannot be scored.
        Interrupted: a signal came.
    """
    ledger = LookLedger(outputs)
    seal = ledger.find(name)
    require_training(logged)
    sealed = sealed_by(logged)
    if seal.opened is not None and (seal.opened["run"] != logged.label or sealed is None):
        raise Unsealed(seal.name, seal.opened["run"], seal.opened["time"])
    if sealed != name:
        raise UserError(
            f"{logged.label} is no finished run whose test rows are sealed by {name}",
            "name a run with split.sealed=true on those rows"
            + ("" if sealed is None else f"; the seal of this one is {sealed}"),
            value=logged.label,
        )
    with configured_by(logged.config_file):
        cfg = revise(logged, words, outputs).cfg
        OmegaConf.update(cfg, "split.sealed", False)
        check(cfg)
    ledger.unseal(name, logged.label)
    result = logged.result
    try:
        with one_command(many=True):
            return run_deferred_test(
                cfg, logged.folder, "" if result is None else result.command, _trial(logged)
            )
    except UserError:
        ledger.close_again(seal)
        raise


def sealed_by(logged: StoredRun) -> str | None:
    """The seal of the run's test rows; None where they are not sealed, or the run is not finished."""
    result = logged.result
    if result is None or result.status != "finished" or result.test_rows is None:
        return None
    sealed: str | None = result.test_rows["sealed"]
    return sealed


def _trial(logged: StoredRun) -> Trial | None:
    """The place of the run in its sweep; None for a run without a sweep."""
    tags = logged.tags
    if "trial" not in tags:
        return None
    kept: dict[str, object] = {key: tags[key] for key in ("sweep", "study", "trial") if key in tags}
    parent = "../.." if logged.folder.name.startswith("seed-") else ".."
    return Trial(int(tags["trial"]), parent, kept, tests=True)
