"""The commands of docs/programs.md, typed in a folder that has only its program."""

from __future__ import annotations

import csv
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    for line in block.strip().splitlines()
]
NO_TORCH = """
    import sys
    assert not {"torch", "mlflow", "harness.run"} & set(sys.modules)
    return loss
"""


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder with the program and the configuration of the guide."""
    for name in ("train.py", "conf/train.yaml"):
        (content,) = re.findall(rf"^```\w+\n# {re.escape(name)}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content.replace("\n    return loss\n", NO_TORCH))
    return tmp_path


def start(command: str, folder: Path) -> subprocess.Popen[str]:
    python, *words = shlex.split(command)
    assert python == "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def states(folder: Path) -> list[str]:
    (table,) = folder.glob("multirun/*/trials.csv")
    return [row["state"] for row in csv.DictReader(table.read_text().splitlines())]


@pytest.mark.parametrize("command", [each for each in COMMANDS if "workers" not in each])
def test_a_command_of_the_guide_works(there: Path, command: str) -> None:
    process = start(command, there)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    if " -m " in command:
        trials = re.search(r"\.trials=(\d+)", command)
        assert states(there) == ["complete"] * (int(trials[1]) if trials else 2)


def test_a_sweep_that_was_killed_has_exactly_its_trials(there: Path) -> None:
    """Two processes with structured state of Hydra's; the command is killed while trials run."""
    (command,) = (each for each in COMMANDS if "workers" in each)
    program = there / "train.py"
    slow = program.read_text().replace(
        "        if report(", "        __import__('time').sleep(0.05)\n        if report("
    )
    program.write_text(slow)
    process = start(command, there)
    until = time.monotonic() + 120
    while len(list(there.glob("multirun/*/*/checkpoint.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process = start(command, there)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    ended = states(there)
    assert len(ended) == 8
    assert set(ended) <= {"complete", "pruned"}
    assert len(list(there.glob("multirun/*/*/checkpoint.json"))) == 8
