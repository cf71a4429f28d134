"""Pages: the addresses of MLflow's own pages about runs and experiments; plain texts, no mlflow needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

LOCAL = "http://127.0.0.1:5000"
"""Where `python -m harness ui` answers unless told otherwise."""


def base_of(uri: str) -> str | None:
    """Where a store's pages are: a server's own address without its password, `LOCAL` for an sqlite file.

    None for any other: which server shows a PostgreSQL store, its address does not tell.
    """
    if re.match(r"https?://", uri):
        return re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
    return LOCAL if uri.startswith("sqlite") else None


def experiment_page(base: str, experiment_id: str, charts: bool = False) -> str:
    """The runs of an experiment, as a table or as charts."""
    return f"{base}/#/experiments/{experiment_id}/runs{'?compareRunsMode=CHART' if charts else ''}"


def run_page(base: str, experiment_id: str, run_id: str) -> str:
    """The overview of one run."""
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}"


def metrics_page(base: str, experiment_id: str, run_id: str) -> str:
    """The curves of one run."""
    return f"{run_page(base, experiment_id, run_id)}/model-metrics"


def compare_page(base: str, run_ids: Iterable[str], experiment_ids: Iterable[str]) -> str:
    """Runs side by side; the two lists are JSON, quoted so that a terminal takes the address as one word."""
    return f"{base}/#/compare-runs?runs={_listed(run_ids)}&experiments={_listed(experiment_ids)}"


def _listed(ids: Iterable[str]) -> str:
    return quote(json.dumps(list(dict.fromkeys(ids)), separators=(",", ":")), safe=",")
