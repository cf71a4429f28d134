"""Counts a run's look at the scores of its test rows, and says how many there were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.console.quiet_screen import QuietScreen
from harness.console.screen import Screen
from harness.prepare.plan import Plan
from harness.record.fold_record import FoldRecord
from harness.runs.held_out_rows import HeldOutRows
from harness.runs.journal import End
from harness.runs.look_ledger import LookLedger
from harness.runs.look_optimism import look_facts, look_sentence, sealed_facts
from harness.runs.model_identity import model_identity
from harness.runs.run_result import Summary
from harness.runtime.process_group import rank


def note_look(
    plan: Plan,
    status: End,
    records: Sequence[FoldRecord],
    scores: Mapping[str, Summary],
    screen: Screen | QuietScreen,
) -> dict[str, Any] | None:
    """Counts the look where the run has test scores; returns the entry `test_rows` of `result.json`.

    A ledger that cannot be written is a warning.

    Args:
        status: how the run ends.
        records: of the folds; those with scores have looked at their test rows.
        scores: of the run, by full name.
    """
    ledger, opened = LookLedger(Path(plan.cfg.outputs)), None
    if plan.sealed is not None:
        facts = sealed_facts(len(plan.sealed.rows), plan.sealed.name)
        opened = ledger.opened_for_another(facts, "")  # not for this run, which has just ended
    elif rank() > 0 or not any(name.startswith("test/") for name in scores):
        return None
    else:
        tested = HeldOutRows.of(plan.table, [record.fold for record in records if record.scores])
        # An evaluation is a look at the scores of the model that it evaluates.
        folder = Path(plan.cfg.tags.get("evaluated.folder", records[0].root))
        try:
            looks = ledger.add_look(tested, model_identity(folder), str(folder.absolute()))
        except OSError as error:
            screen.note(f"the look at the test scores could not be counted ({error.strerror})")
            return None
        facts = look_facts(len(tested.rows), looks, scores, plan.cfg.trainer.monitor)
    run = str(records[0].root) if records else "RUN"
    screen.fact("test rows", look_sentence(facts, run, opened, status == "finished"))
    return facts
