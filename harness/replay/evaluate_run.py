"""Scores a trained run on other rows; transform and weights stay as they are. The steps are:

configured    the stored configuration with the words of the command line
rows          the new table as the model takes it, and the rows that it was trained on
exposure      which of them may be scored
predicted     the predictions of the model, fold or ensemble
record        a run of its own, with a tag that names the trained run
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from secrets import token_hex

import numpy as np

from harness.bundle.bundle import read
from harness.config.instantiate import check
from harness.config.mlflow_experiment import choose_experiment
from harness.core.errors import UserError
from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.protocol import Evaluator
from harness.prepare import data_pipeline
from harness.prepare.evaluation import with_user_metrics
from harness.prepare.parts import Parts
from harness.prepare.plan import Plan
from harness.record.run_record import Record
from harness.record.run_start import Start
from harness.record.startup_lines import data
from harness.replay.evaluate_config import configured, touched
from harness.replay.evaluate_predictions import ScoredRows, scored
from harness.replay.evaluate_rows import Trained, read_rows, require_targets, trained_rows
from harness.replay.learned_rows import chosen_rows
from harness.replay.sealed_rows import require_unsealed_rows
from harness.runs.bundle_files import FACTS
from harness.runs.run_result import Result
from harness.runs.stored_run import ENSEMBLE, REFIT, StoredRun
from harness.runtime.inner_path import confined
from harness.runtime.isolation import isolated
from harness.runtime.stop_signals import Stop
from harness.runtime.stored_file import configured_by
from harness.stages.score_fold import FoldScores


@isolated()
def evaluate(
    logged: StoredRun,
    words: Sequence[str],
    outputs: str,
    command: str = "",
    together: bool = False,
    everything: bool = False,
) -> tuple[Path, Result]:
    """Scores a run on other rows; returns the evaluation's folder and the content of its `result.json`.

    Args:
        logged: the run, or one of its folds.
        words: of the command line, see `harness.replay.evaluate_config.configured`.
        outputs: below which the evaluation gets a folder, unless a word says otherwise.
        command: what to type to repeat it.
        together: all folds of the run as an ensemble, also if there is a refit.
        everything: of the run's own data, the rows that it learned from are scored too.

    Raises:
        UserError: words, rows and model do not fit each other, or rows are sealed; nothing is written then.
    """
    models, members = _models(logged, together)
    bundle = read(models[0])
    cfg = configured(logged, bundle, words, outputs)
    with nullcontext() if words else configured_by(logged.config_file):
        check(cfg)
    cache, parts = data_pipeline.open_cache(cfg), Parts(cfg)
    own = not any(key.startswith("data") for key in touched(words))
    with confined(logged.foreign and own):
        table = read_rows(parts, bundle, cache)
    choose_experiment(cfg, table.name)
    require_targets(table, bundle)
    trained = trained_rows(logged, bundle, members, table)
    rows, findings = chosen_rows(logged, table, trained, everything)
    require_unsealed_rows(Path(cfg.outputs), table, rows)
    evaluator = with_user_metrics(parts.evaluate, cfg, table.task)
    with Stop() as stop:
        outcome = scored(cfg, models, table, rows, trained, evaluator)
        stop.raise_if_asked()
    none = np.empty(0, dtype=np.int64)
    fold = Fold(0, none, none, rows)
    findings += _without_baselines(logged, trained)
    findings += [Finding("range", "warning", outcome.ranges)] if outcome.ranges else []
    plan = Plan(parts, {}, table, [fold], findings, cache)
    message = _facts(plan, logged, len(models))
    return _write(plan, command, outcome, evaluator, message)


def _fresh(outputs: str) -> Path:
    """Returns a folder that no other run has: two runs may start in the same second."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path(outputs) / "runs" / f"{stamp}-{token_hex(2)}"


def _models(logged: StoredRun, together: bool) -> tuple[list[Path], list[int] | None]:
    """Returns the bundles to use, and the folds that they were trained on; None: on all of them.

    Raises:
        UserError: there is no model, or it is not clear which one is meant.
    """
    if together and len(logged.models) > 1:
        return list(logged.models.values()), list(logged.models)
    if together:
        raise UserError(
            f"--ensemble puts the models of several folds together, and {logged.label} has "
            f"{len(logged.models)}",
            "leave it out",
        )
    model = logged.model
    if model == logged.folder / REFIT:
        return [model], None
    if model == logged.folder / ENSEMBLE:
        inside = [model / name for name in read(model).members]
        return inside, [int(path.parent.parent.name.removeprefix("fold-")) for path in _kept(logged)]
    number = next(number for number, path in logged.models.items() if path == model)
    return [model], [number]


def _kept(logged: StoredRun) -> list[Path]:
    return sorted(logged.folder.glob(f"fold-*/model/{FACTS}"))


def _without_baselines(logged: StoredRun, trained: Trained) -> list[Finding]:
    if trained.table is not None and trained.parts is not None:
        return []
    message = (
        f"no baselines: they follow from the rows that {logged.label} was trained on, and {trained.why}."
    )
    return [Finding("baselines", "warning", message)]


def _write(
    plan: Plan, command: str, outcome: ScoredRows, evaluator: Evaluator, message: dict[str, str]
) -> tuple[Path, Result]:
    """Writes the record of the evaluation with its results; returns its folder as well."""
    (fold,) = plan.folds
    with Record(plan, Start(_fresh(plan.cfg.outputs)), command) as record:
        record.evaluator = evaluator
        record.screen.opening(record.secrets.texts({**message, "folder": str(record.folder)}))
        for finding in plan.findings:
            if finding.severity == "warning":
                record.screen.note(record.secrets.text(finding.sentence))
            else:
                record.screen.fact("rows", record.secrets.text(finding.sentence))
        page = record.fold_record(fold)
        page.begin()
        FoldScores([("test", outcome.scores)], outcome.outputs, outcome.picture).write(page, plan.table)
        page.scores["model/parameters"] = float(outcome.parameters)
        record.journal.metrics("", 0, page.scores)
        page.end("finished", None)
        record.screen.fold_scores(fold.number, page.scores)
    return record.folder, record.result


def _facts(plan: Plan, logged: StoredRun, models: int) -> dict[str, str]:
    """Returns the lines for the screen about what is scored."""
    of = f"{logged.label} ({logged.name})"
    return {"evaluates": of if models == 1 else f"{of}, {models} models together", "data": data(plan)}
