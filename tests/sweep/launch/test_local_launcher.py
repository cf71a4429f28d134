from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hydra import version
from hydra.core.utils import JobReturn, JobStatus
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.types import HydraContext
from hydra.version import VersionBase
from omegaconf import DictConfig

from harness.config.choice_files import CONF
from harness.core.errors import Interrupted, UserError
from harness.sweep.launch.child_process import Died
from harness.sweep.launch.local import Local, check

pytestmark = pytest.mark.slow

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no child can import a test

OURS = f"hydra.searchpath=[file://{CONF}]"


@pytest.fixture(autouse=True)
def no_version_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites are programs that name no version of Hydra's behaviour; ours does, in the same process."""
    monkeypatch.setattr(VersionBase.instance(), "version_base", version.__compat_version__)


# Hydra warns such a program.
suite = pytest.mark.filterwarnings("ignore:\nFuture Hydra versions", "ignore:Future Hydra versions")


@suite
@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [("local", [OURS, "hydra.launcher.workers=1"]), ("local", [OURS, "hydra.launcher.workers=2"])],
)
class TestHydrasLauncherSuite(LauncherTestSuite):
    pass


@suite
@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        (
            "local",
            [OURS, "hydra.launcher.workers=2", "hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2"],
        )
    ],
)
class TestHydrasBatchedSuite(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", OURS, "hydra/launcher=local", "hydra/sweeper=basic", "hydra.launcher.workers=2"])],
)
class TestHydrasIntegrationSuite(IntegrationTestSuite):
    """Programs of their own, whose jobs run in child processes; the suite above has both kinds of job."""


@pytest.fixture
def launcher(tmp_path: Path, hydra_restore_singletons: None) -> Iterator[Any]:
    """`launcher(task, workers=2)` is a launcher of a tiny program; a test that hangs fails instead."""
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    def late(*_: Any) -> None:
        raise AssertionError("two minutes have passed")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    (tmp_path / "config.yaml").write_text("number: 0\n")
    hydra = Hydra.create_main_hydra2("tiny", _search_path(tmp_path))

    def make(task: Any, workers: int = 2, gpus: float | None = None, threads: int | None = None) -> Local:
        words = [f"hydra.sweep.dir={tmp_path}/sweep", "hydra.job.chdir=false"]
        config = hydra.compose_config("config", words, run_mode=RunMode.MULTIRUN)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        return Local(context, config, task, workers, gpus, threads)

    yield make
    GlobalHydra.instance().clear()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _search_path(folder: Path) -> Any:
    from hydra._internal.utils import create_config_search_path

    return create_config_search_path(str(folder))


def _state(job: JobReturn) -> tuple[Any, ...]:
    return job.status, job.overrides, job._return_value


def test_a_single_worker_runs_in_this_process(launcher: Any) -> None:
    one = launcher(lambda cfg: (os.getpid(), cfg.number), workers=1)
    assert one.in_process
    jobs = one.launch([["number=1"], ["number=2"]], 0)
    assert [job.return_value for job in jobs] == [(os.getpid(), 1), (os.getpid(), 2)]


def test_a_single_worker_with_a_share_of_its_own_has_a_process_of_its_own(launcher: Any) -> None:
    one = launcher(lambda cfg: (os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]), workers=1, gpus=0)
    assert not one.in_process
    (job,) = one.launch([[]], 0)
    assert job.return_value[0] != os.getpid()
    assert job.return_value[1] == ""


def test_several_workers_have_processes_slots_and_threads_of_their_own(
    launcher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")

    def task(cfg: DictConfig) -> Any:
        (tmp_path / f"here-{cfg.number}").touch()
        while len(list(tmp_path.glob("here-*"))) < 2:  # both at a time
            time.sleep(0.01)
        names = ("HARNESS_SLOT", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
        return os.getpid(), *(os.environ[name] for name in names)

    jobs = launcher(task, threads=3).launch([["number=1"], ["number=2"]], 0)
    given = [job.return_value for job in jobs]
    assert len({os.getpid(), *(found[0] for found in given)}) == 3
    assert sorted(found[1:] for found in given) == [("0", "3", "4"), ("1", "3", "5")]


def test_jobs_come_back_in_their_order_with_number_and_folder(launcher: Any, tmp_path: Path) -> None:
    def task(cfg: DictConfig) -> Any:
        from hydra.core.hydra_config import HydraConfig

        time.sleep(0.3 * (cfg.number == 1))
        return cfg.number, HydraConfig.get().job.num, HydraConfig.get().runtime.output_dir

    jobs = launcher(task).launch([["number=1"], ["number=2"], ["number=3"]], 5)
    sweep = tmp_path / "sweep"
    assert [job.return_value for job in jobs] == [
        (number, 4 + number, str(sweep / str(4 + number))) for number in (1, 2, 3)
    ]


def test_a_dead_child_is_one_failed_job_and_the_others_continue(launcher: Any) -> None:
    def task(cfg: DictConfig) -> int:
        if cfg.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return int(cfg.number)

    jobs = launcher(task).launch([[f"number={number}"] for number in (1, 2, 3)], 0)
    assert _state(jobs[0]) == (JobStatus.COMPLETED, ["number=1"], 1)
    assert _state(jobs[2]) == (JobStatus.COMPLETED, ["number=3"], 3)
    assert jobs[1].status == JobStatus.FAILED
    assert jobs[1].overrides == ["number=2"]
    assert jobs[1].cfg == {"number": 2}
    assert jobs[1].hydra_cfg.hydra.job.num == 1
    with pytest.raises(Died, match=r"^the worker process ended by signal 9 \(SIGKILL\)"):
        _ = jobs[1].return_value


def test_an_error_of_a_task_is_in_its_job(launcher: Any) -> None:
    def task(cfg: DictConfig) -> None:
        raise KeyError(cfg.number)

    (job,) = launcher(task).launch([["number=7"]], 0)
    assert job.status == JobStatus.FAILED
    assert repr(job._return_value) == "KeyError(7)"


def test_the_output_of_a_job_is_in_its_folder_and_no_output_gives_no_log(
    launcher: Any, tmp_path: Path
) -> None:
    def task(cfg: DictConfig) -> None:
        if cfg.number == 1:
            print("sqlite://me:geheim@host/file")

    launcher(task).launch([["number=0"], ["number=1"]], 0)
    assert [file.relative_to(tmp_path) for file in tmp_path.rglob("worker.log")] == [
        Path("sweep/1/worker.log")
    ]
    assert (tmp_path / "sweep/1/worker.log").read_text() == "sqlite://me:***@host/file\n"


def test_a_second_launch_in_another_thread_shares_the_slots(launcher: Any, tmp_path: Path) -> None:
    def task(cfg: DictConfig) -> str:
        (tmp_path / f"here-{cfg.number}").touch()
        while len(list(tmp_path.glob("here-*"))) < 2:
            time.sleep(0.01)
        return os.environ["HARNESS_SLOT"]

    two, found = launcher(task), []

    def launch(number: int) -> None:
        found.extend(two.launch([[f"number={number}"]], number))

    threads = [threading.Thread(target=launch, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.return_value for job in found) == ["0", "1"]


def _until_told(folder: Path) -> Any:
    """A task that says where it is, and then waits for a signal, which it answers with."""

    def task(cfg: DictConfig) -> str:
        heard: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, frame: heard.append(signum))
        (folder / f"here-{cfg.number}").touch()
        while not heard:
            time.sleep(0.01)
        return f"ended by {heard[0]}"

    return task


def _when_here(folder: Path, count: int, then: Any) -> threading.Thread:
    def wait() -> None:
        while len(list(folder.glob("here-*"))) < count:
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_stopped_launcher_ends_its_jobs_in_order_and_starts_no_other(launcher: Any, tmp_path: Path) -> None:
    two = launcher(_until_told(tmp_path))
    _when_here(tmp_path, 2, two.stop)
    jobs = two.launch([["number=1"], ["number=2"], ["number=3"]], 0)
    assert [job._return_value for job in jobs[:2]] == ["ended by 15", "ended by 15"]
    assert [job.status for job in two.launch([[]], 3)] == [JobStatus.FAILED]
    assert str(jobs[2]._return_value) == "the job was not begun: its launcher had been stopped."


def test_sigterm_is_passed_on_and_ends_the_command_once_the_jobs_have_ended(
    launcher: Any, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    _when_here(tmp_path, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted) as ended:
        launcher(_until_told(tmp_path)).launch([["number=1"], ["number=2"], ["number=3"]], 0)
    assert ended.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_ends_the_launch_once_the_jobs_have_ended(launcher: Any, tmp_path: Path) -> None:
    two = launcher(_until_told(tmp_path))

    def control_c() -> None:  # the terminal sends it to every process of the group
        for child in list(two._children):
            os.kill(child.pid, signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    _when_here(tmp_path, 2, control_c)
    with pytest.raises(KeyboardInterrupt):
        two.launch([["number=1"], ["number=2"], ["number=3"]], 0)
    assert two._children == set()
    assert not (tmp_path / "here-3").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ((0, None, None), "hydra.launcher.workers must be at least 1, got 0."),
        ((1, None, 0), "hydra.launcher.threads must be at least 1, or null, got 0."),
        (
            (1, 1.5, None),
            "hydra.launcher.gpus must be a whole number, a fraction below 1, or null, got 1.5.",
        ),
        ((1, -1, None), "hydra.launcher.gpus must be a whole number, a fraction below 1, or null, got -1."),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        check(*settings)
    assert str(refused.value) == sentence


def test_more_gpus_than_there_are_are_refused_before_anything_runs(
    launcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(UserError, match=r"hydra\.launcher\.gpus=1 for 2 workers takes 2 GPUs, and 1 can be"):
        launcher(lambda cfg: None, gpus=1)
