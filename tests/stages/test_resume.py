"""A run that was killed goes on and ends as if nothing had happened, from the command line."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.runs.journal import Journal, read

pytestmark = pytest.mark.slow

MODULE = '''
import os

import torch


class Mortal(torch.nn.Module):
    """Sends its process a signal in the training step that MORTAL names: SIGNAL:STEP."""

    def __init__(self, shape, *, width: int):
        super().__init__()
        self.width = width
        size = torch.Size(shape).numel()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(size, width), torch.nn.BatchNorm1d(width),
            torch.nn.Dropout(0.1), torch.nn.ReLU(),
        )

    steps = 0  # of all models of the process

    def forward(self, inputs):
        if self.training:
            Mortal.steps += 1
            signum, _, step = os.environ.get("MORTAL", "0:0").partition(":")
            if Mortal.steps == int(step):
                os.kill(os.getpid(), int(signum))
        return self.layers(inputs)
'''

YAML = """\
# a model that dies on request
# python -m harness model=mortal
_target_: mortal.Mortal
_partial_: true
width: 8
"""

SMALL = ["model=mortal", "data/extract=digits", "trainer.epochs=4", "trainer.device=cpu"]
QUICK = [*SMALL, "data.load.batch_size=128", "split.guard=off", "checkpoint.share=1"]
WAYS = {
    "supervised": ["split.test=0.4", "trainer=supervised", "trainer.patience=3"],
    "contrastive": ["split.test=0.4", "trainer=contrastive"],
    "semi_supervised": ["split.test=0.4", "trainer=semi_supervised", "split.labelled=100"],
}
STEPS = 8  # of an epoch: 916 training rows in batches of 128


@pytest.fixture
def typed(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that every command here begins with, and the model that they name."""
    (here / "conf" / "model").mkdir(parents=True)
    (here / "conf" / "model" / "mortal.yaml").write_text(YAML)
    (here / "mortal.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "mortal", raising=False)
    return ["--config-dir", "conf", *QUICK]


Killed = Callable[..., None]


@pytest.fixture
def killed(run_apart: Any) -> Killed:
    """`killed(3, *words)` is a command in its own process, which is killed in its third training step."""

    def run(step: int, *words: str) -> None:
        ended = run_apart(*words, MORTAL=f"{signal.SIGKILL}:{step}")
        assert ended.status == -signal.SIGKILL, ended.err

    return run


def scores(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "result.json").read_text())["scores"]
    return {name: score for name, score in found.items() if not name.startswith("time/")}


def points(folder: Path) -> list[tuple[str, int, dict[str, float]]]:
    """Every line of scores in the journal, without the times."""
    return [
        (event["run"], event["step"], {k: v for k, v in event["values"].items() if not k.startswith("time/")})
        for event in read(folder)[0]
        if event["event"] == "metrics"
    ]


def assert_same(resumed: Path, whole: Path) -> None:
    assert json.loads((resumed / "result.json").read_text())["status"] == "finished"
    assert scores(resumed) == scores(whole)
    assert points(resumed) == points(whole)
    bundles = sorted(path.relative_to(whole) for path in whole.rglob("weights.safetensors"))
    files = [Path("predictions.csv")] * (whole / "predictions.csv").exists() + bundles
    assert bundles
    for file in files:
        assert (resumed / file).read_bytes() == (whole / file).read_bytes(), file
    assert not (resumed / "done").exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_run_killed_within_an_epoch_ends_as_the_uninterrupted_one(
    way: str, typed: list[str], killed: Killed, run_cli: Any, here: Path
) -> None:
    words = [*typed, *WAYS[way], "tracking=none"]
    assert run_cli(*words, "hydra.run.dir=whole").status == 0
    killed(2 * STEPS + 3, *words, "hydra.run.dir=cut")
    assert not (here / "cut" / "result.json").exists()
    answer = run_cli(*words, "hydra.run.dir=cut", "resume=auto")
    assert answer.status == 0, answer.err
    assert re.search(r"! the training resumes after epoch 2, step 1[0-9]\.", answer.out)
    assert_same(here / "cut", here / "whole")


def test_a_run_killed_twice_and_between_folds_trains_no_fold_again(
    typed: list[str], killed: Killed, run_cli: Any, here: Path
) -> None:
    folds = ["split=stratified_kfold", "split.folds=3", "split.valid=0.1", "trainer.epochs=2"]
    words = [*typed, *folds, "tracking=none", "data.load.batch_size=256", "baseline=off"]
    assert run_cli(*words, "hydra.run.dir=whole").status == 0
    per_fold = 2 * 5  # 1,078 training rows
    killed(1, *words)  # before the first checkpoint
    (cut,) = (here / "outputs" / "runs").iterdir()
    killed(per_fold + 1, *words, "resume=auto")  # the first step of the second fold
    assert [path.name for path in (cut / "done").glob("*.safetensors")] == ["fold-0000.safetensors"]
    killed(7, *words, "resume=auto")  # the second epoch of the second fold
    answer = run_cli(*words, f"resume={cut.name}")
    assert answer.status == 0, answer.err
    assert "fold 1 resumes after epoch 1, step 5." in answer.out
    assert [path.name for path in (here / "outputs" / "runs").iterdir()] == [cut.name]
    assert_same(cut, here / "whole")
    starts = [event["run"] for event in read(cut)[0] if event["event"] == "start"]
    assert starts.count("") == 4
    assert (starts.count("fold-0"), starts.count("fold-2")) == (2, 1)


def test_sigterm_within_an_epoch_writes_a_checkpoint_and_prints_how_to_resume(
    typed: list[str], run_apart: Any, run_cli: Any, here: Path
) -> None:
    words = [*typed, *WAYS["supervised"], "tracking=none", "checkpoint.share=0"]
    assert run_cli(*words, "hydra.run.dir=whole").status == 0
    done = run_apart(*words, MORTAL=f"{signal.SIGTERM}:{STEPS + 2}")
    assert (done.status, done.err) == (128 + signal.SIGTERM, "")
    (cut,) = (here / "outputs" / "runs").iterdir()
    assert json.loads((cut / "result.json").read_text())["status"] == "interrupted"
    assert [path.name for path in (cut / "checkpoints").glob("*.safetensors")] == [
        "step-00000010.safetensors"
    ]
    last = done.out.splitlines()[-1]
    assert last == f"go on    python -m harness {' '.join(words)} resume={cut}"
    answer = run_cli(*last.split()[5:])
    assert answer.status == 0, answer.err
    assert "the training resumes within epoch 2, step 10." in answer.out
    assert_same(cut, here / "whole")
    first, second = (event["time"] for event in read(cut)[0] if event["event"] == "start")
    assert second > first
    assert json.loads((cut / "result.json").read_text())["seconds"] > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's own libraries
def test_the_mlflow_run_continues_and_has_no_point_twice(
    typed: list[str], killed: Killed, run_apart: Any, here: Path
) -> None:
    words = [*typed, *WAYS["supervised"], "tracking.patience=60"]
    killed(2 * STEPS + 3, *words)
    (cut,) = (here / "outputs" / "runs").iterdir()
    done = run_apart(*words, "resume=auto")
    assert done.status == 0, done.err
    link = json.loads((cut / "result.json").read_text())["mlflow"]
    from mlflow import MlflowClient

    client = MlflowClient(link["tracking_uri"])
    assert client.get_run(link["run_id"]).info.status == "FINISHED"
    (experiment,) = client.search_experiments(filter_string=f"name = '{link['experiment']}'")
    assert len(client.search_runs([experiment.experiment_id])) == 1
    history = client.get_metric_history(link["run_id"], "valid/log_loss")
    expected = {step: values["valid/log_loss"] for _, step, values in points(cut) if "lr" in values}
    assert [point.step for point in history] == [1, 2, 3, 4, 5]  # the last: the kept model's
    assert [point.value for point in history[:4]] == [expected[step] for step in (1, 2, 3, 4)]
    assert [point.step for point in client.get_metric_history(link["run_id"], "lr")] == [1, 2, 3, 4]


Refusal = Callable[..., str]

FAST = ("data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "trainer.device=cpu", "tracking=none")


@pytest.fixture(scope="module")
def outputs_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the outputs of the one run that `finished` copies are kept."""
    return tmp_path_factory.mktemp("finished") / "outputs"


@pytest.fixture
def finished(run_cli: Any, here: Path, outputs_once: Path, only_run: Callable[[], Path]) -> Path:
    """The folder of a finished run, which is trained once for all tests of this file."""
    if outputs_once.exists():
        shutil.copytree(outputs_once, here / "outputs")
    else:
        assert run_cli(*FAST).status == 0
        shutil.copytree(here / "outputs", outputs_once)
    return only_run()


def interrupt(folder: Path, status: str = "interrupted", error: str | None = None) -> None:
    """Makes a finished run one that was stopped: its end gets another status."""
    lines = (folder / "journal.jsonl").read_text().splitlines()
    end = json.loads(lines[-1])
    assert end["event"] == "end"
    (folder / "journal.jsonl").write_text(
        "\n".join([*lines[:-1], json.dumps({**end, "status": status, "error": error})]) + "\n"
    )


def test_a_finished_run_is_not_resumed(finished: Path, refusal: Refusal) -> None:
    sentence = refusal(*FAST, f"resume={finished.name}")
    assert sentence == (
        f"resume={finished.name} cannot be done: that run is finished; leave resume out to run it anew."
    )


def test_a_run_that_there_is_not_is_refused_with_near_misses(
    finished: Path, here: Path, refusal: Refusal
) -> None:
    wrong = finished.name[:-1]
    assert refusal(*FAST, f"resume={wrong}") == (
        f"{wrong} is no run below outputs; did you mean {finished.name}?"
    )
    (here / "empty").mkdir()
    assert refusal(*FAST, "resume=empty") == (
        "resume=empty cannot be done: empty holds no run; name the folder of a run, or resume=auto."
    )
    sentence = "resume must not be empty; give resume=VALUE, or leave it out."
    assert refusal(*FAST, "resume=") == sentence


def test_a_changed_configuration_is_refused_with_what_changed(finished: Path, refusal: Refusal) -> None:
    interrupt(finished)
    sentence = refusal(*FAST, f"resume={finished}", "model.widths=[9]", "trainer.epochs=5")
    assert sentence == (
        f"resume={finished} cannot be done: a run continues with its own configuration, and these differ: "
        "model.widths [8] -> [9] and trainer.epochs 2 -> 5; revert them, or accept them with "
        "'resume.allow=[model.widths,trainer.epochs]'."
    )


def test_an_allowed_change_that_does_not_fit_is_refused(finished: Path, refusal: Refusal) -> None:
    interrupt(finished)
    (finished / "done" / "fold-0000.safetensors").unlink(missing_ok=True)
    allow = "resume.allow=[model.widths]"
    sentence = refusal(*FAST, f"resume={finished}", "model.widths=[9]", allow)
    assert sentence.startswith("epoch-0001.safetensors does not fit the changes of resume.allow (Error(s) in")
    assert sentence.endswith("); revert the change, or start a new run.")
    sentence = refusal(*FAST, f"resume={finished}", "resume.allow=[model.width]")
    assert (
        sentence
        == "resume.allow names 'model.width', and there is no such setting; did you mean model.widths?"
    )


def test_a_run_resumes_with_an_allowed_change(finished: Path, run_cli: Any, here: Path) -> None:
    interrupt(finished)
    words = [*FAST, "trainer.epochs=5", f"resume={finished}", "resume.allow=[trainer.epochs]"]
    answer = run_cli(*words)
    assert answer.status == 0, answer.err
    steps = [step for _, step, values in points(finished) if "lr" in values]
    assert steps == [1, 2, 3, 4, 5]
    assert "epochs: 5" in (finished / "config.yaml").read_text()


def test_other_data_is_refused(run_cli: Any, here: Path, refusal: Refusal) -> None:
    frame = pd.DataFrame({"a": range(60), "b": [float(i % 7) for i in range(60)], "y": ["p", "q"] * 30})
    frame.to_csv(here / "rows.csv", index=False)
    words = [
        "data/extract=csv",
        "data.extract.path=rows.csv",
        "data.extract.target=y",
        "data.cache=off",
        "hydra.run.dir=run",
        "split.guard=off",
    ]
    assert run_cli(*FAST, *words).status == 0
    interrupt(here / "run")
    frame.assign(a=frame.a + 1).to_csv(here / "rows.csv", index=False)
    sentence = refusal(*FAST, *words, "resume=run")
    assert sentence.startswith("resume=run cannot be done: that run had other data (data.digest ")
    assert sentence.endswith("); restore them, or start a new run.")
    (here / "outputs" / "runs").mkdir(parents=True)
    (here / "run").rename(here / "outputs" / "runs" / "run")
    answer = run_cli(*FAST, *words[:4], *words[5:], "resume=auto")
    assert answer.status == 0
    assert (
        "! resume=auto: outputs/runs/run has this configuration, and other data (data.digest " in answer.out
    )


def without_settings(folder: Path, *keys: str) -> None:
    """Makes the run one of an earlier version, which had no such settings."""
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    for event in events:
        for key in keys:
            event.get("params", {}).pop(key, None)
    (folder / "journal.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))


def test_the_extraction_of_an_earlier_version_is_named_where_it_explains_other_data(
    run_cli: Any, here: Path, refusal: Refusal
) -> None:
    days = pd.date_range("2026-01-01", periods=60).strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "b": [i % 7 for i in range(60)], "y": ["p", "q"] * 30}).to_csv(
        here / "rows.csv", index=False
    )
    words = ["data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", "data.cache=off"]
    words += ["data.extract.time=day", "split.guard=off"]
    earlier = ["data.extract.recognise=false", "data.extract.time_features=null"]
    assert run_cli(*FAST, *words, *earlier).status == 0
    (folder,) = (here / "outputs/runs").iterdir()
    keys = [word.partition("=")[0] for word in earlier]
    interrupt(folder)
    without_settings(folder, *keys)
    sentence = refusal(*FAST, *words, f"resume={folder.name}")
    assert "differ: data.extract.recognise False -> True and data.extract.time_features None -> [" in sentence
    remedy = f"an earlier version of harness began it: go on as it did with {' '.join(earlier)}."
    assert sentence.endswith(remedy)
    other = refusal(*FAST, *words, f"resume={folder.name}", "seed=7")
    assert other.endswith(f"{remedy[:-1]}, and revert seed.")
    answer = run_cli(*FAST, *words, f"resume={folder.name}", *earlier)
    assert answer.status == 0, answer.err
    interrupt(folder)
    without_settings(folder, *keys)
    answer = run_cli(*FAST, *words, "resume=auto")
    assert answer.status == 0, answer.err
    assert f"and it is resumed with {' '.join(earlier)}." in answer.out


def test_a_run_that_diverged_is_refused(finished: Path, refusal: Refusal) -> None:
    interrupt(finished, "failed", "Diverged: the training loss became nan")
    assert refusal(*FAST, f"resume={finished}") == (
        f"resume={finished} cannot be done: the training of that run diverged, and resuming would "
        "repeat it; start a new run with the changes that its error suggests."
    )


def test_a_run_that_another_process_resumes_is_refused(
    finished: Path, run_cli: Any, refusal: Refusal
) -> None:
    interrupt(finished)
    holder = (
        "import sys; from pathlib import Path; from harness.runs.journal import Journal; "
        "journal = Journal(Path(sys.argv[1])); print(journal.claim(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(finished)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert refusal(*FAST, f"resume={finished}") == (
            f"resume={finished} cannot be done: that run is still running; wait for it, or stop it first."
        )
        process.kill()  # and its claim goes with it
    assert run_cli(*FAST, f"resume={finished}").status == 0


def test_without_an_unfinished_run_a_new_one_starts_with_a_note(
    finished: Path, run_cli: Any, here: Path, refusal: Refusal
) -> None:
    answer = run_cli(*FAST, "resume=auto")
    assert answer.status == 0
    assert (
        "! resume=auto: no unfinished run with this configuration below outputs; a new run starts."
        in answer.out.splitlines()
    )
    assert len(list((here / "outputs" / "runs").iterdir())) == 2
    answer = run_cli(*FAST, "resume=auto", "hydra.run.dir=mine")
    assert f"! resume=auto: {here}/mine holds no run yet; a new run starts." in answer.out.splitlines()
    sentence = refusal(*FAST, "resume=auto", "hydra.run.dir=mine")
    assert sentence.endswith("cannot be done: that run is finished; leave resume out to run it anew.")


def test_damaged_checkpoints_of_a_named_run_are_refused_and_of_another_start_afresh(
    finished: Path, run_cli: Any, refusal: Refusal
) -> None:
    interrupt(finished)
    (finished / "checkpoints" / "epoch-0001.safetensors").write_bytes(b"no longer what it was")
    sentence = refusal(*FAST, f"resume={finished}")
    assert sentence == (
        f"no checkpoint in {finished}/checkpoints is intact: epoch-0001.safetensors is unusable (it is cut "
        "off, or no safetensors file at all); name another run, or start anew without resume."
    )
    named = refusal(*FAST, f"resume={finished}/checkpoints/epoch-0001.safetensors")
    assert named.startswith(
        "a checkpoint is a safetensors file that harness wrote, with its .sha256 beside it"
    )
    answer = run_cli(*FAST, "resume=auto")
    assert answer.status == 0
    assert "no safetensors file at all): the training starts from the beginning." in answer.out


def test_auto_starts_afresh_in_a_chosen_folder_whose_only_checkpoint_is_torn(
    finished: Path, run_cli: Any
) -> None:
    """As a trial of a sweep does, whose worker was killed while it wrote the first one."""
    interrupt(finished)
    (finished / "checkpoints" / "epoch-0001.safetensors").write_bytes(b"no longer what it was")
    answer = run_cli(*FAST, "resume=auto", f"hydra.run.dir={finished}")
    assert answer.status == 0
    assert "no safetensors file at all): the training starts from the beginning." in answer.out
    assert json.loads((finished / "result.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("content", ["", '{"event":"start","ti'], ids=["nothing", "half a line"])
def test_a_run_that_was_killed_before_its_first_event_starts_anew_in_its_folder(
    run_cli: Any, here: Path, content: str
) -> None:
    (here / "run").mkdir()
    (here / "run" / "journal.jsonl").write_text(content)
    answer = run_cli(*FAST, "hydra.run.dir=run", "resume=auto")
    assert answer.status == 0, answer.err
    assert "! the training has no checkpoint yet: it starts from the beginning." in answer.out
    assert [step for _, step, values in points(here / "run") if "lr" in values] == [1, 2]


def test_a_run_that_another_process_finished_meanwhile_is_not_resumed(
    finished: Path, run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = (finished / "journal.jsonl").read_text()
    interrupt(finished)
    claim = Journal.claim

    def late(self: Journal) -> bool:
        (finished / "journal.jsonl").write_text(end)
        return claim(self)

    monkeypatch.setattr(Journal, "claim", late)
    answer = run_cli(*FAST, "resume=auto")
    assert "resume=auto: no unfinished run with this configuration" in answer.out
    assert (finished / "journal.jsonl").read_text() == end


def test_of_two_commands_that_begin_in_one_folder_at_once_the_second_is_refused(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "claim", lambda self: False)
    answer = run_cli(*FAST, "hydra.run.dir=run")
    assert answer.status == 2
    assert answer.err.startswith(
        f"error: a run needs a folder of its own, and {here / 'run'} holds one already; "
    )


def test_a_checkpoint_is_no_run(finished: Path, refusal: Refusal) -> None:
    file = finished / "checkpoints" / "epoch-0001.safetensors"
    assert refusal(*FAST, f"resume={file}") == (
        f"resume={file} names a checkpoint; name the folder of its run."
    )


def test_out_of_memory_names_the_batch_size_to_try(
    run_cli: Any, only_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.trainer.supervised import SupervisedTrainer

    loss = SupervisedTrainer.loss

    def hungry(self: Any, parts: Any) -> Any:
        if self.step == 3:
            raise MemoryError
        return loss(self, parts)

    monkeypatch.setattr(SupervisedTrainer, "loss", hungry)
    answer = run_cli(*FAST, "data.load.batch_size=64")
    assert answer.status == 1
    assert answer.err == (
        "error: the training ran out of memory with data.load.batch_size=64; try data.load.batch_size=32, "
        "with trainer.update.accumulate=2 to keep the rows per optimizer step.\n"
    )
    assert json.loads((only_run() / "result.json").read_text())["status"] == "failed"
    assert [path.name for path in (only_run() / "checkpoints").glob("*.safetensors")] == [
        "epoch-0001.safetensors"
    ]
    assert answer.out.splitlines()[-1].startswith("go on ")
