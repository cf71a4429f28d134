from __future__ import annotations

import shutil
from pathlib import Path

from harness.tracking.upload_task import UploadTask


def test_a_folder_that_was_removed_before_its_upload_is_not_made_again(outputs: Path, folder: Path) -> None:
    task = UploadTask(folder, f"sqlite:///{outputs}/mlflow.db", "digits", outputs)
    shutil.rmtree(folder)
    assert task.work(0.0, alone=False)
    assert not folder.exists()
    folder.mkdir()  # for the fixture
