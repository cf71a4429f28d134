"""Addresses of MLflow's pages about runs and experiments; built as text, without importing MLflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

LOCAL = "http://127.0.0.1:5000"
"""The default address of `python -m harness ui`."""


def base_of(uri: str) -> str | None:
    """The base address of a store's pages: a server's address without its password and parameters, `LOCAL`
    for an sqlite file.

    None for others: the address of a PostgreSQL store does not say which server shows it.
    """
    if re.match(r"https?://", uri):
        parts = urlsplit(uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
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
    """Runs side by side; the two lists are JSON, quoted so that a terminal recognises the whole address."""
    return f"{base}/#/compare-runs?runs={_listed(run_ids)}&experiments={_listed(experiment_ids)}"


def _listed(ids: Iterable[str]) -> str:
    return quote(json.dumps(list(dict.fromkeys(ids)), separators=(",", ":")), safe=",")
