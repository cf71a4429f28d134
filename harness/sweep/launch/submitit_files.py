"""The files of submitit: each job's configuration, pickled, for the node that will run it.

The configuration may hold a password, so the folder is the user's alone while the sweep runs; what was
pickled goes at its end. Logs stay.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf


def prepare(config: DictConfig) -> Path | None:
    """Makes the folder of a submitit launcher with mode 0700; to be called before the first launch.

    submitit then logs errors only, and does not call `sacct` where that cannot answer.

    Returns:
        The folder; None where the launcher has none.
    """
    folder = _folder(config)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.environ.setdefault("SUBMITIT_LOG_LEVEL", "ERROR")  # read while submitit is imported
        if shutil.which("sbatch") and not _accounts():
            _leave_sacct_alone()
    return folder


def forget(config: DictConfig) -> None:
    """Takes the pickled configurations and answers away; to be called when no job needs them any more."""
    folder = _folder(config)
    for pickled in folder.rglob("*.pkl") if folder is not None else ():
        pickled.unlink(missing_ok=True)


def _accounts() -> bool:
    """Whether this SLURM has accounting, which records how a job ended; it needs a database for that."""
    try:
        asked = subprocess.run(["sacct", "--noheader", "--jobs=1"], capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


def _leave_sacct_alone() -> None:
    """submitit calls sacct repeatedly, and has no setting for it; each time, sacct prints an error.

    Nothing is lost: the study knows which workers live.
    """
    if find_spec("submitit") is not None:
        from submitit.slurm.slurm import SlurmInfoWatcher

        SlurmInfoWatcher._make_command = lambda self: None  # type: ignore[method-assign]


def _folder(config: DictConfig) -> Path | None:
    """The folder of all jobs: `…/workers/slurm` of `…/workers/slurm/%j`."""
    given = OmegaConf.select(config, "hydra.launcher.submitit_folder")
    if given is None:
        return None
    return Path(*takewhile(lambda part: "%" not in part, Path(str(given)).absolute().parts))
