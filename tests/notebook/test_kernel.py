"""`harness.api` in a real Jupyter kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    """from harness.api import run, sweep
quick = ["tracking=none", "trainer.epochs=1", "trainer.device=cpu", "data/extract=iris", "model.widths=[8]"]
run(*quick)""",
    "sweep(*quick, 'seed=1,2', 'sweep.name=seeds')",
    "run('modle=mlp')",
)


@pytest.mark.slow
def test_a_notebook_shows_a_run_and_a_sweep_as_tables_and_an_error_as_a_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp("jupyter")))
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(
        notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(here)}}
    )
    client.execute()
    run, sweep, error = (cell.outputs for cell in notebook.cells)
    assert "<th>test/accuracy</th>" in run[-1].data["text/html"]
    assert "<b>seeds-0</b>" in sweep[-1].data["text/html"]
    assert error[-1].traceback == ["error: there is no setting 'modle'; did you mean model?"]
    assert len(list((here / "outputs").glob("*/*/result.json"))) == 2
