"""Whatever the user got wrong is answered in one sentence, before training, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

Refusal = Callable[..., str]

FAST = ("trainer.epochs=1", "tracking=none")
CSV = ("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y")

CHOICES = [
    (["model=resnet05"], r"model has no choice 'resnet05'; did you mean resnet50 or resnet18\?"),
    (["trainer="], r"trainer has no choice ''; there are contrastive, semi_supervised and supervised\."),
    (["trainer=contrastive", "trainer/method=simclear"], r".*no choice 'simclear'; did you mean simclr\?"),
    (["model=null"], r"model takes one choice by its name: auto, convnet, .*vit\."),
    (["model=3"], r"model takes one choice by its name: .*"),
    (["tracking=null"], r"tracking takes one choice by its name: mlflow, none\."),
    (
        ["model=[mlp,convnet]"],
        r"model takes one choice .*; several are runs of their own: -m model=mlp,convnet\.",
    ),
    (
        ["model=mlp,convnet"],
        r"the setting 'model=mlp,convnet' lists several values; run each of them with -m, .*",
    ),
    (["data=null"], r"data holds groups, each of which takes a choice: data/augment, data/extract, .*"),
    (["+model=mlp"], r"model has a choice already; replace it with model=CHOICE, without a plus\."),
    (["model={_target_:torch.nn.Linear}"], r"model takes one choice by its name: .*"),
    (
        ["trainer/method=supcon"],
        r"the chosen trainer has no trainer/method; it belongs to .*=contrastive and .*=semi_supervised\.",
    ),
    (["experiment=nope"], r"experiment has no choice 'nope'; .*"),
    (["hydra/launcher=nope"], r"hydra/launcher has no choice 'nope'; .*basic.*"),
    (["--config-dir", "nope"], r"--config-dir=nope is no folder; name one that holds yaml files\."),
]

KEYS = [
    (["trainer.epoch=3"], r"there is no setting 'trainer\.epoch'; did you mean trainer\.epochs\?"),
    (["epochs=3"], r"there is no setting 'epochs'; did you mean trainer\.epochs\?"),
    (["modle=mlp"], r"there is no setting 'modle'; did you mean model\?"),
    (["data=iris"], r"data is a part of a group's name; did you mean data/extract=iris\?"),
    (["optimizer=sgd"], r"there is no setting 'optimizer'; did you mean trainer/optimizer=sgd\?"),
    (["-m", "optimizer=sgd,adam"], r"there is no setting .* did you mean trainer/optimizer=sgd,adam\?"),
    (["n_jobs=2"], r"there is no setting 'n_jobs'; did you mean sweep\.workers\?"),
    (["trainer.max_epochs=2"], r"there is no setting .* did you mean trainer\.epochs\?"),
    (
        ["--trainer.epochs=3"],
        r"--trainer\.epochs=3 is no option; a setting has no dashes: trainer\.epochs=3\.",
    ),
    (["--frob"], r"--frob is no option; `python -m harness --hydra-help` lists the options\."),
    (
        ["split.fold=2"],
        r".*'split\.fold' with the choice made; split=group_kfold, split=kfold, split=leave_one_group_out "
        r"and \d more have it\.",
    ),
    (["tracking.uri=http://x"], r".*'tracking\.uri' with the choice made; tracking=mlflow has it\."),
    (
        ["tags.idea=wider"],
        r"there is no setting 'tags\.idea' yet; add it with a plus before it: \+tags\.idea=VALUE\.",
    ),
    (
        ["trainer.loss._target_=a.B"],
        r"there is no setting 'trainer\.loss\._target_' with the choice made; trainer/loss=.* have it\.",
    ),
    (
        ["tags={a:1}"],
        r"tags takes further settings one by one, with a plus before each: \+tags\.NAME=VALUE\.",
    ),
    (["+seed=3"], r"there is a setting 'seed' already; change it without a plus: seed=VALUE\."),
    (["~nope"], r"there is no setting 'nope'; `python -m harness --cfg job` prints all settings\."),
    (
        ["model.zzzzzzzzzz=3"],
        r"there is no setting 'model\.zzzzzzzzzz'; model has widths, depth, dropout, weights\.",
    ),
    (
        ["zzzz.qqqq=3"],
        r"there is no setting 'zzzz\.qqqq'; `python -m harness --cfg job` prints all settings\.",
    ),
    (
        ["+trainer.nope=3"],
        r"trainer\.nope is no argument of harness\..*\(leave it out with '~trainer\.nope'\); .*",
    ),
    (
        ["+data.load.batchsize=3"],
        r"data\.load\.batchsize is no argument of .*; did you mean batch_size\?",
    ),
    (["~seed"], r"the setting seed is missing; remove the override that deletes or replaces it\."),
    (["sweep=asha"], r"sweep=asha is about a sweep of many trials, and this is one run; type -m before it\."),
    (["sweep.trials=3"], r"sweep\.trials=3 is about a sweep of many trials, .*"),
    (["~model"], r"model must be a part with a _target_, got none; choose model=auto or convnet or .*"),
    (
        ["data.load=null"],
        r"data\.load must be a part with a _target_, got null; choose data/load=auto or resident or stream\.",
    ),
    (["~model.widths"], r"model: missing a required argument: 'widths'\."),
    (["=3"], r"the setting '=3' lacks a key; write KEY=VALUE\."),
    (["name='x"], r"the setting \"name='x\" cannot be read as KEY=VALUE; .* \"KEY='a text \(1\)'\"\."),
    (["Train"], r"the word 'Train' is neither KEY=VALUE nor a verb at the beginning\."),
    ([""], r"the word '' is neither KEY=VALUE nor a verb at the beginning\."),
    (
        ["name=${nope}"],
        r"name=\$\{nope\} refers to the setting 'nope', which does not exist; `python -m harness --cfg job` "
        r"prints all settings\. Within a text, \\\$\{nope\} is no reference\.",
    ),
    (["name=${sed}"], r"name=.* 'sed', which does not exist; did you mean seed\? Within a text, .*"),
    (["outputs=${nope}"], r"outputs=\$\{nope\} refers to the setting 'nope', which does not exist; .*"),
    (["name=${nope:1}"], r"name=.* calls the resolver 'nope', which does not exist; \$\{oc\.env:NAME\} .*"),
    (["name=???"], r"name has no value yet; give it with name=VALUE\."),
    (
        ["name=${oc.env:HARNESS_NOPE}"],
        r".*the environment variable HARNESS_NOPE, which is not set; set it first\.",
    ),
]

TYPES = [
    (["trainer.epochs=ten"], r"trainer\.epochs must be a whole number or auto or null, got 'ten'\."),
    (["trainer.epochs=1.5"], r"trainer\.epochs must be a whole number or auto or null, got 1\.5\."),
    (["trainer.epochs=true"], r"trainer\.epochs must be a whole number or auto or null, got true\."),
    (["trainer.epochs="], r"trainer\.epochs must be a whole number or auto or null, got ''\."),
    (["trainer.patience=soon"], r"trainer\.patience must be a whole number or null, got 'soon'\."),
    (["trainer.optimizer.lr=null"], r"trainer\.optimizer\.lr must be a number, got null\."),
    (
        ["trainer.optimizer.betas=[0.9]"],
        r"trainer\.optimizer\.betas must be \[a number, a number\], got \[0\.9\]\.",
    ),
    (
        ["trainer.optimizer=null"],
        r"trainer\.optimizer must be a part .*; choose trainer/optimizer=adam or adamw or .*",
    ),
    (
        ["trainer.loss=nope"],
        r"trainer\.loss must be a part with a _target_ or auto, got 'nope'; choose trainer/loss=auto or .*",
    ),
    (["trainer.precision=fp8"], r"trainer\.precision must be one of fp32, bf16, fp16, got 'fp8'\."),
    (["model.widths=3"], r"model\.widths must be a list of whole numbers, got 3\."),
    (["model.widths=[a]"], r"model\.widths must be a list of whole numbers, got \['a'\]\."),
    (["split.shuffle=1"], r"split\.shuffle must be true or false, got 1\."),
    (["tags=3"], r"tags must be a mapping, got 3\."),
    (["outputs=null"], r"outputs must be text, got null\."),
    (["seed=1.5"], r"seed must be a whole number, got 1\.5\."),
    (["harness.traceback=maybe"], r"harness\.traceback must be true or false, got 'maybe'\."),
]

RANGES = [
    (["trainer.epochs=0"], r"trainer\.epochs must be auto, null or at least 1, got 0\."),
    (["trainer.patience=-1"], r"trainer\.patience must be at least 1 epoch or null, got -1\."),
    (["data.load.batch_size=0"], r"data\.load\.batch_size must be auto, or 1 or more, got 0\."),
    (["seed=-1"], r"seed must be between 0 and 4294967295, got -1\."),
    (["seed=18446744073709551616"], r"seed must be between 0 and 4294967295, got 18446744073709551616\."),
    (["name="], r"name must not be empty; give name=VALUE, or leave it out\."),
    (["outputs="], r"outputs must not be empty; give outputs=VALUE, or leave it out\."),
    (["hydra.run.dir="], r"hydra\.run\.dir must not be empty; .*"),
    (["split.test=2"], r"split\.test must be 0 or more and less than 1, got 2\."),
    (["split=kfold", "split.fold=5"], r"split\.fold must be between 0 and 4 \(there are 5 folds\), got 5\."),
    (
        ["trainer.device=gpu"],
        r"trainer\.device=gpu cannot be used here \(.*\); use trainer\.device=auto or cpu\.",
    ),
    (
        ["trainer.optimizer.lr=0"],
        r"trainer\.optimizer\.lr must be a finite number above 0, got 0; the usual value is 0\.003\.",
    ),
    (["trainer.scheduler.warmup=2"], r"trainer\.scheduler\.warmup must be a share of the steps, .*"),
    (
        ["trainer/scheduler=step", "trainer.scheduler.step_size=0"],
        r"trainer\.scheduler\.step_size must be at least 1, got 0; the usual value is 10\.",
    ),
    (
        ["trainer.monitor=test/accuracy"],
        r"trainer\.monitor must be auto or a score of the validation part, .*",
    ),
    (
        ["trainer.monitor=valid/acuracy"],
        r"trainer\.monitor=valid/acuracy is no score .*; did you mean valid/accuracy\?",
    ),
]

PARTS = [
    (
        ["trainer.loss={_target_:torch.nn.Nope}"],
        r"trainer\.loss\._target_=torch\.nn\.Nope cannot be found: .*",
    ),
    (
        ["trainer.loss={_target_:os.system}"],
        r"trainer\.loss\._target_=os\.system is not allowed, because it can run .*",
    ),
    (["trainer.loss={_target_:harness}"], r"trainer\.loss\._target_=harness is no class or function; .*"),
    (
        ["trainer.loss={_target_:3}"],
        r"trainer\.loss\._target_ must be the dotted name of a class or function, got 3\.",
    ),
    (
        ["trainer.loss={_target_:torch.nn.MSELoss}"],
        r"trainer\.loss=MSELoss compares numbers, and the target is one of several classes; .*",
    ),
    (
        ["trainer.loss={_target_:torch.nn.CrossEntropyLoss,nope:3}"],
        r"trainer\.loss\.nope is no argument of torch\.nn\.CrossEntropyLoss .*; there are ignore_index, .*",
    ),
    (
        ["model=mlp", "~model.widths.0"],
        r"~model\.widths\.0 deletes an item of a list, .*; give the whole list: 'model\.widths=\[A,B\]'\.",
    ),
    (
        ["model=mlp", "++model.widths.7=8"],
        r"model\.widths is a list, and there is no such item in it; .* model\.widths\.0=VALUE, or .*",
    ),
    (["model=mlp", "model.widths.x=8"], r"model\.widths is a list, and there is no such item in it; .*"),
    (
        ["data/extract=iris", "+data.transform.categorical.1.x=2"],
        r"data\.transform\.categorical\[1\]\.x is .*\(leave it out with '~.*\.categorical\.1\.x'\); .*",
    ),
    (
        ["trainer.loss={_target_:torch.nn.CrossEntropyLoss,label_smoothing:3}"],
        r"trainer\.loss\.label_smoothing must be between 0\.0 and 1\.0\. Got: 3\.",
    ),
    (
        ["model=resnet50", "data/extract=iris"],
        r"model=resnet50 takes images, and iris gives rows of 4 features; use model=.* or model=mlp or .*",
    ),
    (["data/augment=image", "data/extract=iris"], r"data/augment=image changes images, .*"),
    (
        ["trainer=contrastive", "trainer/method=supcon", "data/extract=diabetes"],
        r"this trainer/method pulls rows of one class together, and the target is a number; .*",
    ),
    (
        ["split=stratified_kfold", "data/extract=diabetes"],
        r"split=stratified_kfold needs one class for each row, .*",
    ),
    (
        ["evaluate=regression"],
        r"evaluate=regression does not fit trainer=supervised .*; use evaluate=classification\.",
    ),
]

DATA: list[tuple[list[str], str, str]] = [
    ([], "", r"data\.extract\.path=rows\.csv is empty; name a file with a line of column names\."),
    ([], "a,y\n", r"data set rows has no rows; .*"),
    (
        [],
        "a,y\n1,2\n3,2\n",
        r"a target needs two or more .*'y' of rows has only the value '2'; choose another .*",
    ),
    ([], "a,y\n1,\n3,\n", r"a target must be known in some row, and 'y' of rows is known in none of 2; .*"),
    ([], "a,y\n1,2\n", r"a target needs two or more distinct values, .*"),
    (
        [],
        "a,y\n1,0\n2,1\n3,0\n",
        r"a stratified split needs two or more rows of each class, and class '1' .*",
    ),
    (
        [],
        "a,y,y\n1,0,1\n",
        r"data\.extract\.path=rows\.csv has two columns named 'y'; rename one in the file\.",
    ),
    (
        [],
        "a,y\n" + ",0\n,1\n" * 9,
        r"no feature of rows has a value in the training rows; name others with .*",
    ),
    (
        ["data.extract.target=z"],
        "a,y\n1,2\n",
        r"data\.extract\.target names the column 'z', .*; there are a and y\.",
    ),
    (
        ["data.extract.target=null"],
        "a,y\n1,2\n",
        r"trainer=supervised learns from labels here, .*target=COLUMN, .*",
    ),
    (
        ["data.extract.target=null", "trainer=contrastive", "trainer/method=supcon"],
        "a,y\n1,2\n",
        r".*by trainer/method=simclr\.",
    ),
    (
        ["data.extract.group=y"],
        "a,y\n1,2\n",
        r"data\.extract\.target and data\.extract\.group both name the column 'y'; .*",
    ),
    (["data.extract.features=[a,y]"], "a,y\n1,2\n", r"data\.extract\.features names the target 'y', .*"),
    (
        ["data.extract.features=[a,a]"],
        "a,y\n1,2\n",
        r"data\.extract\.features names the column 'a' twice; take one out\.",
    ),
    (
        ["data.extract.features=[b]"],
        "a,y\n1,2\n",
        r"data\.extract\.features names the column 'b', .*; there are a and y\.",
    ),
    (
        ["data.extract.path=row.csv"],
        "a,y\n",
        r"data\.extract\.path=row\.csv does not exist; .*did you mean rows\.csv\?",
    ),
    (["data.extract.path=null"], "a,y\n", r"data\.extract\.path needs the file to read; .*"),
    (
        ["data.extract.path=2020"],
        "a,y\n",
        r"data\.extract\.path=2020 does not exist; .*",
    ),
    (
        ["split=stratified_kfold"],
        "a,y\n" + "1,0\n" * 9 + "1,1\n" * 3,
        r"split\.folds=5 needs as many rows of each class, .*has 3; .*",
    ),
    (
        ["split=kfold"],
        "a,y\n1,0\n2,1\n3,0\n",
        r"split\.folds=5 needs as many rows to split, and there are 3; .*",
    ),
    (
        ["split=group_kfold"],
        "a,y\n" + "1,0\n1,1\n" * 9,
        r"this split keeps groups together, and data set rows has no group .*",
    ),
    (
        ["split=group_kfold", "data.extract.group=g"],
        "g,a,y\n" + "1,1,0\n2,1,1\n" * 9,
        r"split\.folds=5 needs as many groups, and column 'g' of rows has 2; lower split\.folds\.",
    ),
    (
        ["split=group_kfold", "data.extract.group=g"],
        "g,a,y\n" + "1,1,0\n,1,1\n2,1,0\n" * 9,
        r"a split by group needs a group in every row, and column 'g' of rows is empty in 9 of them; .*",
    ),
]

FOLDERS = [
    (
        ["outputs=file"],
        r"the folder file/runs/\S+ cannot be written \(Not a directory\); choose .*outputs=FOLDER .*",
    ),
    (["hydra.run.dir=file"], r"a run needs a folder of its own, and file is a file; choose another with .*"),
    (["outputs=/proc/nope"], r"the folder /proc/\S+ cannot be written \(No such file or directory\); .*"),
]

OPTIONS = [
    (["--nope"], r"--nope is no option; `python -m harness --hydra-help` lists the options\."),
    (["--cfg", "nope"], r"argument --cfg/-c: invalid choice: 'nope' .*"),
    (
        ["--cfg", "job", "-m"],
        r"only one of --run, --multirun, --cfg and --info can be given, got --multirun and --cfg\.",
    ),
    (["chek"], r"there is no verb 'chek'; did you mean check\? \(A setting is KEY=VALUE\.\)"),
    (["model", "mlp"], r"there is no verb 'model'; did you mean model=CHOICE\?"),
    (
        ["train", "model=mlp"],
        r"there is no verb 'train'; a training needs none: `python -m harness KEY=VALUE`\.",
    ),
    (["check", "model=nope"], r"model has no choice 'nope'; .*"),
    (
        ["check", "--nope"],
        r"unrecognized arguments: --nope; `python -m harness check --help` lists the arguments\.",
    ),
    (["ls", "modle"], r"there is no group 'modle'; did you mean model\?"),
    (["ui"], r"there is no MLflow store at \S+/outputs/mlflow\.db; run an experiment first: .*"),
    (["sync", "nope"], r"nope is no run below .*"),
]

TRACKING = [
    (["tracking.patience=-1"], r"tracking\.patience must be at least 0 seconds, got -1\."),
    (["tracking.uri=nope"], r"tracking\.uri must be null, a server such as .*, got 'nope'\."),
    (["tracking.experiment="], r"tracking\.experiment must be a name, got an empty text\."),
]

MULTIRUN = [
    (["model=mlp,nope"], r"model=nope: model has no choice 'nope'; .*"),
    (
        ["trainer.epochs=1,ten"],
        r"trainer\.epochs=ten: trainer\.epochs must be a whole number or auto or null, got 'ten'\.",
    ),
    (["trainer.epochs=1,0"], r"trainer\.epochs=0: trainer\.epochs must be auto, null or at least 1, got 0\."),
    (
        ["model=mlp,resnet50", "data/extract=iris"],
        r"model=resnet50: model=resnet50 takes images, and iris gives .*",
    ),
    (
        ["trainer.optimizer.lr=interval(0.1,1)"],
        r"a grid needs listed values, and \S+ got the interval 0\.1 to 1\.0; list .*",
    ),
    (["seed=range(1,0)"], r"seed=range\(1,0\) holds no value; give one or more: seed=A,B,C\."),
    (["nope=1,2"], r"there is no setting 'nope'; .*"),
    (["hydra.sweep.dir="], r"hydra\.sweep\.dir must not be empty; .*"),
]


def names(row: Any) -> str | None:
    return " ".join(row)[:60] if isinstance(row, list) else ""


@pytest.mark.parametrize(("words", "sentence"), CHOICES + KEYS + TYPES + RANGES + PARTS + FOLDERS, ids=names)
def test_bad_input_is_answered_in_one_sentence(
    refusal: Refusal, here: Path, words: list[str], sentence: str
) -> None:
    (here / "file").touch()
    given = [word for word in FAST if word.partition("=")[0] not in {w.partition("=")[0] for w in words}]
    answer = refusal(*words, *given)
    assert re.fullmatch(sentence, answer), answer


@pytest.mark.parametrize(("words", "content", "sentence"), DATA, ids=names)
def test_bad_data_is_answered_in_one_sentence(
    refusal: Refusal, here: Path, words: list[str], content: str, sentence: str
) -> None:
    (here / "rows.csv").write_text(content)
    answer = refusal(*CSV, *words, *FAST)
    assert re.fullmatch(sentence, answer), answer


@pytest.mark.parametrize(("words", "sentence"), OPTIONS + TRACKING, ids=names)
def test_a_wrong_option_verb_or_store_is_answered_in_one_sentence(
    refusal: Refusal, words: list[str], sentence: str
) -> None:
    answer = refusal(*words)
    assert re.fullmatch(sentence, answer), answer


@pytest.mark.parametrize(("words", "sentence"), MULTIRUN, ids=names)
def test_one_bad_point_keeps_a_multirun_from_starting(
    refusal: Refusal, words: list[str], sentence: str
) -> None:
    answer = refusal("-m", *words, "tracking=none")
    assert re.fullmatch(sentence, answer), answer


def test_the_stack_of_calls_is_shown_on_request(run_cli: Any, here: Path) -> None:
    answer = run_cli("trainer.epochs=0", "harness.traceback=true", *FAST[1:])
    assert answer.status == 2
    assert answer.err.startswith("Traceback (most recent call last):")
    assert answer.err.endswith("error: trainer.epochs must be auto, null or at least 1, got 0.\n")


def test_a_refusal_never_removes_the_current_folder(run_cli: Any, here: Path) -> None:
    assert run_cli("hydra.run.dir=.", "trainer.epochs=0").status == 2
    assert here.is_dir()


def test_a_fault_shows_its_stack_and_has_another_status(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(import_module("harness.run"), "prepare", broken)
    answer = run_cli(*FAST)
    assert answer.status == 1
    assert answer.err.startswith("Traceback (most recent call last):")
    assert answer.err.endswith("error: ZeroDivisionError: of our own.\n")


def test_help_names_every_verb_and_ends_well(run_cli: Any) -> None:
    from harness.__main__ import VERBS

    answer = run_cli("--help")
    assert answer.status == 0
    assert "VERB" in answer.out
    for verb in VERBS:
        assert verb in answer.out


def test_cfg_prints_the_configuration_with_every_choice_made(run_cli: Any) -> None:
    answer = run_cli("--cfg", "job", "data/extract=iris")
    assert answer.status == 0
    assert "_target_: harness.model.mlp.MLP" in answer.out
    assert "_auto_: true" in answer.out  # the evaluation follows from the rows


def test_cfg_prints_no_secret_that_was_typed(run_cli: Any) -> None:
    words = ["data.extract.url=http://me:pass-1@host/q", "+data.extract.headers.X-Code=header-1"]
    answer = run_cli("--cfg", "job", "data/extract=graphql", *words, "tracking.uri=http://me:pass-2@host")
    assert answer.status == 0, answer.err
    found = yaml.safe_load(answer.out)
    assert found["data"]["extract"]["headers"] == {"X-Code": "***"}
    assert found["data"]["extract"]["url"] == "http://me:***@host/q"
    assert found["tracking"]["uri"] == "http://me:***@host"


CHEAP = """
import sys
from harness.__main__ import execute
for words in sys.argv[1:]:
    sys.argv = ["harness"]
    status = execute(words.split())
    print("#", words, status, sorted({"torch", "mlflow", "sklearn"} & set(sys.modules)), flush=True)
"""


@pytest.mark.slow
def test_help_a_list_and_a_typing_error_cost_neither_torch_nor_mlflow(here: Path) -> None:
    cheap = {
        "ls": 0,
        "ls model": 0,
        "modell": 2,
        "model=resnet05": 2,
        "epochs=3": 2,
        "--cfg job": 0,
        "--help": 0,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHEAP, *cheap],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    reported = [line for line in done.stdout.splitlines() if line.startswith("# ") and line.endswith("]")]
    assert reported == [f"# {words} {status} []" for words, status in cheap.items()]


_RUN = "data/extract=iris trainer.epochs=1 tracking=none baseline=off evaluate/importance=off report=false"
_LOST = "error: the output could not be written (No space left on device).\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("ls", 0),
        ("ls --help", 0),
        ("--help", 0),
        ("--cfg job", 0),
        ("--info all", 0),
        ("check data/extract=iris", 0),
        (_RUN, 0),
        (f"-m {_RUN} seed=1,2", 0),
        ("data/extract=nope", 2),
    ],
)
def test_a_closed_pipe_is_no_error_and_prints_nothing(here: Path, words: str, status: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "harness", *words.split()]
    try:
        done = subprocess.run(
            command, cwd=here, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120
        )
        assert done.stderr.count("\n") == (1 if status else 0)
        assert done.returncode == status
        if status:  # of an error, too
            assert subprocess.run(command, cwd=here, stderr=writer, timeout=120).returncode == status
    finally:
        os.close(writer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "redirection", "status", "error"),
    [
        (_RUN, "<&- >&-", 0, ""),
        (_RUN, ">/dev/full", 1, _LOST),
        ("ls", ">/dev/full", 1, _LOST),
        ("ls", "2>&-", 0, ""),
    ],
)
def test_an_output_that_cannot_be_written_ends_no_run(
    here: Path, words: str, redirection: str, status: int, error: str
) -> None:
    command = f"{sys.executable} -m harness {words} {redirection}"
    done = subprocess.run(["sh", "-c", command], cwd=here, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (status, error)
    if words != "ls":
        (result,) = (here / "outputs").glob("runs/*/result.json")
        assert json.loads(result.read_text())["status"] == "finished"


COMPLETE = """
eval "$(harness -sc install=bash)"
COMP_LINE="harness model=re"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=(harness model=re); COMP_CWORD=1
hydra_bash_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_console_script_completes_words_in_bash(here: Path) -> None:
    scripts = Path(sys.executable).parent
    if not (scripts / "harness").exists():
        pytest.skip("the package is not installed")
    path = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", COMPLETE], cwd=here, env=path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["model=realmlp", "model=resnet18", "model=resnet50"]
