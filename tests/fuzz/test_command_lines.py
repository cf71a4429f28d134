"""1,000 command lines with wrong values of every kind: each is answered in one sentence, or works.

Seeded: case N of a part is the same in each run. See CONTRIBUTING.md for HARNESS_FUZZ.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

CASES = 100

BASES = (
    "data/extract=iris",
    "data/extract=csv data.extract.path=table.csv data.extract.target=y split=kfold",
    "data/extract=iris trainer=semi_supervised split.labelled=20",
    "data/extract=sql data.extract.url=sqlite:///rows.db data.extract.table=rows data.extract.target=y",
    "data/extract=image_folder data.extract.path=images",
    "data/extract=iris trainer=contrastive",
    "data/extract=numpy data.extract.path=arrays.npz split=nested",
    "data/extract=breast_cancer model=transformer split=repeated_kfold",
    "data/extract=parquet data.extract.path=table.parquet data.extract.target=y evaluate=regression",
    "data/extract=csv data.extract.path=table.csv data.extract.target=t data.extract.group=g "
    "split=group_kfold",
)
"""What the command lines of a part have in common. Each is composed once, as that takes most of the time."""

GROUPS = {
    "data/extract": ("iris", "diabetes", "csv", "numpy", "image_folder", "sql", "graphql"),
    "data/transform": ("auto", "tabular", "image", "sequence"),
    "data/augment": ("auto", "none", "tabular", "image"),
    "data/load": ("auto", "resident", "stream"),
    "model": ("auto", "mlp", "convnet", "transformer", "vit", "resnet18"),
    "trainer": ("supervised", "contrastive", "semi_supervised"),
    "trainer/optimizer": ("adamw", "sgd"),
    "evaluate": ("auto", "classification", "regression", "representation", "multilabel"),
    "split": ("ratio", "kfold", "group_kfold", "time_series", "predefined", "nested", "leave_one_out"),
    "debug": ("fast", "overfit", "anomaly"),
}

NUMBERS = (
    *(
        "-1",
        "0",
        "1",
        "0.5",
        "1.5",
        "1e-400",
        "1e400",
        "nan",
        "-inf",
        "1" + "0" * 18,
        "9" * 40,
        "0x1F",
        "007",
    ),
)
TEXTS = ("x", "''", "' '", "'a b'", "größe", "'x\ty'", "a/b", "no.such", "x" * 3000, "'?'", "\ud800", "a\\b")
PLACES = ("../..", "/", "/etc/shadow", "~", "/dev/null", "images", "table.csv", "table.csv/x")
"""Paths that a command may read; not where it may write."""

OTHERS = (
    *(
        "null",
        "true",
        "[]",
        "[1,[2]]",
        "['',null]",
        "{}",
        "{a:1}",
        "{a:{b:[1]}}",
        "2020-13-45",
        "auto",
        "???",
    ),
)
REFERENCES = ("${seed}", "${nope}", "${oc.env:NO_SUCH_VARIABLE}", "${oc.env:HOME}", "'${'", "${seed:}", "$")
BROKEN = (
    *(
        "[1",
        "{a:",
        "'x",
        "a=b=c",
        "(1",
        "a,b",
        "1,2",
        "range(1,0)",
        "interval(0,1)",
        "tag(log,interval(0,1))",
    ),
)
TARGETS = (
    *("{_target_:os.system}", "{_target_:nope.Nope}", "{_target_:''}", "{_target_:3}", "nope.Nope"),
    *("{_target_:torch.nn.MSELoss,_args_:[1]}", "{_target_:harness.model.mlp.MLP,nope:1}"),
    "{_target_:builtins.print}",
)
KINDS = (NUMBERS, TEXTS, PLACES, OTHERS, REFERENCES, BROKEN, TARGETS)
STRAYS = (
    *(
        "--nope",
        "--trainer.epochs=3",
        "-x",
        "model",
        "=",
        "=1",
        "+=1",
        "~",
        "seed",
        "seed=",
        "~seed",
        "+seed=1",
    ),
    *("model=nope", "model@data.load=mlp", "trainer/loss=nope", "+trainer/loss@x=mse", "nope/nope=1"),
    *("experiment=nope", "sweep.trials=3", "sweep=tpe", "resume=nope", "resume=.", "data/extract=csv"),
    *("'model=mlp'", "modle=mlp", "a.b.c=1", "--config-dir", "-m", "--info", "--cfg"),
)

VERBS = {
    "predict": (
        "single table.csv out.csv",
        *(
            "--embed",
            "--ensemble",
            "--batch=",
            "--device=",
            "--uri=",
            "--outputs=",
            "--allow=",
            "--allow-host=",
        ),
    ),
    "evaluate": (
        "single",
        "--ensemble",
        "--all",
        "--outputs=",
        "--allow=",
        "data.extract.path=",
        "split.test=",
    ),
    "compare": ("single", "--by=", "--each", "--csv=", "--html=", "--outputs="),
    "report": ("single", "--out=", "--outputs="),
    "rerun": ("single --dry", "--outputs=", "--uri=", "--allow=", "trainer.epochs=", "seed=", "model="),
    "export": (
        "single --format=safetensors",
        "--format=",
        "--out=",
        "--rows=",
        "--ensemble",
        "--uri=",
        "--outputs=",
    ),
    "serve": (
        "single",
        "--host=",
        "--port=",
        "--workers=",
        "--max-body=",
        "--outputs=",
        "--uri=",
        "--allow=",
    ),
    "register": (
        "single --name=m",
        *("--name=", "--alias=", "--if=", "--better-than=", "--by=", "--ensemble", "--outputs=", "--uri="),
    ),
    "sync": ("", "outputs/runs/single", "--outputs=", "--uri="),
    "clean": ("--dry", "--older=", "--keep=", "--by=", "--status=", "--what=", "--outputs=", "--uri="),
    "ls": ("", "model", "--config-dir="),
    "check": ("data/extract=iris", "--config-dir=", "-m"),
    "new": ("fresh --source=here", "--into=", "--source="),
    "ui": ("", "single", "--host=", "--port=", "--outputs="),
}
"""For each verb the arguments that work, and options; those with `=` take a value."""

WRITTEN = ("--out=", "--csv=", "--html=", "--into=")
"""Options for what is written: no value of them leads out of the folder."""


def values(kinds: tuple[tuple[str, ...], ...]) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(chance.choice(kinds))


any_value, inner_value = values(KINDS), values(tuple(kind for kind in KINDS if kind is not PLACES))


@cache
def _keys(base: str) -> tuple[str, ...]:
    """Every setting of a configuration, its parts included."""
    from omegaconf import OmegaConf

    from harness.config.compose import compose
    from harness.runtime.secret_values import leaves

    plain: Any = OmegaConf.to_container(compose(shlex.split(base)), resolve=False)
    keys = {key for key, _ in leaves(plain)}
    parents = {key.rpartition(".")[0] for key in keys} - {""}
    return tuple(sorted(key for key in keys | parents if not key.startswith("hydra")))


def words_of(part: int, case: int) -> list[str]:
    """The command line of a case: a check, a run or another verb."""
    chance = random.Random(f"command line {part} {case}")
    kind = chance.random()
    if kind < 0.25:
        return _verb(chance)
    words = [*shlex.split(BASES[part]), "tracking=none", "trainer.epochs=1", "trainer.device=cpu"]
    words += [_override(chance, BASES[part]) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    if kind < 0.45:
        return words
    return ["check", *(["-m"] if chance.random() < 0.05 else []), *words]


def _override(chance: random.Random, base: str) -> str:
    kind = chance.random()
    if kind > 0.95:
        group = chance.choice(tuple(GROUPS))
        return f"{group}={chance.choice(GROUPS[group])}"
    if kind > 0.9:
        return chance.choice(STRAYS)
    key = chance.choice(_keys(base))
    # A command writes into these folders.
    value = inner_value(chance) if key.startswith(("outputs", "data.cache")) else any_value(chance)
    sign = chance.choice(("",) * 17 + ("+", "++", "~"))
    return f"~{key}" if sign == "~" else f"{sign}{key}={value}"


def _verb(chance: random.Random) -> list[str]:
    name = chance.choice(tuple(VERBS))
    arguments, *options = VERBS[name]
    words = arguments.split()
    for _ in range(chance.choice((1, 1, 2))):
        option = chance.choice([*options, "--nope", "--help=", "x"])
        if option.endswith("="):
            value = inner_value(chance) if option in WRITTEN else any_value(chance)
            option += value.strip("'")
        if option.startswith("-") and chance.random() < 0.1:
            option = option.partition("=")[0]  # without its value
        words.append(option)
    if words and chance.random() < 0.2:
        place = chance.randrange(len(words))
        if chance.random() < 0.5:
            del words[place]
        elif not words[place].startswith("-"):
            words[place] = inner_value(chance).strip("'")
    if name == "new" and not any(word.startswith("--source") for word in words):
        words.append("--source=here")
    return [name, *words]


@pytest.fixture
def files(here: Path, quick: None, stopping: None, run_cli: Callable[..., Any]) -> None:
    """What the command lines read: small tables, pictures, a database, a finished run."""
    import sqlite3

    import pandas as pd
    from PIL import Image

    chance = np.random.default_rng(0)
    table = pd.DataFrame(chance.normal(size=(60, 3)), columns=["a", "b c", "größe"])
    table["y"], table["t"] = chance.integers(0, 2, 60), chance.normal(size=60)
    table["g"], table["when"] = np.arange(60) // 6, pd.date_range("2020-01-01", periods=60).astype(str)
    table.to_csv("table.csv", index=False)
    table.to_parquet("table.parquet")
    with sqlite3.connect("rows.db") as database:
        table.to_sql("rows", database, index=False)
    np.savez("arrays.npz", inputs=chance.normal(size=(60, 4)), targets=chance.integers(0, 2, 60))
    for number in range(24):
        folder = here / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    answer = run_cli(
        *("data/extract=csv", "data.extract.path=table.csv", "data.extract.target=y", "trainer.epochs=1"),
        *("tracking=none", "trainer.device=cpu", "hydra.run.dir=outputs/runs/single"),
    )
    assert answer.status == 0, answer.err


def test_each_command_line_is_answered_in_one_sentence_or_works(
    part: int, files: None, fault_of: Callable[..., str | None]
) -> None:
    faults = []
    for case in range(CASES):
        words = words_of(part, case)
        fault = fault_of(words)
        if fault is not None:
            faults.append(f"{case} {words}: {fault}")
    assert not faults, "\n".join(faults)
