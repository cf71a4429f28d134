"""Links to MLflow's own page that compares runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.runs.stored_run import StoredRun
from harness.tracking.mlflow_urls import LOCAL, base_of, compare_page

_MOST = 20
"""Runs of one link: MLflow's page draws them all, and becomes slow."""


def links(runs: Sequence[StoredRun]) -> Iterator[tuple[str, str]]:
    """(address, remark), one for each store that has two of the runs or more."""
    stores: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.mlflow_id is not None and run.state is not None and run.state.experiment_id is not None:
            stores.setdefault(run.state.uri, []).append(run)
    for uri, own in stores.items():
        base = base_of(uri)
        if base is None or len(own) < 2:
            continue
        shown = own[:_MOST]
        experiments = [str(run.state.experiment_id) for run in shown if run.state is not None]
        remarks = [f"the first {_MOST} of {len(own)} runs"] if len(own) > _MOST else []
        remarks += ["while `python -m harness ui` is open"] if base == LOCAL else []
        yield compare_page(base, [run.mlflow_id or "" for run in shown], experiments), ", ".join(remarks)
