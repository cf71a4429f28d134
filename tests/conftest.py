"""Fixtures of all tests: the command line in the test's own process, servers, and the marker `slow`."""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.util
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy.testing  # noqa: F401 - the one of numpy 2.0 starts a process when it is imported
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings, strategies


class Answer(NamedTuple):
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


RunCli = Callable[..., Answer]


@functools.cache
def _service(name: str) -> Any:
    """A module of tests/service, loaded when the first test needs its server."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "service" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # which dataclasses look up
    spec.loader.exec_module(module)
    return module


_guard = _service("process_guard").ProcessGuard()
_guard.install()

# A busy machine is no fault of the code, and a commit that passes today passes tomorrow.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

STARTS_PROCESSES = frozenset(
    {"fitted_baselines", "postgres", "processes", "run_apart", "server", "serving", "slurm", "terminal"}
)
"""Fixtures that start processes: each test that uses one is marked `slow`.

The first gradient boosting in a process asks another one for the number of cores.
"""

# Without their compiled files, each process that a test starts would compile the package anew, and each
# run of the suite all tests with pytest's assertions.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Python would look at all objects of torch and scikit-learn again and again: a fifth of the suite's CPU time.
gc.set_threshold(5_000, 20, 50)


def pytest_collection_finish() -> None:
    """No look at all objects passes what the modules of the tests have imported, half a million."""
    # With its first example Hypothesis looks for the holders of random generators, and sees no frozen ones.
    given(strategies.none())(lambda nothing: None)()
    gc.freeze()


# A script's background job ignores SIGINT, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses such a fixture, and orders the tests so that the last ones are short.

    pytest-xdist gives each worker one stretch of the list, and one that is done takes over the end of
    another's. Each stretch begins with its part of the slow tests.
    """
    for item in items:
        if STARTS_PROCESSES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [
        item
        for worker in range(workers)
        for part in (slow, quick)
        for item in part[worker * len(part) // workers : (worker + 1) * len(part) // workers]
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """No process starts in a test without the marker `slow`, in whichever fixture it is tried.

    Where modules are looked for stays as it was: MLflow prepends the code of each model that it loads, and
    the processes that a later test starts would import that code instead of the checkout's.
    """
    _guard.refused.clear()
    _guard.active = item.get_closest_marker("slow") is None
    path = list(sys.path)
    try:
        return (yield)
    finally:
        _guard.active = False
        sys.path = path


@pytest.fixture(autouse=True)
def no_process_without_the_marker() -> Iterator[None]:
    """Fails a test whose attempt to start a process was refused, also where the product caught that."""
    yield
    if _guard.refused:
        pytest.fail(f"mark this test slow, it starts a process: {_guard.refused[0]}")


@pytest.fixture(autouse=True)
def hydra_as_before() -> Iterator[None]:
    """Restores what Hydra knows about the current job, and the root logger that it configures."""
    from hydra.core.hydra_config import HydraConfig

    root = logging.getLogger()
    before, level = HydraConfig.instance().cfg, root.level
    yield
    HydraConfig.instance().cfg = before
    root.setLevel(level)
    # A stream that pytest captured is closed by now; the handlers of pytest are of other classes.
    for handler in [handler for handler in root.handlers if type(handler) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(scope="session", autouse=True)
def no_extras_of_tables() -> Iterator[None]:
    """Leaves fitted baselines and the importance of columns out of runs in the test's own process.

    They would take longer than most of these runs.
    """
    from harness.stages import fold_baselines, fold_importance, score_fold

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(score_fold, "fit_baselines", lambda *_: fold_baselines.FoldBaselines())
        patched.setattr(score_fold, "find_importance", lambda *_: fold_importance.FoldImportance())
        yield


@pytest.fixture(scope="session", autouse=True)
def no_ledger_in_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gives the looks at test scores of a run in the checkout, whose `outputs` it has, a folder elsewhere."""
    from harness.runs.look_ledger import LookLedger

    root, elsewhere = Path(__file__).parents[1], tmp_path_factory.mktemp("looks")
    made = LookLedger.__init__

    def init(self: Any, outputs: Path) -> None:
        made(self, elsewhere / outputs if Path.cwd() == root else outputs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LookLedger, "__init__", init)
        yield


@pytest.fixture
def fitted_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks for these baselines."""
    from harness.stages import fold_baselines, score_fold

    monkeypatch.setattr(score_fold, "fit_baselines", fold_baselines.fit_baselines)


@pytest.fixture
def column_importance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks for the importance of columns."""
    from harness.stages import fold_importance, score_fold

    monkeypatch.setattr(score_fold, "find_importance", fold_importance.find_importance)


@pytest.fixture(autouse=True)
def import_path_as_before() -> Iterator[None]:
    """Restores sys.path: a model that MLflow loads puts its own copy of the code first, for all processes."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(autouse=True)
def no_mlflow_variables() -> None:
    """MLflow writes its address into the environment, where the next test would read it."""
    for name in ("URI", "TOKEN", "USERNAME", "PASSWORD"):
        os.environ.pop(f"MLFLOW_TRACKING_{name}", None)
    for name in ("EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_NAME"):
        os.environ.pop(f"MLFLOW_{name}", None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command is typed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_cli(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """`run_cli("model=mlp", "seed=1")` is `python -m harness model=mlp seed=1`."""
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # `execute` sets it

    def run(*words: str) -> Answer:
        from harness.__main__ import execute

        capsys.readouterr()
        status = execute(list(words))
        return Answer(status, *capsys.readouterr())

    return run


@pytest.fixture
def refusal(run_cli: RunCli, here: Path) -> Callable[..., str]:
    """`refusal("seed=x")` is the sentence with which a command is refused that has written nothing.

    A check of the rows that took long may be in the cache: a second attempt finds it there.
    """

    cache = here / "outputs" / "cache"

    def paths() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns if path.is_file() else 0
            for path in here.rglob("*")
            if cache not in (path, *path.parents)
        }

    def run(*words: str) -> str:
        before = paths()
        answer = run_cli(*words)
        assert answer.status == 2, answer.err
        assert re.fullmatch(r"(trying \d+ points of the space, .*\n)?", answer.out)
        (sentence,) = answer.err.splitlines()
        if cache.exists():
            before.setdefault(cache.parent, 0)
        assert paths() == before
        return sentence.removeprefix("error: ")

    return run


@pytest.fixture
def run_apart(here: Path, tmp_path_factory: pytest.TempPathFactory) -> RunCli:
    """`run_apart("seed=1", NAME="value")` is the same in a process of its own, with that variable."""
    service = _service("forked_command")

    def run(*words: str, **variables: str) -> Answer:
        out, err = (tmp_path_factory.mktemp("command") / name for name in ("out", "err"))
        command = service.ForkedCommand(words, here, out, err, {"OMP_NUM_THREADS": "1", **variables})
        return Answer(command.wait(300), out.read_text(), err.read_text())

    return run


@pytest.fixture
def only_run(here: Path) -> Callable[[], Path]:
    """The folder of the one run that was made."""

    def find() -> Path:
        (folder,) = (here / "outputs" / "runs").iterdir()
        return folder

    return find


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`processes(function, …)` calls it in two processes that train together; see tests/service/processes.py.

    With `waiting=False` they are under way when it returns.
    """
    service = _service("processes")
    started: list[Any] = []

    def run(function: Callable[..., Any], *arguments: Any, count: int = 2, waiting: bool = True) -> Any:
        folder = tmp_path / f"processes-{len(started)}"
        folder.mkdir()
        started.append(service.start(function, *arguments, folder=folder, count=count))
        return started[-1].wait() if waiting else started[-1]

    yield run
    for running in started:
        running.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of this session's own: see `Postgres` in tests/service/postgres.py."""
    service = _service("postgres")
    bin = service.binaries()
    if bin is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with service.running(bin) as server:
        yield server


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """The slurm.conf of a SLURM of this session's own: see tests/service/slurm.py."""
    service = _service("slurm")
    missing = service.missing()
    if missing is not None:
        pytest.skip(missing)
    with service.running() as conf:
        yield conf


@pytest.fixture
def terminal(here: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Where multiruns are typed, stopped and killed: see `Terminal` in tests/service/sweeping.py."""
    _service("forked_command")
    terminal = _service("sweeping").Terminal(here, tmp_path_factory.mktemp("logs"))
    yield terminal
    terminal.clear()


@pytest.fixture(scope="session")
def serving() -> Any:
    """`with serving.running(command, folder) as served`: see tests/service/serving.py."""
    return _service("serving")


@pytest.fixture
def graphql_server() -> Iterator[Any]:
    """A GraphQL server: see `GraphqlServer` in tests/service/graphql_server.py."""
    with _service("graphql_server").running() as server:
        yield server


@pytest.fixture
def other_graphql_server() -> Iterator[Any]:
    """A second one, on another port."""
    with _service("graphql_server").running() as server:
        yield server


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`finished("split=kfold", …)` is the folder of a run with these words; each is trained once per session.

    Two epochs on the CPU, without MLflow, unless the words say otherwise. It lies in `<outputs>/runs`; nobody
    may write into it: who must takes a copy of the outputs folder.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run_once(*words: str) -> Path:
        name = "finished-" + hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
        outputs = shared / name / "outputs"
        folder = outputs / "runs" / "made"
        with FileLock(shared / f"{name}.lock"):  # pytest's other workers use the same runs
            if not (shared / name / "complete").exists():
                from harness.config.compose import compose
                from harness.run import run

                quick = ["tracking=none", "trainer.epochs=2", "trainer.device=cpu", f"outputs={outputs}"]
                overrides = [*quick, *words]
                run(compose(overrides), folder, command=" ".join(["python -m harness", *overrides]))
                (shared / name / "complete").touch()
        return folder

    return run_once
