"""The result of a sweep, in files that scripts and tables read.

    result.json   status, best trial, counts
    trials.csv    a line per trial
    best.yaml     the best trial and the one to use, and the commands that run them again

Each appears whole or stays as it was.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from harness.core.steady_score import is_steady, steady_sentence
from harness.runs.run_result import SCHEMA, Result, Summary, summarise, write_json
from harness.runtime import provenance
from harness.runtime.atomic_file import write_text
from harness.runtime.redact import mask_urls
from harness.runtime.secret_values import Secrets
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.sweep.study.sweep_cost import Cost, Tariff
from harness.sweep.worker.sweep_spec import OF_THE_SWEEP

RESULT, TRIALS, BEST = "result.json", "trials.csv", "best.yaml"

PROGRAM_RESULT = "trial.json"
"""The result of a trial of another program, which may have a `result.json` of its own."""

Status = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """The result of a sweep: exactly the keys of its `result.json`.

    objective   {"name", "direction", "value"}, the value being the best trial's; None with several.
                Of a steady score also "meaning", a sentence
    objectives  each like `objective`, its value the best that any trial on the front reached; None with one
    trials      how many are complete, frozen, pruned, failed, running and waiting
    best        {"number", "value" or "values", "folder"}; of several objectives a list of the front
    recommended as `best`, of the trial to use; None with several objectives
    scores      of the recommended trial, or of the best if `sweep.test=best`, from its `result.json`;
                {} with several objectives
    selection   what the best score is worth, see `harness.sweep.report.selection.Selection`, or None
    earlier     what was taken from earlier sweeps, see `EarlierSweep.summary`
    why         what explains failures and the place of the best, see `harness.sweep.report.explanation`
    seconds     wall time, summed over all commands that continued the sweep
    cost        time, energy and money, and how much of the budget is used, see `SweepCost.as_dict`, or None
    remaining   what the trials that are left are expected to bring, see `RemainingGain.as_dict`; None without
                `sweep.until=noise`
    mlflow      {"tracking_uri", "experiment", "run_id"} of the parent run, or None
    command     what to type to continue the sweep, or to begin it anew
    error       one line, or None
    """

    schema: int = SCHEMA
    status: Status
    objective: dict[str, Any] | None = None
    objectives: list[dict[str, Any]] | None = None
    trials: dict[str, int] = field(default_factory=dict)
    best: dict[str, Any] | list[dict[str, Any]] | None = None
    recommended: dict[str, Any] | None = None
    scores: dict[str, Summary] = field(default_factory=dict)
    selection: dict[str, Any] | None = None
    earlier: list[dict[str, Any]] = field(default_factory=list)
    why: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    cost: dict[str, Any] | None = None
    remaining: dict[str, Any] | None = None
    mlflow: dict[str, Any] | None = None
    command: str = ""
    error: str | None = None

    def write(self, folder: Path) -> None:
        """Writes `<folder>/result.json`; of `objective` and `objectives` the one that there is."""
        content = asdict(self)
        del content["objective" if self.objectives is not None else "objectives"]
        write_json(folder / RESULT, content)


def sum_up(
    folder: Path,
    snapshot: Snapshot,
    status: Status,
    seconds: float,
    command: str,
    error: str | None = None,
    recommended: Row | None = None,
    scored: Row | None = None,
) -> SweepResult:
    """The result of a sweep in `folder`.

    Where MLflow has its parent run is known later: `dataclasses.replace(result, mlflow=…)`.

    Args:
        recommended: the trial to use; None: the best.
        scored: whose own result is read for the scores; None: the recommended one.
    """
    best = snapshot.best
    recommended = recommended or next(iter(best), None)
    scored = scored or recommended
    objectives = [_reached(objective, place, best) for place, objective in enumerate(snapshot.objectives)]
    alone = len(objectives) == 1
    entries = [_entry(row, alone) for row in best]
    trials: dict[str, int] = {str(state): count for state, count in snapshot.counts.items()}
    return SweepResult(
        status=status,
        objective=objectives[0] if alone else None,
        objectives=None if alone else objectives,
        trials=trials | {"waiting": snapshot.waiting},
        best=(entries[0] if entries else None) if alone else entries,
        recommended=_entry(recommended, alone) if recommended and alone else None,
        scores=scores_of(folder, scored) if scored and alone else {},
        seconds=seconds,
        command=command,
        error=error,
    )


def _reached(objective: Objective, place: int, best: Sequence[Row]) -> dict[str, Any]:
    values = [row.values[place] for row in best if row.values is not None]
    value = min(values, key=objective.cost) if values else None
    meaning = {"meaning": steady_sentence(objective.name)} if is_steady(objective.name) else {}
    return {"name": objective.name, "direction": objective.direction, "value": value} | meaning


def _entry(row: Row, alone: bool) -> dict[str, Any]:
    values = list(row.values or ())
    value = {"value": values[0]} if alone else {"values": values}
    return {"number": row.number, **value, "folder": row.folder}


def scores_of(folder: Path, row: Row) -> dict[str, Summary]:
    """The scores of a trial's run; of runs with several seeds, `summarise` over their means.

    {} where the run left no result, as on a machine whose disk is not ours.
    """
    home = folder / row.folder
    alone = [home / name for name in (PROGRAM_RESULT, RESULT) if (home / name).exists()][:1]
    paths = alone or sorted(home.glob(f"seed-*/{RESULT}"))
    by_run = [Result.read(path).scores for path in paths]
    if len(by_run) < 2:
        return by_run[0] if by_run else {}
    return {name: _over([scores[name]["mean"] for scores in by_run if name in scores]) for name in by_run[0]}


def _over(means: Sequence[float | None]) -> Summary:
    return summarise([float("nan") if mean is None else mean for mean in means])


def write_trials(folder: Path, snapshot: Snapshot, tariff: Tariff) -> Path:
    """`trials.csv`: a line per trial, a column per objective and per dimension of the space.

    What a trial has not is an empty cell; times are ISO 8601. `seconds` is the time from the beginning of a
    trial to its end, `worker_seconds` its part of the time of its worker.
    """
    names = [objective.name for objective in snapshot.objectives]
    cost = ["worker_seconds", "gpu_seconds", "kwh", "money"]
    last = ["worker", "begun", "ended", "error"]
    titles = ["number", "state", *names, *snapshot.keys, "seconds", *cost, *last]
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(titles)
    for row in snapshot.rows:
        values = row.values or [None] * len(names)
        point = [_cell(row.point[key]) if key in row.point else None for key in snapshot.keys]
        used = row.cost or Cost()
        spent = [used.seconds, used.gpu_seconds, used.kwh, tariff.of_trial(used)] if row.cost else [None] * 4
        about: list[Any] = [
            row.seconds,
            *spent,
            row.worker,
            _iso(row.begun),
            _iso(row.ended),
            _line(row.error),
        ]
        lines.writerow([row.number, row.state, *values, *point, *about])
    write_text(folder / TRIALS, text.getvalue())
    return folder / TRIALS


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else mask_urls(value) if isinstance(value, str) else value


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _line(text: str | None) -> str | None:
    return None if text is None else mask_urls(" ".join(text.split()))


def write_best(
    folder: Path,
    snapshot: Snapshot,
    command: Callable[[Row], str],
    selection: Mapping[str, Any] | None = None,
) -> Path | None:
    """`best.yaml`: number, values, parameters, folder and command of the best; a list of the front.

    Nothing is written where no trial may be called the best, and what an earlier process wrote is removed.

    Args:
        command: what runs a trial again without the sweep, see `again`.
        selection: `SweepResult.selection`; the trials that cannot be distinguished from the best are listed.
    """
    best = snapshot.best
    if not best:
        (folder / BEST).unlink(missing_ok=True)
        return None
    import yaml

    entries = [_best_entry(snapshot, row, command(row)) for row in best]
    if selection is not None:
        entries[0] |= _priced(snapshot, selection, command)
    alone = len(snapshot.objectives) == 1
    what = (
        "The best trial"
        if alone
        else "The trials of the Pareto front, none better than another in everything"
    )
    heading = f"# {what}; `command` runs it again without the sweep.\n"
    body = yaml.safe_dump(entries[0] if alone else entries, sort_keys=False, allow_unicode=True, width=10_000)
    write_text(folder / BEST, heading + body)
    return folder / BEST


def _best_entry(snapshot: Snapshot, row: Row, command: str) -> dict[str, Any]:
    names = (objective.name for objective in snapshot.objectives)
    return {
        "number": row.number,
        "values": dict(zip(names, row.values or (), strict=True)),
        "parameters": {key: mask_urls(v) if isinstance(v, str) else v for key, v in row.point.items()},
        "folder": row.folder,
        "command": command,
    }


def _priced(
    snapshot: Snapshot, selection: Mapping[str, Any], command: Callable[[Row], str]
) -> dict[str, Any]:
    """What the choice costs, the trials that equal the best, the simplest of them, and the one to use."""
    by_number = {row.number: row for row in snapshot.rows}
    simplest, recommended = selection["simplest"], selection["recommended"]
    return {
        "expected": {selection["score"]: selection["expected"], "ci95": list(selection["ci95"])},
        "equivalent": list(selection["equivalent"]),
        "simplest": {**simplest, "command": command(by_number[simplest["number"]])},
        "recommended": {"number": recommended, "command": command(by_number[recommended])},
    }


def again(
    fixed: Sequence[str],
    words: Sequence[str],
    command: Callable[[list[str]], str] = provenance.command,
    sweep_keys: Sequence[str] = OF_THE_SWEEP,
) -> str:
    """The command that runs one trial alone, its secrets masked.

    Args:
        fixed: the words that are the same for all trials, as typed; those about the sweep are left out.
        words: what the trial's point says, such as `model=mlp`.
        command: makes a command of overrides.
        sweep_keys: keys, with all that is below them, that a single run does not take.
    """
    all_words = [*(word for word in fixed if not _below_any(word, sweep_keys)), *words]
    return Secrets(None, all_words).text(command(all_words))


def _below_any(word: str, keys: Sequence[str]) -> bool:
    names = word.lstrip("+~").partition("=")[0].replace(".", "/").split("@")  # of GROUP@PLACE both
    return any(name == owner or name.startswith(f"{owner}/") for name in names for owner in keys)
