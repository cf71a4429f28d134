from __future__ import annotations

import json
import math
import pickle
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from harness.checkpoint.checkpoint_file import DamagedCheckpoint, facts_of, read, read_named, remove, write
from harness.checkpoint.checkpoint_manager import CheckpointManager, Pace, Settings
from harness.checkpoint.finished_folds import Done, FoldOutcome
from harness.checkpoint.latest_checkpoint import newest
from harness.checkpoint.state_tree import flatten, unflatten
from harness.core.errors import UserError
from harness.core.progress import Progress

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
]


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the last bit and the type of every key."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return (one.dtype, one.shape) == (other.dtype, other.shape) and bits(one) == bits(other)
    if isinstance(one, dict):
        return [*map(repr, one)] == [*map(repr, other)] and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    return bool(one == other)


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


@st.composite
def tensors(draw: Any) -> Tensor:
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = math.prod(shape) * dtype.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    if dtype is torch.bool:
        raw = bytes(byte & 1 for byte in raw)
    flat = torch.frombuffer(bytearray(raw), dtype=dtype) if size else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)


KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), st.text())
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
STATES = st.recursive(
    PLAIN | tensors(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(state=STATES)
def test_every_nested_state_is_restored_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, state: Any
) -> None:
    path = tmp_path_factory.mktemp("state") / "a.safetensors"
    write(path, state, {})
    assert same(read(path), state)


@pytest.mark.parametrize(
    "number", [math.inf, -math.inf, math.nan, -0.0, 5e-324, 0.1, 2**53 + 1, -(2**70), 10**4000]
)
def test_a_number_keeps_its_bits(number: float) -> None:
    assert same(unflatten(*flatten([number])), [number])


def test_values_of_other_types_are_refused_with_their_place() -> None:
    with pytest.raises(TypeError, match=r"^a\.1 is a set, which a checkpoint cannot store$"):
        flatten({"a": [1, {2}]})
    with pytest.raises(TypeError, match=r"^the state is a object, which a checkpoint cannot store$"):
        flatten(object())


def test_a_dtype_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"^w is a tensor of torch\.complex128, which a checkpoint cannot store$"
    ):
        write(tmp_path / "a.safetensors", {"w": torch.zeros(1, dtype=torch.complex128)}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_shared_tensor_is_stored_once_and_restored_as_shared() -> None:
    weight = torch.arange(6.0)
    stored, tree = flatten({"tied": weight, "again": weight, "part": weight[:2]})
    assert list(stored) == ["tied", "part"]
    back = unflatten(stored, tree)
    assert back["tied"] is back["again"]
    assert torch.equal(back["part"], weight[:2])


def test_tensors_have_the_names_of_their_places_and_no_two_the_same() -> None:
    stored, tree = flatten({"a": {"b": torch.tensor(1)}, "a.b": torch.tensor(2), "l": [torch.tensor(3)]})
    assert list(stored) == ["a.b", "a.b'", "l.0"]
    assert unflatten(stored, tree)["a.b"] == 2


def test_the_generators_of_a_training_come_back(tmp_path: Path) -> None:
    numpy: Any = np.random.get_state(legacy=False)
    key = numpy["state"]["key"].tolist()
    state = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": key}
    write(tmp_path / "a.safetensors", state, {})
    back = read(tmp_path / "a.safetensors")
    assert same(back, state)
    random.setstate(back["python"])


def test_the_library_of_safetensors_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = {"byte": torch.tensor([1], dtype=torch.uint8), "weight": torch.randn(3, 2).t(), "steps": 7}
    write(path, state, {"epoch": 3})
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("weight"), state["weight"])
        assert torch.equal(file.get_tensor("byte"), state["byte"])
        assert json.loads(file.metadata()["facts"]) == {"epoch": 3}
    assert facts_of(path) == {"epoch": 3}


def test_the_hash_beside_a_file_is_that_of_sha256sum(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "a.safetensors"
    write(path, {"w": torch.randn(100)}, {})
    expected = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  a.safetensors\n"
    assert (tmp_path / "a.safetensors.sha256").read_text() == expected
    assert {file.name for file in tmp_path.iterdir()} == {"a.safetensors", "a.safetensors.sha256"}


STATE = {"w": torch.arange(50.0), "steps": 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    write(path, STATE, {"epoch": 1})
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_damaged(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DamagedCheckpoint):
        read(path)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_file_with_one_other_bit_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "a.safetensors"
    write(path, STATE, {"epoch": 1})
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpoint):
        read(path)


def test_a_file_without_its_hash_is_damaged(path: Path) -> None:
    path.with_name("a.safetensors.sha256").unlink()
    with pytest.raises(DamagedCheckpoint, match=r"^its \.sha256 is missing, which is written last$"):
        read(path)


def test_a_file_with_the_hash_of_another_is_damaged(path: Path) -> None:
    before = path.with_name("a.safetensors.sha256").read_bytes()
    write(path, {**STATE, "steps": 4}, {})
    path.with_name("a.safetensors.sha256").write_bytes(before)
    with pytest.raises(DamagedCheckpoint, match=r"^its content is not that of its \.sha256$"):
        read(path)


class Bomb:
    """Unpickled, it would go off."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


def test_a_named_file_that_is_no_checkpoint_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    contents = {
        "pickle": pickle.dumps(Bomb()),
        "text": b"hello, I am no checkpoint\n",
        "empty": b"",
        "json": (2).to_bytes(8, "little") + b"[]",
        "noise": (20).to_bytes(8, "little") + bytes(20),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            UserError,
            match=r"^a checkpoint is a safetensors file that harness wrote, with its \.sha256 beside it, and "
            rf"\S+/{name} is refused: it is [^;]+; name another\.$",
        ):
            read_named(tmp_path / name)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"is refused: harness wrote no such file; name another\.$"):
        read_named(tmp_path / "a.safetensors")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"^the checkpoint \S+/no cannot be read \(No such file or directory\); name another\.$",
    ):
        read_named(tmp_path / "no")
    assert same(None, remove(tmp_path / "no"))  # what is not there need not be removed


def progress(epoch: int, best: bool = False, step: int | None = None) -> Progress:
    steps = 10 * epoch if step is None else step
    return Progress(epoch, 9, steps, {}, best, dict, whole=step is None)


def settings_of(**changed: Any) -> Settings:
    return Settings(**{"keep": 2, "share": 1.0, "minutes": None, "finished": "best", **changed})


FACTS = {"fold": 0, "digest": "d"}


def manager(
    folder: Path, notes: list[str] | None = None, checkpoint: Any = None, **changed: Any
) -> CheckpointManager:
    chosen = settings_of(**changed)
    note = (notes if notes is not None else []).append
    return CheckpointManager(folder / "checkpoints", chosen, Pace(chosen), FACTS, note, checkpoint)


def files(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.safetensors"))


def see(manager: CheckpointManager, *seen: Progress) -> None:
    for one in seen:
        manager.see(one, lambda one=one: {"epoch": one.epoch, "step": one.step}, False)  # type: ignore[misc]


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    kept = manager(tmp_path)
    see(kept, progress(1), progress(2, best=True), progress(3), progress(4), progress(5))
    assert files(tmp_path) == ["epoch-0002", "epoch-0004", "epoch-0005"]
    see(kept, progress(6, best=True), progress(7), progress(8), progress(9, step=85))
    assert files(tmp_path) == ["epoch-0006", "epoch-0008", "step-00000085"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 6  # each with its hash, nothing else


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda one: one.finish(True), ["epoch-0002"]),
        (lambda one: one.finish(False), []),
        (CheckpointManager.write_deferred, ["epoch-0001", "epoch-0002"]),  # the training was interrupted
    ],
)
def test_a_last_checkpoint_that_is_deferred_is_written_only_if_it_is_kept(
    tmp_path: Path, end: Callable[[CheckpointManager], None], left: list[str]
) -> None:
    chosen = settings_of(finished="last")
    kept = CheckpointManager(tmp_path / "checkpoints", chosen, Pace(chosen), FACTS, print, None, defers=True)
    see(kept, progress(1), replace(progress(2), last=True))
    assert files(tmp_path) == ["epoch-0001"]
    end(kept)
    assert files(tmp_path) == left
    kept.write_deferred()
    assert files(tmp_path) == left


@pytest.mark.parametrize(
    ("finished", "left"),
    [("best", ["epoch-0001"]), ("all", ["epoch-0001", "epoch-0003", "epoch-0004"]), ("none", [])],
)
def test_a_finished_fold_keeps_the_requested_checkpoints(
    tmp_path: Path, finished: str, left: list[str]
) -> None:
    kept = manager(tmp_path, finished=finished)
    see(kept, progress(1, best=True), progress(2), progress(3), progress(4))
    (tmp_path / "checkpoints" / ".epoch-0009.safetensors.77").touch()  # of a process that was killed
    kept.finish(keep=True)
    assert files(tmp_path) == left
    assert (tmp_path / "checkpoints").exists() == bool(left)
    assert not (tmp_path / "checkpoints" / ".epoch-0009.safetensors.77").exists()


def test_nothing_stays_of_a_fold_whose_model_is_not_kept(tmp_path: Path) -> None:
    kept = manager(tmp_path / "fold-12", finished="all")
    see(kept, progress(1))
    kept.finish(keep=False)
    assert list(tmp_path.iterdir()) == []
    kept.finish(keep=False)  # and none need have been there


def test_the_first_checkpoint_and_that_of_a_stop_are_always_written(tmp_path: Path) -> None:
    kept = manager(tmp_path, share=1e-9)
    see(kept, progress(1), progress(2), progress(3))
    assert files(tmp_path) == ["epoch-0001"]
    kept.see(progress(4, step=31), dict, True)
    assert files(tmp_path) == ["epoch-0001", "step-00000031"]


def test_a_share_of_0_writes_checkpoints_at_stops_only(tmp_path: Path) -> None:
    kept = manager(tmp_path, share=0, minutes=1e-9)
    assert not kept.pace.due()
    see(kept, progress(1), progress(2))
    assert files(tmp_path) == []
    kept.see(progress(3, step=21), dict, True)
    assert files(tmp_path) == ["step-00000021"]


def test_within_an_epoch_a_checkpoint_is_due_after_so_many_minutes(tmp_path: Path) -> None:
    assert manager(tmp_path, minutes=1e-9).pace.due()
    assert not manager(tmp_path, minutes=60).pace.due()
    assert not manager(tmp_path, minutes=None).pace.due()


def test_a_full_disk_costs_one_note_and_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    notes: list[str] = []
    kept = manager(tmp_path, notes)
    monkeypatch.setattr("harness.checkpoint.checkpoint_manager.write", full)
    see(kept, progress(1))
    kept.see(progress(2, step=15), dict, True)
    note = f"no checkpoint could be written to {tmp_path}/checkpoints (No space left on device); "
    assert notes == [note + "training continues."]


def test_a_state_that_no_checkpoint_can_hold_costs_one_note_and_no_training(tmp_path: Path) -> None:
    notes: list[str] = []
    kept = manager(tmp_path, notes)
    for epoch in (1, 2):
        kept.see(progress(epoch), lambda: {"seen": {1}}, False)
    (note,) = notes
    assert note.endswith("(seen is a set, which a checkpoint cannot store); training continues.")


@pytest.mark.parametrize(("finished", "left"), [("best", ["epoch-0002"]), ("none", [])])
def test_of_a_fold_that_an_earlier_process_finished_stays_the_same(
    tmp_path: Path, finished: str, left: list[str]
) -> None:
    see(manager(tmp_path), progress(1), progress(2, best=True), progress(3))
    chosen = settings_of(finished=finished)
    facts = {**FACTS, "digest": "of a setting let pass"}
    later = CheckpointManager(tmp_path / "checkpoints", chosen, Pace(chosen), facts, print, None, {"d"})
    later.take_back()
    later.finish(keep=True)
    assert files(tmp_path) == left


def test_a_pretraining_resumes_under_an_allowed_setting(tmp_path: Path) -> None:
    before, _ = manager(tmp_path).below("pretrain")
    see(before, progress(1))
    chosen = settings_of()
    facts = {**FACTS, "digest": "of a setting let pass"}
    later = CheckpointManager(tmp_path / "checkpoints", chosen, Pace(chosen), facts, print, None, {"d"})
    assert later.below("pretrain")[1] == {"epoch": 1, "step": 10}


def test_the_newest_intact_checkpoint_is_used_and_the_damaged_one_is_named(tmp_path: Path) -> None:
    see(manager(tmp_path), progress(1, best=True), progress(2), progress(3), progress(4, step=35))
    folder = tmp_path / "checkpoints"
    checkpoint = newest(folder, 0, {"d"})
    assert checkpoint is not None
    assert (checkpoint.state, checkpoint.damaged, checkpoint.best) == ({"epoch": 4, "step": 35}, None, 1)
    (folder / "step-00000035.safetensors.sha256").unlink()
    checkpoint = newest(folder, 0, {"d"})
    assert checkpoint is not None
    assert checkpoint.state == {"epoch": 3, "step": 30}
    assert [entry.epoch for entry in checkpoint.entries] == [1, 3]
    assert checkpoint.damaged == (
        "step-00000035.safetensors is unusable (its .sha256 is missing, which is written last): "
        "resuming from epoch-0003.safetensors."
    )
    see(manager(tmp_path, checkpoint=checkpoint), progress(4), progress(5))
    assert files(tmp_path) == ["epoch-0001", "epoch-0004", "epoch-0005", "step-00000035"]


def test_a_folder_without_checkpoints_has_no_newest(tmp_path: Path) -> None:
    assert newest(tmp_path / "checkpoints", 0, {"d"}) is None


def test_where_none_is_intact_the_last_fault_is_named(tmp_path: Path) -> None:
    see(manager(tmp_path), progress(1))
    file = tmp_path / "checkpoints" / "epoch-0001.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    sentence = r"^no checkpoint in \S+ is intact: epoch-0001\.safetensors is unusable \(it is damaged, .*\)$"
    with pytest.raises(DamagedCheckpoint, match=sentence):
        newest(tmp_path / "checkpoints", 0, {"d"})


@pytest.mark.parametrize(("fold", "digest"), [(1, "d"), (0, "other")])
def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path, fold: int, digest: str) -> None:
    see(manager(tmp_path), progress(1))
    with pytest.raises(
        DamagedCheckpoint, match=r"is intact: epoch-0001\.safetensors belongs to another training$"
    ):
        newest(tmp_path / "checkpoints", fold, {digest})


def test_the_outcomes_of_folds_are_restored_except_a_damaged_one(tmp_path: Path) -> None:
    done = Done(tmp_path)
    outputs = (torch.arange(3), None, torch.randn(3, 2))
    importance = {"score": "log_loss", "rows": 3, "worse": {"a": [0.1 + 0.2, -0.5]}}
    whole = FoldOutcome({"test/accuracy": 0.1 + 0.2, "test/auroc": math.nan}, outputs, None, importance)
    done.write(0, whole)
    # An earlier version's name of a baseline.
    done.write(1234, FoldOutcome({"test/accuracy": 1.0, "test/accuracy_majority": 0.5}, None))
    back = done.read()
    assert same(tuple(back[0]), tuple(whole))
    assert back[1234] == FoldOutcome({"test/accuracy": 1.0, "test/accuracy_baseline_majority": 0.5}, None)
    (tmp_path / "done" / "fold-0000.safetensors").write_bytes(b"torn")
    assert list(done.read()) == [1234]
    done.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("sharing", "allowed"), [(1, True), (2, True), (4, False)])
def test_runs_that_are_trained_as_one_have_a_part_of_the_time_for_checkpoints(
    monkeypatch: pytest.MonkeyPatch, sharing: int, allowed: bool
) -> None:
    now = 0.0
    monkeypatch.setattr("harness.checkpoint.checkpoint_manager.perf_counter", lambda: now)
    pace = Pace(Settings(keep=1, share=0.1, minutes=None, finished="none"))
    with pace:
        now = 10.0
        pace.wrote(0.5)
        assert pace.allows(sharing=sharing) is allowed
