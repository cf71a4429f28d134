"""The importance of each dimension of a search space."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from harness.sweep.study.snapshot import Snapshot

FEWEST = 10
"""With fewer complete trials, the shares would mostly be chance."""

_BEST = 5


def importance(snapshot: Snapshot, distributions: Mapping[str, Any], place: int) -> dict[str, float]:
    """The share of each dimension, by its short name, in what separates the best trials from the others.

    PED-ANOVA (arXiv:2304.10255), with its extension to dimensions that only some trials have
    (arXiv:2601.20800). The best are a tenth of the trials, and five at least.

    Args:
        distributions: Optuna's, by key.
        place: of the objective.

    Raises:
        ValueError: a trial has a dimension that `distributions` lacks, or a value outside it.
    """
    import optuna

    count = sum(row.state == "complete" for row in snapshot.rows)
    study = optuna.create_study(direction=snapshot.objectives[place].direction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for row in snapshot.rows:
            if row.state == "complete" and row.values is not None:
                point = dict(row.point)
                known = {key: distributions[key] for key in point if key in distributions}
                value = row.values[place]
                study.add_trial(optuna.create_trial(params=point, distributions=known, value=value))
        best = min(1.0, max(0.1, _BEST / count))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {snapshot.names[key]: share for key, share in shares.items() if math.isfinite(share)}
