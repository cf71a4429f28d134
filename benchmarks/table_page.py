"""The page of `benchmarks/tables.py`, from the stored outcomes alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.table_contenders import CONTENDERS, NEW, OLD, WEIGHTS
from benchmarks.table_outcomes import Outcome, Outcomes, TableFacts
from benchmarks.table_sets import ABSENT, SETS

BOOSTING = "boosting"
PYTABKIT = "RealMLP-TD of pytabkit"
_MOST_RMSE, _MOST_AUROC = 1.05, 0.01
"""How far a run may be behind early-stopped boosting without saying so."""

Scores = Mapping[str, Sequence[float]]
"""The scores of contenders on the folds of a table, higher is better."""


def ranks(scores: Scores) -> dict[str, float]:
    """The rank of each contender's mean, 1 for the best; equal ones share the mean of their ranks."""
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    return {
        name: 1 + sum(other > mean for other in means.values()) + (list(means.values()).count(mean) - 1) / 2
        for name, mean in means.items()
    }


def normalised(scores: Scores) -> dict[str, float]:
    """Each contender's mean between that of the worst (0) and of the best (1); 1 where all are equal."""
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    low, high = min(means.values()), max(means.values())
    return {name: 1.0 if high == low else (mean - low) / (high - low) for name, mean in means.items()}


def difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The mean difference over folds and its 95 % interval by Student's t."""
    from scipy.stats import t

    gaps = [own - other for own, other in zip(ours, theirs, strict=True)]
    mean = statistics.fmean(gaps)
    if len(gaps) < 2:
        return mean, -math.inf, math.inf
    half = float(t.ppf(0.975, len(gaps) - 1)) * statistics.stdev(gaps) / len(gaps) ** 0.5
    return mean, mean - half, mean + half


def is_behind(own: Outcome, boosting: Outcome, facts: TableFacts) -> bool:
    """Whether a contender has over 1.05 times the RMSE of early-stopped boosting, or .01 AUROC less."""
    if facts.task == "regression":
        return own.mean("rmse") > _MOST_RMSE * boosting.mean("rmse")
    return own.mean("auroc") < boosting.mean("auroc") - _MOST_AUROC


def page(outcomes: Outcomes) -> str:
    """Markdown: the contenders over all tables, the aims, who is behind boosting, and the scores on each."""
    found = {name: _comparable(each) for name, each in outcomes.by_table().items()}
    names = _ordered(found)
    lines = ["# Networks for tables against boosting and linear models", ""]
    lines += [*_about(outcomes, found), ""]
    whole = {table: each for table, each in found.items() if set(names) <= each.keys()}
    lines += [f"## All contenders, on the {len(whole)} tables where all of them were measured", ""]
    lines += [*_standing(outcomes, whole, names), "", *_aims(outcomes, whole), ""]
    quick = [name for name in names if name not in WEIGHTS]
    more = {table: each for table, each in found.items() if set(quick) <= each.keys()}
    if len(more) > len(whole):
        lines += [f"## The quick contenders, on {len(more)} tables", ""]
        lines += [*_standing(outcomes, more, quick), ""]
    lines += ["## Behind early-stopped boosting", "", *_behind(outcomes, found), ""]
    lines += ["## Each table", "", *_each_table(outcomes, found, names), ""]
    return "\n".join(lines)


def _comparable(each: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """The outcomes with the folds that most contenders have."""
    rows = statistics.mode([outcome.rows for outcome in each.values()])
    return {name: outcome for name, outcome in each.items() if outcome.rows == rows}


def _ordered(found: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    names = {name for each in found.values() for name in each}
    known = [*CONTENDERS, BOOSTING, "linear"]
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def _about(outcomes: Outcomes, found: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    rows = [outcomes.tables[name].rows for name in found]
    versions = {
        f"{package} {version}"
        for each in found.values()
        for outcome in each.values()
        for package, version in (outcome.versions or {}).items()
    }
    missing = [table.name for table in SETS if table.name not in found]
    between = f", {min(rows):,} to {max(rows):,} rows" if rows else ""
    lines = [
        f"`python -m benchmarks tables`: {len(found)} tables{between}; of larger ones 10,000 rows. The score "
        "is R2 of a number, AUROC of two classes, accuracy of several. Every contender learns from the "
        "training part of each fold, may stop by its validation part, and has the same test part and one "
        "thread. `boosting` is scikit-learn's HistGradientBoosting stopped by the validation part, `linear` "
        "logistic or ridge regression; these two are the baselines of a run, fitted on its transformed rows. "
        "Seconds are of CPU for all folds. A win or loss is a difference over the folds whose 95 % interval "
        "is on one side of 0.",
        "",
        f"Measured with {', '.join(sorted(versions))}.",
        "",
        f"In no package that was looked at: {', '.join(ABSENT)}.",
    ]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return lines


def _standing(
    outcomes: Outcomes, found: Mapping[str, Mapping[str, Outcome]], names: Sequence[str]
) -> list[str]:
    if not found:
        return ["None yet."]
    scores = {
        table: {name: each[name].values(outcomes.tables[table].metric) for name in names}
        for table, each in found.items()
    }
    lines = [
        f"| contender | mean rank of {len(names)} | normalised score | wins : losses against boosting "
        "| against the default | against RealMLP-TD of pytabkit | seconds × old default |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in names:
        rank = statistics.fmean(ranks(each)[name] for each in scores.values())
        score = statistics.fmean(normalised(each)[name] for each in scores.values())
        against = [_paired(scores, name, other) for other in (BOOSTING, NEW, PYTABKIT)]
        ratios = [each[name].seconds / each[OLD].seconds for each in found.values() if OLD in each]
        times = f"{statistics.geometric_mean(ratios):.2f}" if ratios and min(ratios) > 0 else ""
        lines.append(f"| {name} | {rank:.2f} | {score:.3f} | {' | '.join(against)} | {times} |")
    return lines


def _aims(outcomes: Outcomes, found: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    """Whether the default has the best mean rank, and nearly the normalised score of RealMLP-TD."""
    if not found or any(not {NEW, PYTABKIT} <= each.keys() for each in found.values()):
        return []
    scores = [
        {name: outcome.values(outcomes.tables[table].metric) for name, outcome in each.items()}
        for table, each in found.items()
    ]
    best = min(scores[0], key=lambda name: statistics.fmean(ranks(each)[name] for each in scores))
    own, other = (statistics.fmean(normalised(each)[name] for each in scores) for name in (NEW, PYTABKIT))
    return [
        f"Aims: the default has the best mean rank: {_verdict(best == NEW)}, {best} has it. Its normalised "
        f"score is at least that of RealMLP-TD of pytabkit - .01: {_verdict(own >= other - 0.01)}, {own:.3f} "
        f"and {other:.3f}.",
    ]


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


def _paired(scores: Mapping[str, Scores], name: str, other: str) -> str:
    pairs = [
        difference(each[name], each[other])
        for each in scores.values()
        if other in each and name != other and len(each[name]) == len(each[other])
    ]
    if not pairs:
        return ""
    return f"{sum(low > 0 for _, low, _ in pairs)} : {sum(high < 0 for _, _, high in pairs)}"


def _behind(outcomes: Outcomes, found: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    """Runs more than 5 % of RMSE or .01 AUROC behind, and whether they say that a baseline is better."""
    lines = ["| table | contender | score | boosting | it says |", "|---|---|--:|--:|---|"]
    silent, behind = {NEW: 0}, {NEW: 0}
    for table, each in found.items():
        facts = outcomes.tables[table]
        metric = "rmse" if facts.task == "regression" else "auroc"
        for name, own in each.items():
            if own.says is None or BOOSTING not in each or not is_behind(own, each[BOOSTING], facts):
                continue
            behind[name], silent[name] = behind.get(name, 0) + 1, silent.get(name, 0) + (not own.says)
            values = f"{own.mean(metric):.4g} | {each[BOOSTING].mean(metric):.4g}"
            lines.append(f"| {table} | {name} | {metric} {values} | {own.says or '**nothing**'} |")
    counts = [f"{name} on {behind[name]}, of which {silent[name]} say nothing" for name in behind]
    about = "More than 5 % of RMSE or .01 AUROC behind: " + "; ".join(counts) + "."
    return [about, "", *lines] if len(lines) > 2 else [about]


def _each_table(
    outcomes: Outcomes, found: Mapping[str, Mapping[str, Outcome]], names: Sequence[str]
) -> list[str]:
    lines = [f"| table | rows | columns | rarest class | score | {' | '.join(names)} |"]
    lines += [f"|---|--:|--:|--:|---|{'--:|' * len(names)}"]
    for table, each in sorted(found.items(), key=lambda one: outcomes.tables[one[0]].rows):
        facts = outcomes.tables[table]
        cells = [f"{each[name].mean(facts.metric):.4f}" if name in each else "" for name in names]
        rarest = "" if facts.rarest is None else f"{facts.rarest:.3f}"
        about = f"{table} | {facts.rows:,} | {facts.columns} | {rarest} | {facts.metric}"
        lines.append(f"| {about} | {' | '.join(cells)} |")
    return lines
