"""What a user sees of our runs in MLflow's own pages, as a browser renders them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.compose import compose
from harness.run import run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=2400,2400"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium"),
]


@pytest.fixture
def read_page(tmp_path: Path) -> Callable[[str, set[str]], str]:
    """Opens an address until it shows all these words, three times at most; gives the page's HTML."""

    def read(address: str, words: set[str]) -> str:
        page = ""
        for attempt in range(3):
            profile = tmp_path / f"browser-{attempt}"
            command = [str(BROWSER), *QUIET.split(), f"--user-data-dir={profile}"]
            # The budget is of the page's own time, which stands still while it waits for the server.
            command += [f"--virtual-time-budget={10_000 * (attempt + 1)}", "--dump-dom", address]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            page = done.stdout
            if all(word in page for word in words):
                break
        return page

    return read


@pytest.fixture
def runs(tmp_path: Path, server: Any) -> list[dict[str, Any]]:
    """Two runs of ours, tracked by the server: their results."""
    server.await_answer()
    words = ["data/extract=wine", "trainer.epochs=2", "trainer.device=cpu", f"outputs={tmp_path / 'outputs'}"]
    words += [f"tracking.uri={server.uri}", "tracking.experiment=cultivars", "tracking.patience=60"]
    found = []
    for name, lr in (("slow", "0.00125"), ("quick", "0.0125")):
        cfg = compose([*words, f"name={name}", f"trainer.optimizer.lr={lr}"])
        result = run(cfg, tmp_path / "outputs" / "runs" / name)
        assert result.mlflow is not None
        found.append({"name": name, "lr": lr, "id": result.mlflow["run_id"], "scores": result.scores})
    return found


def test_the_pages_of_mlflow_show_our_parameters_and_scores_by_name(
    server: Any, runs: list[dict[str, Any]], read_page: Callable[[str, set[str]], str]
) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("cultivars").experiment_id
    # The table shows the columns that its reader chose; a choice that is shared lies in a tag.
    columns = ["params.`trainer.optimizer.lr`", "metrics.`test/accuracy`"]
    client.set_experiment_tag(
        experiment, "mlflow.sharedViewState.test", json.dumps({"selectedColumns": columns})
    )
    names = {"trainer.optimizer.lr", "test/accuracy"}
    values = {word for found in runs for word in (found["name"], found["lr"])}
    table = read_page(f"{server.uri}/#/experiments/{experiment}/runs?viewStateShareKey=test", names | values)
    assert [word for word in sorted(names | values) if word not in table] == []
    # As JavaScript writes numbers: all digits, and 1.0 as 1.
    accuracy = [repr(found["scores"]["test/accuracy"]["mean"]).removesuffix(".0") for found in runs]
    assert [word for word in accuracy if word not in table] == []

    chosen = json.dumps([found["id"] for found in runs])
    address = f'{server.uri}/#/compare-runs?runs={chosen}&experiments=["{experiment}"]'
    names |= {"trainer.epochs", "valid/accuracy", "test/accuracy_baseline_majority", "model/parameters"}
    comparison = read_page(address, names | values)
    assert [word for word in sorted(names | values) if word not in comparison] == []
    assert "Comparing 2 Runs from 1 Experiment" in comparison
