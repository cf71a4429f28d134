"""`torchrun --nproc-per-node 2 -m harness …` is one run, and the same as that of a single process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

SMALL = ("model=mlp", "model.widths=[16]", "model.dropout=0", "trainer.epochs=2", "data/augment=none")
QUIET = ("trainer.device=cpu", "tracking=none", "data.cache=off", "split.guard=off")

LITTLE = "split.test=0.7"
"""Leaves some 450 rows to learn from, seven batches of 63 and a rest."""

BOMB = """
import os
class Bomb:
    '''Fails at the tenth batch of one process.'''
    def __init__(self, *, rank: int) -> None:
        self.rank, self.batches = rank, 0
    def __call__(self, inputs):
        self.batches += 1
        if os.environ.get("RANK") == str(self.rank) and self.batches == 10:
            raise RuntimeError("the lens is cracked")
        return inputs
"""


@pytest.fixture
def torchrun(here, processes, monkeypatch):
    """`torchrun("model=mlp")` is that command in two processes: status, output and errors of each."""
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")

    def run(*words):
        from harness.__main__ import execute

        return execute(sorted([*QUIET, *words], key=lambda word: word != "-m"))  # options stand first

    return lambda *words, **how: processes(run, *words, **how)


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model" / "weights.safetensors")


def curves(folder: Path) -> list[dict[str, float]]:
    events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    values = [event["values"] for event in events if event["event"] == "metrics"]
    return [{name: value for name, value in entry.items() if "seconds" not in name} for entry in values]


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def assert_equal_runs(one: Path, two: Path) -> None:
    """Weights and curves within 1e-5, and no weight left out."""
    expected, found = weights(one), weights(two)
    assert list(expected) == list(found)
    for name, weight in expected.items():
        np.testing.assert_allclose(found[name], weight, rtol=0, atol=1e-5, err_msg=name)
    for entry, same in zip(curves(one), curves(two), strict=True):
        assert same == pytest.approx(entry, rel=1e-5, abs=1e-5)


def runs_of(sweep: Path) -> list[Path]:
    return sorted(folder.parent for folder in sweep.glob("*/result.json"))


def assert_equal_sweeps(run_cli, torchrun, *words) -> list[Path]:
    """Every run of a sweep by two processes is that of one; its runs."""
    words = (*words, LITTLE, "data.load.batch_size=63", "sweep.test=all")
    assert run_cli(*QUIET, *words, "hydra.sweep.dir=one", "-m").status == 0
    assert [ended.value for ended in torchrun(*words, "hydra.sweep.dir=two", "-m")] == [0, 0]
    one, two = runs_of(Path("one")), runs_of(Path("two"))
    for alone, together in zip(one, two, strict=True):
        assert_equal_runs(alone, together)
    return two


def test_a_supervised_training_is_that_of_a_single_process(run_cli, torchrun):
    """With uneven shares, accumulated, the head first, batches normed, classes weighed, weights divided."""
    found = assert_equal_sweeps(
        run_cli,
        torchrun,
        *("trainer.speed.parallel=ddp,fsdp", "trainer.update.accumulate=3", "trainer.epochs=2"),
        *("model=convnet", "model.widths=[8,8]", "data/augment=none"),
        *("trainer.layers.head_first=1", "trainer.class_weights=balanced"),
    )
    assert len(found) == 2
    for folder in found:
        one, two = (pd.read_csv(f"{side}/{folder.name}/predictions.csv") for side in ("one", "two"))
        pd.testing.assert_frame_equal(one, two, check_exact=False, atol=1e-5)


def test_a_contrastive_loss_sees_the_whole_batch(run_cli, torchrun):
    methods = "trainer/method=supcon,vicreg,moco"
    words = (*SMALL, "trainer=contrastive", methods, "trainer.epochs=1", "trainer/optimizer=sgd")
    probes = ("evaluate=representation", "evaluate.iterations=10")  # short: they are not what is compared
    assert len(assert_equal_sweeps(run_cli, torchrun, *words, *probes)) == 3


def test_a_semi_supervised_loss_sees_the_whole_batch(run_cli, torchrun):
    """Both terms with uneven shares, and what the methods remember of the rows."""
    methods = "trainer/method=flexmatch,freematch"
    words = (*SMALL, "trainer=semi_supervised", methods, "split.labelled=41", "trainer.epochs=1")
    assert len(assert_equal_sweeps(run_cli, torchrun, *words)) == 2


def test_processes_that_read_different_rows_train_nothing(torchrun, here):
    text = "x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(40))
    for rank, rows in enumerate((text, text.replace("\n7,", "\n8,"))):
        (here / str(rank)).mkdir()
        (here / str(rank) / "visits.csv").write_text(rows)
    ended = torchrun(
        "data/extract=csv", "data.extract.path=${oc.env:RANK}/visits.csv", "data.extract.target=y", *SMALL
    )
    assert [process.value for process in ended] == [2, 2]
    assert ended[0].err == (
        "error: the processes of torchrun must read the same rows, and visits differs from one to another; "
        "name a source in data.extract that stays as it is between two reads, such as a file.\n"
    )
    assert ended[1].err == ""
    assert not (here / "outputs").exists()


def test_rank_0_alone_prints_and_leaves_files(torchrun, here):
    first, second = torchrun(*SMALL, "trainer.epochs=1")
    assert "finished in" in first.out
    assert (second.out, second.err) == ("", "")
    assert [path.name for path in here.iterdir() if not path.name.startswith("processes")] == ["outputs"]
    assert len(list((here / "outputs" / "runs").iterdir())) == 1


def test_several_folds_and_several_runs_are_done_together(torchrun, here):
    ended = torchrun(*SMALL, "trainer.epochs=1", "split=kfold", "split.folds=2", "seed=1,2", "-m")
    assert [process.value for process in ended] == [0, 0]
    (sweep,) = (here / "outputs" / "sweeps").iterdir()
    assert [result(sweep / number)["folds"] for number in ("0", "1")] == [2, 2]


def test_a_user_error_is_printed_once(torchrun, here):
    first, second = torchrun(*SMALL, "trainer.epochs=0")
    assert (first.value, second.value) == (2, 2)
    assert first.err.startswith("error: trainer.epochs must be auto, null or at least 1")
    assert second.err == ""
    assert not (here / "outputs").exists()


def test_an_error_of_rank_0_ends_all_processes(torchrun, here):
    (here / "taken").mkdir()
    (here / "taken" / "journal.jsonl").touch()
    first, second = torchrun(*SMALL, "hydra.run.dir=taken")
    assert (first.value, second.value) == (2, 2)
    assert first.err.startswith("error: a run needs a folder of its own")
    assert second.err == ""


@pytest.mark.parametrize("failing", [0, 1])
def test_one_failing_process_ends_all_with_its_error(torchrun, here, monkeypatch, failing):
    (here / "bomb.py").write_text(BOMB)
    monkeypatch.syspath_prepend(here)
    words = (
        *SMALL[:-1],
        "~data/augment",
        "+data.augment._target_=bomb.Bomb",
        f"+data.augment.rank={failing}",
    )
    ended = torchrun(*words, "hydra.run.dir=two")
    assert [process.value for process in ended] == [1, 1]
    name = f"process {failing}: " if failing else ""
    assert f"{name}error: RuntimeError: the lens is cracked.\n" in ended[failing].err
    assert ended[1 - failing].err == ""
    found = result(here / "two")
    assert found["status"] == "failed"
    assert found["error"].endswith(f"{name}RuntimeError: the lens is cracked")


def test_a_process_that_dies_without_a_word_ends_all(torchrun, here, monkeypatch):
    dying = BOMB.replace('raise RuntimeError("the lens is cracked")', "os._exit(9)")
    (here / "bomb.py").write_text(dying)
    monkeypatch.syspath_prepend(here)
    words = (*SMALL[:-1], "~data/augment", "+data.augment._target_=bomb.Bomb", "+data.augment.rank=1")
    running = torchrun(*words, "hydra.run.dir=two", waiting=False)
    running.wait_for_end()
    assert "error: another process of torchrun ended without a message" in running.err(0)
    assert result(here / "two")["status"] == "failed"


@pytest.mark.parametrize(("heard", "parallel"), [(0, "ddp"), (1, "fsdp")])
def test_a_signal_to_one_process_stops_all_in_order_and_the_run_can_be_resumed(
    run_cli, torchrun, here, heard, parallel
):
    words = (*SMALL, "trainer.epochs=60", "data.load.batch_size=255", f"trainer.speed.parallel={parallel}")
    running = torchrun(*words, "hydra.run.dir=two", waiting=False)
    journal = here / "two" / "journal.jsonl"
    running.until(lambda: journal.exists() and '"train/loss"' in journal.read_text())
    os.kill(running.pids[heard], signal.SIGTERM)
    assert [ended.value for ended in running.wait()] == [143, 143]
    assert result(here / "two")["status"] == "interrupted"

    assert [ended.value for ended in torchrun(*words, "resume=two")] == [0, 0]
    assert run_cli(*QUIET, *words, "hydra.run.dir=one").status == 0
    expected, found = weights(here / "one"), weights(here / "two")
    for name, weight in expected.items():
        np.testing.assert_allclose(found[name], weight, rtol=0, atol=1e-3, err_msg=name)
    assert result(here / "two")["status"] == "finished"


def test_a_verb_is_no_training(processes):
    def run():
        from harness.__main__ import execute

        return execute(["ls"])

    first, second = processes(run)
    assert (first.value, second.value) == (2, 2)
    assert first.err == "error: torchrun starts trainings, and ls is none; type it without torchrun.\n"
    assert second.err == ""


@pytest.mark.slow
def test_torchrun_itself_starts_it(here):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += ["--local-addr", "127.0.0.1", "-m", "harness", *QUIET, *SMALL, "hydra.run.dir=two"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("finished in") == 1
    assert result(here / "two")["status"] == "finished"
