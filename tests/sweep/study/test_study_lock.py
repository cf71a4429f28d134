"""A study's lock lets one in at a time, and does not outlive its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.sweep.study.study_lock import study_lock

DEADLINE = 30  # seconds after which a process counts as stuck


@pytest.fixture(params=["journal", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if request.param == "journal":
        return None
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/studies.db"
    address: str = request.getfixturevalue("postgres").url
    return address


def in_a_process(code: str, *words: object) -> subprocess.Popen[str]:
    """Code that finds `lock` of the study named by the last word; what it prints can be read."""
    head = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from harness.sweep.study.study_lock import study_lock\n"
        "url, folder, study = sys.argv[1:4]\n"
        "lock = study_lock(None if url == 'None' else url, Path(folder), study)\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


COUNT = """
counter = Path(folder) / "counter"
for _ in range(25):
    with lock():
        n = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(n + 1))
"""


@pytest.mark.slow
def test_processes_exclude_each_other(url: str | None, tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    children = [in_a_process(COUNT, url, tmp_path, "a-1") for _ in range(3)]
    for child in children:
        child.communicate(timeout=DEADLINE)
        assert child.returncode == 0
    assert (tmp_path / "counter").read_text() == "75"


@pytest.mark.parametrize("shared", [True, False], ids=["one lock", "a lock each"])
def test_threads_exclude_each_other(url: str | None, tmp_path: Path, shared: bool) -> None:
    count = 0
    one = study_lock(url, tmp_path, "a-1")

    def work() -> None:
        nonlocal count
        lock = one if shared else study_lock(url, tmp_path, "a-1")
        for _ in range(20):
            with lock():
                seen = count
                time.sleep(0.0005)
                count = seen + 1

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert count == 80


def test_another_study_is_another_lock(url: str | None, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with study_lock(url, tmp_path, "a-1")(), study_lock(url, tmp_path / "b", "b-1")():
        pass  # a thread that entered one lock twice would never come here


HOLD = """
child = os.fork()  # such as a worker that loads data, which outlives its parent
if child == 0:
    time.sleep(600)
with lock():
    print(child, flush=True)
    time.sleep(600)
"""

FORK_WITHIN = """
with lock():
    child = os.fork()
    if child == 0:
        time.sleep(600)
    print(child, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [HOLD, FORK_WITHIN], ids=["forked before", "forked within"])
def test_a_killed_holder_lets_go_though_its_child_lives_on(
    url: str | None, tmp_path: Path, code: str
) -> None:
    holder = in_a_process(code, url, tmp_path, "a-1")
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        holder.kill()
        with in_a_process("with lock(): print('in')", url, tmp_path, "a-1") as other:
            out, _ = other.communicate(timeout=DEADLINE)
            assert out == "in\n"
        os.kill(child, 0)  # it lives
    finally:
        os.kill(child, signal.SIGKILL)
        holder.communicate()


CHILD_ENTERS = """
with lock():
    pass
child = os.fork()
if child == 0:
    with lock():
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with lock():
    print("parent")
"""


@pytest.mark.slow
def test_a_forked_child_has_a_lock_of_its_own(url: str | None, tmp_path: Path) -> None:
    with in_a_process(CHILD_ENTERS, url, tmp_path, "a-1") as process:
        out, _ = process.communicate(timeout=DEADLINE)
    assert out == "7\nparent\n"


CHILD_LEAVES = """
with lock():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        taken = os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", os.environ["TRY"], *sys.argv[1:4])
        print(taken)
    else:
        sys.stdout = open(os.devnull, "w")
if child:
    with lock():
        print("again")
"""

TRY = """
import fcntl, sys
try:
    fcntl.flock(open(f"{sys.argv[2]}/study.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(3)
"""


@pytest.mark.slow
def test_a_forked_child_that_leaves_the_block_frees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRY", TRY)
    with in_a_process(CHILD_LEAVES, None, tmp_path, "a-1") as process:
        out, _ = process.communicate(timeout=DEADLINE)
    assert out == "3\nagain\n"


def test_the_lock_is_free_after_an_error_within(url: str | None, tmp_path: Path) -> None:
    lock = study_lock(url, tmp_path, "a-1")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock():
            raise ZeroDivisionError


def test_files_lie_in_the_sweeps_folder_or_beside_the_database(tmp_path: Path) -> None:
    study_lock(None, tmp_path, "a-1")
    (tmp_path / "db").mkdir()
    study_lock(f"sqlite:///{tmp_path}/db/studies.db", tmp_path, "b/c-1")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.lock")}
    assert found == {"study.lock", "db/studies.db-b%2Fc-1.lock"}


def test_a_file_that_cannot_be_made_is_the_users_business(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"study\.lock cannot be opened \(No such file or directory\); .*sweep\.st"
    ):
        study_lock(None, tmp_path / "nowhere", "a-1")
