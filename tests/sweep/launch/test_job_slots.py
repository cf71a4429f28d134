from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.sweep.launch.job_slots import Slots, environment, gpus, listed_gpus, share_gpus, threads_each


def test_the_lowest_free_slot_is_taken() -> None:
    slots = Slots(3)
    with slots.one() as first:
        with slots.one() as second:
            assert (first, second) == (0, 1)
        with slots.one() as again, slots.one() as third:
            assert (again, third) == (1, 2)
    with slots.one() as free:
        assert free == 0


def test_who_finds_no_free_slot_waits_for_one() -> None:
    slots, taken = Slots(1), []

    def take() -> None:
        with slots.one() as slot:
            taken.append(slot)

    thread = threading.Thread(target=take)
    with slots.one():
        thread.start()
        thread.join(0.1)
        assert taken == []
    thread.join(10)
    assert taken == [0]


def test_a_slot_is_given_back_by_who_fails_in_it() -> None:
    slots = Slots(1)
    with pytest.raises(KeyError), slots.one():
        raise KeyError
    with slots.one() as slot:
        assert slot == 0


def test_the_usable_cores_are_divided_and_each_worker_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert [threads_each(count) for count in (1, 2, 3, 8, 9)] == [8, 4, 2, 1, 1]


def test_the_variables_of_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")  # the user's own stays
    assert environment(2, 3, None) == {"HARNESS_SLOT": "2", "OMP_NUM_THREADS": "3"}
    alone = environment(0, 1, [["GPU-a", "GPU-b"]])
    assert (alone["CUDA_VISIBLE_DEVICES"], alone["HARNESS_GPU_SHARE"]) == ("GPU-a,GPU-b", "1.0")
    assert environment(0, 1, [[]])["CUDA_VISIBLE_DEVICES"] == ""
    assert environment(2, 1, [["a"], ["b"], ["a"]])["HARNESS_GPU_SHARE"] == "0.5"


@pytest.mark.parametrize(
    ("found", "count", "each", "shares"),
    [
        ("", 2, None, None),
        ("ab", 2, None, ["a", "b"]),
        ("abcde", 2, None, ["ace", "bd"]),
        ("ab", 3, None, ["a", "b", "a"]),
        ("abcd", 2, 2, ["ab", "cd"]),
        ("abc", 2, 1, ["a", "b"]),
        ("ab", 3, 0.5, ["a", "a", "b"]),
        ("a", 3, 0.3, ["a", "a", "a"]),
        ("a", 2, 0, ["", ""]),
        ("", 2, 0, ["", ""]),
    ],
)
def test_gpus_are_shared_out(
    found: str, count: int, each: float | None, shares: Sequence[str] | None
) -> None:
    assert share_gpus(list(found), count, each) == (None if shares is None else [list(one) for one in shares])


@pytest.mark.parametrize(
    ("found", "count", "each", "sentence"),
    [
        ("ab", 2, 2, "hydra.launcher.gpus=2 for 2 workers takes 4 GPUs, and 2 can be seen;"),
        ("", 1, 1, "hydra.launcher.gpus=1 for 1 worker takes 1 GPU, and none can be seen;"),
        ("a", 3, 0.5, "hydra.launcher.gpus=0.5 for 3 workers takes 2 GPUs, and 1 can be seen;"),
    ],
)
def test_more_gpus_than_there_are_cannot_be_shared_out(
    found: str, count: int, each: float, sentence: str
) -> None:
    with pytest.raises(UserError) as refused:
        share_gpus(list(found), count, each)
    assert str(refused.value) == (
        f"{sentence} lower hydra.launcher.gpus (0.5 puts two workers on one GPU) or sweep.workers."
    )


@pytest.mark.parametrize(
    ("visible", "names"),
    [("0,2", ["0", "2"]), ("GPU-a", ["GPU-a"]), ("", []), ("-1", []), ("1,-1,2", ["1"])],
)
def test_of_the_gpus_only_those_count_that_the_user_lets_be_seen(
    visible: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == names


LISTED = """\
GPU 0: NVIDIA H200 (UUID: GPU-5d0c)
  MIG 3g.71gb     Device  0: (UUID: MIG-77aa)
  MIG 3g.71gb     Device  1: (UUID: MIG-88bb)
GPU 1: NVIDIA H200 (UUID: GPU-9e1f)
"""


def test_a_divided_gpu_counts_by_its_parts() -> None:
    assert listed_gpus(LISTED) == ["MIG-77aa", "MIG-88bb", "GPU-9e1f"]


@pytest.mark.slow
def test_gpus_are_listed_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && printf '%s' '{LISTED}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert gpus() == ["MIG-77aa", "MIG-88bb", "GPU-9e1f"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert gpus() == []
