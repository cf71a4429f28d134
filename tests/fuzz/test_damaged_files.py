"""500 damaged files of runs, sweeps and the cache: each verb answers in one sentence that names the file.

Seeded: case N of a part is the same in each run. See CONTRIBUTING.md for HARNESS_FUZZ.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from harness.core.errors import Interrupted

pytestmark = pytest.mark.slow

CASES = 50

RUN = ["data/extract=iris", "trainer.epochs=2", "trainer.device=cpu", "tracking=none", "report=false"]
KEPT = [*RUN, "data.cache.worth=0"]
STOPPED = [*KEPT, "name=stopped"]
SWEEP = ["-m", *RUN, "model=mlp", "trainer.optimizer.lr=0.1,0.01", "hydra/launcher=basic", "sweep.name=sw"]
MODEL = "model.weights=outputs/runs/{run}/model/weights.safetensors"

VERBS_OF_A_RUN = [
    *(
        ["compare", "{run}"],
        ["compare", "{run}", "folds"],
        ["compare"],
        ["clean", "--dry"],
        ["clean", "--yes"],
    ),
    *(["evaluate", "{run}"], ["predict", "{run}", "in.csv", "out.csv"], ["register", "{run}", "--name", "m"]),
    *(
        ["export", "{run}", "--format", "safetensors", "--out", "exported"],
        ["serve", "{run}"],
        ["report", "{run}"],
    ),
    *(
        ["rerun", "{run}", "--dry"],
        ["rerun", "{run}"],
        ["sync", "outputs/runs/{run}"],
        ["sync"],
        ["report", "last"],
    ),
    *(
        [*STOPPED, "resume={run}"],
        [*STOPPED, "resume=auto"],
        ["check", *KEPT],
        ["check", *RUN, "model=mlp", MODEL],
    ),
    ["predict", "outputs/runs/{run}/model", "in.csv", "out.csv"],
]
VERBS_OF_A_SWEEP = [
    *(
        SWEEP,
        [*SWEEP, "resume=sw-0"],
        ["check", *SWEEP],
        ["compare", "sw"],
        ["report", "sw/best"],
        ["compare"],
    ),
    *(["evaluate", "sw/best"], ["rerun", "sw/0", "--dry"], ["predict", "sw/best", "in.csv", "out.csv"]),
    *(["clean", "--what", "trials", "--dry"], ["clean", "--yes"], ["sync", "outputs/sweeps/sw-0"]),
]

NOT_READ = (".svg", ".html", ".log", ".txt", ".lock")
VALUES: list[Any] = [
    *(
        None,
        3,
        -1,
        "x",
        "",
        [],
        {},
        True,
        1.5,
        [1, [2]],
        {"a": {"b": 1}},
        10**400,
        "\ud800",
        "../../x",
        [None],
    ),
]
ARRAYS = [
    *(np.zeros(3), np.zeros((2, 3), dtype="U3"), np.array([1, None], dtype=object), np.zeros(0), np.array(5)),
    np.full((1, 150), 77, dtype=np.uint8),
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three runs, one of them stopped, a sweep of two trials and their cache."""
    from sklearn.datasets import load_iris

    from harness.__main__ import execute
    from harness.config.compose import compose
    from harness.run import run

    def stop(*_: object) -> None:
        raise Interrupted(15)

    folder, before = tmp_path_factory.mktemp("stored"), Path.cwd()
    os.chdir(folder)
    try:
        assert execute([*RUN, "split=kfold", "split.folds=2", "hydra.run.dir=outputs/runs/folds"]) == 0
        assert execute([*KEPT, "hydra.run.dir=outputs/runs/single"]) == 0
        with suppress(Interrupted):
            command = " ".join(["python -m harness", *STOPPED])
            run(compose(STOPPED), Path("outputs/runs/stopped"), [stop], command=command)
        assert execute(SWEEP) == 0
        load_iris(as_frame=True).data[:20].to_csv("in.csv", index=False)
    finally:
        os.chdir(before)
    return folder


def test_each_verb_names_a_damaged_file(
    part: int, stored: Path, here: Path, quick: None, run_cli: Any, fault_of: Callable[..., str | None]
) -> None:
    faults = []
    for case in range(CASES):
        chance = random.Random(f"damaged file {part} {case}")
        _copy(stored, here)
        words, file = _choose(chance, here)
        what = damage(file, chance)

        def usual(words: list[str] = words) -> str:  # where nothing is damaged: "that run is finished"
            _copy(stored, here)
            return str(run_cli(*words).err).strip().rpartition("\n")[2]

        fault = fault_of(words, (file.name, str(file.parent.relative_to(here))), usual)
        if fault is not None:
            faults.append(f"{case} {file.relative_to(here)}, {what}, {words}: {fault}")
    assert not faults, "\n".join(faults)


def _copy(stored: Path, here: Path) -> None:
    for entry in here.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(stored, here, dirs_exist_ok=True)


def _choose(chance: random.Random, here: Path) -> tuple[list[str], Path]:
    """A command, and a file that it may read."""
    outputs = here / "outputs"
    if chance.random() < 0.2:
        words, place = chance.choice(VERBS_OF_A_SWEEP), outputs / "sweeps"
    else:
        run = chance.choice(("single", "single", "folds", "stopped"))
        words = [word.format(run=run) for word in chance.choice(VERBS_OF_A_RUN)]
        place = outputs / "cache" if chance.random() < 0.2 else outputs / "runs" / run
    files = [file for file in sorted(place.rglob("*")) if file.is_file() and file.suffix not in NOT_READ]
    name = chance.choice(sorted({file.name for file in files}))
    return list(words), chance.choice([file for file in files if file.name == name])


def damage(file: Path, chance: random.Random) -> str:
    """Damages a file; returns how."""
    own = {
        **dict.fromkeys((".json", ".jsonl", ".journal", ".yaml"), _other_types),
        **dict.fromkeys((".npz", ".npy"), _other_arrays),
        ".csv": _other_columns,
        ".safetensors": _other_weights,
    }.get(file.suffix)
    ways: list[Callable[[Path, random.Random], str]] = [_cut, _empty, _doubled, _flipped, _folder, _garbage]
    return chance.choice(ways if own is None else [*ways, *[own] * 8])(file, chance)


def _cut(file: Path, chance: random.Random) -> str:
    data = file.read_bytes()
    length = chance.randrange(len(data) or 1)
    file.write_bytes(data[:length])
    return f"cut to {length} bytes"


def _empty(file: Path, chance: random.Random) -> str:
    file.write_bytes(b"")
    return "empty"


def _doubled(file: Path, chance: random.Random) -> str:
    file.write_bytes(file.read_bytes() * 2)
    return "doubled"


def _flipped(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes() or b"x")
    for _ in range(3):
        data[chance.randrange(len(data))] = chance.randrange(256)
    file.write_bytes(data)
    return "three bytes changed"


def _folder(file: Path, chance: random.Random) -> str:
    file.unlink()
    file.mkdir()
    return "a folder instead"


def _garbage(file: Path, chance: random.Random) -> str:
    file.write_bytes(chance.randbytes(200))
    return "random bytes"


def _other_types(file: Path, chance: random.Random) -> str:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".yaml":
        content, what = _changed(yaml.safe_load(text), chance)
        file.write_text(yaml.safe_dump(content), encoding="utf-8", errors="backslashreplace")
    elif file.suffix == ".json":
        content, what = _changed(json.loads(text), chance)
        file.write_text(json.dumps(content))
    else:
        lines = text.splitlines()
        place = chance.randrange(len(lines))
        content, what = _changed(json.loads(lines[place]), chance)
        lines[place], what = json.dumps(content), f"line {place + 1}: {what}"
        file.write_text("\n".join(lines) + "\n")
    return what


def _changed(content: Any, chance: random.Random) -> tuple[Any, str]:
    """Plain content with one value replaced, removed or under another key."""
    path = chance.choice(sorted(_paths(content), key=repr))
    value = chance.choice(VALUES)
    if not path:
        return value, f"all replaced by {value!r:.30}"
    above: Any = content
    for key in path[:-1]:
        above = above[key]
    match chance.choice(("replace", "replace", "remove", "rename")):
        case "replace":
            above[path[-1]] = value
            return content, f"{path} replaced by {value!r:.30}"
        case "remove":
            del above[path[-1]]
            return content, f"{path} removed"
    if isinstance(above, dict):
        above["other"] = above.pop(path[-1])
    else:
        above.append(above[path[-1]])
    return content, f"{path} renamed or doubled"


def _paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content[:5] if isinstance(content, list) else ())
    )
    for key, value in entries:
        yield from _paths(value, (*path, key))


def _other_arrays(file: Path, chance: random.Random) -> str:
    array = chance.choice(ARRAYS)
    if file.suffix == ".npy":
        np.save(file, array, allow_pickle=True)
        return f"an array {array.dtype} {array.shape}"
    with np.load(file) as archive:
        arrays = dict(archive)
    name = chance.choice(sorted(arrays))
    if chance.random() < 0.2:
        del arrays[name]
    else:
        arrays[name] = array
    np.savez(file, **arrays)
    return f"{name}: an array {array.dtype} {array.shape}, or removed"


def _other_columns(file: Path, chance: random.Random) -> str:
    frame = pd.read_csv(file)
    name = chance.choice(list(frame.columns))
    way = chance.choice(("removed", "text", "empty", "doubled"))
    if way == "removed":
        frame = frame.drop(columns=name)
    elif way == "doubled":
        frame = pd.concat([frame, frame[[name]]], axis=1)
    else:
        frame[name] = "x" if way == "text" else np.nan
    frame.to_csv(file, index=False)
    return f"column {name} {way}"


def _other_weights(file: Path, chance: random.Random) -> str:
    from safetensors.numpy import load_file, save_file

    weights = load_file(file) or {"none": np.zeros(1)}
    name = chance.choice(sorted(weights))
    way = chance.choice(("removed", "shape", "type", "more"))
    if way == "removed":
        del weights[name]
    elif way == "more":
        weights["more"] = np.zeros(1)
    else:
        weights[name] = np.zeros((2, 2), np.float32) if way == "shape" else weights[name].astype(np.float16)
    save_file(weights, file)
    return f"{name}: {way}"
