"""A leaderboard for each data set: scores of different rows or targets have no common order."""

from __future__ import annotations

from collections.abc import Sequence

from harness.compare.leaderboard import Leaderboard, data_name, rank_runs
from harness.compare.ranking_score import NoCommonScore, monitored
from harness.runs.stored_run import StoredRun


def rank_by_data(
    runs: Sequence[StoredRun], by: str | None = None, each: bool = False
) -> tuple[tuple[Leaderboard, ...], tuple[str, ...]]:
    """The leaderboards, and the data sets that have none because the score `by` is none of theirs.

    Runs of one data set whose monitored scores have no counterpart (another target) have one each.

    Args:
        by, each: as in `rank_runs`.

    Raises:
        UserError: as `rank_runs`, if no data set has a leaderboard.
    """
    groups: dict[str, list[StoredRun]] = {}
    for run in runs:
        groups.setdefault(data_name(run), []).append(run)
    finished = [own for own in groups.values() if any(map(_is_finished, own))]
    if not finished:
        return (rank_runs(runs, by, each),), ()
    finished[0] += [run for own in groups.values() if own not in finished for run in own]  # which are counted
    boards: list[Leaderboard] = []
    refused: dict[str, NoCommonScore] = {}
    for own in finished:
        try:
            boards += _boards(own, by, each)
        except NoCommonScore as error:
            refused[data_name(own[0])] = error
    if not boards:
        raise next(iter(refused.values()))
    return tuple(boards), tuple(refused)


def _boards(runs: list[StoredRun], by: str | None, each: bool) -> list[Leaderboard]:
    try:
        return [rank_runs(runs, by, each)]
    except NoCommonScore:
        groups: dict[str, list[StoredRun]] = {}
        for run in filter(_is_finished, runs):
            groups.setdefault(monitored(run), []).append(run)
        if by is not None or len(groups) < 2:
            raise
    unfinished = [run for run in runs if not _is_finished(run)]
    first, *others = groups.values()
    return [rank_runs(own, None, each) for own in ([*first, *unfinished], *others)]


def _is_finished(run: StoredRun) -> bool:
    return run.result is not None and run.result.status == "finished"
