from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking.mlflow import Mlflow
from harness.tracking.sync_runs import sync


@pytest.mark.slow
def test_a_server_killed_in_mid_run_costs_nothing_but_a_sync(
    tmp_path: Path, server: Any, eventually: Any
) -> None:
    outputs, folder = tmp_path / "outputs", tmp_path / "outputs" / "runs" / "a"
    folder.mkdir(parents=True)
    tracking = Mlflow(uri=server.uri, experiment="digits", outputs=str(outputs), patience=2.0)
    journal = Journal(folder)
    tracking.follow(folder)
    journal.start("", "a", params={"lr": 0.1})
    for step in range(5):
        journal.metrics("", step, {"loss": 1 / (step + 1)})
    server.await_answer()
    tracking.link(folder)
    size = (folder / "journal.jsonl").stat().st_size
    eventually(lambda: State.load(folder).offset == size)  # type: ignore[union-attr]
    run_id = tracking.link(folder).run_id
    assert run_id is not None
    server.kill()
    for step in range(5, 9):
        journal.metrics("", step, {"loss": 1 / (step + 1)})
    (folder / "plot.txt").write_text("plot")
    journal.artifact("", "plot.txt")
    journal.end("", "finished")
    link = tracking.settle(folder)
    assert (link.run_id, link.sent) == (run_id, False)
    assert link.trouble is not None
    assert link.trouble.startswith(
        f"MLflow at {server.uri} did not answer; the run is complete in {folder}, "
    )
    server.launch()
    server.await_answer()
    tracking.settle(folder)  # its patience is spent, so this only tells the uploader to try again now
    eventually(lambda: State.load(folder).sent(folder))  # type: ignore[union-attr]
    state = State.load(folder)
    assert state is not None
    state.offset = 0  # everything a second time, as after a uploader that was killed at the worst moment
    state.save(folder)
    eventually(lambda: "sent to" in sync(folder, outputs)[0])
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.uri)
    (run,) = client.search_runs([state.experiment_id])
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    history = client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / (step + 1)) for step in range(9)]
    assert [entry.path for entry in client.list_artifacts(run_id)] == ["plot.txt"]
    assert (server.folder / "artifacts").is_dir(), "through the server, not past it"
    assert not (outputs / "mlartifacts").exists()
