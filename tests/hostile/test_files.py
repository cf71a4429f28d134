"""Folders from elsewhere: journals, addresses, links, stores of MLflow, studies, archives, weights, pages."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from harness.bundle.ensemble import open_predictor
from harness.checkpoint.checkpoint_file import read_named
from harness.runs.outputs import Outputs
from harness.runs.tracking_state import State
from harness.sweep.space.search_space import Space
from harness.sweep.worker.claim_loop import ClaimLoop
from harness.tracking import store_address
from harness.tracking.journal_upload import JournalUpload
from harness.tracking.sync_runs import sync

ADDRESS = "http://127.0.0.1:9"


class Attack:
    """Unpickled, it makes the marker."""

    def __reduce__(self) -> Any:
        return (os.system, ("touch ATTACKED",))


def _append(run: Path, **event: Any) -> None:
    with (run / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"time": 0, "run": "", **event}) + "\n")


EVENTS: dict[str, dict[str, Any]] = {
    "an artifact above": {"event": "artifact", "path": "../../../../etc/hostname", "under": ""},
    "an artifact by its whole path": {"event": "artifact", "path": "/etc/hostname", "under": ""},
    "a folder above": {"event": "artifact", "path": "..", "under": ""},
    "a folder through proc": {"event": "artifact", "path": "../../../../proc/self/cwd", "under": ""},
    "a model above": {"event": "model", "path": "../outputs"},
    "a model by its whole path": {"event": "model", "path": "/root"},
}


@pytest.mark.parametrize("attack", EVENTS)
@pytest.mark.parametrize("uri", [None, ADDRESS])
def test_a_journal_sends_no_file_of_the_users(
    attack: str, uri: str | None, theirs: Path, refused: Any
) -> None:
    State(ADDRESS, "digits").save(theirs)
    _append(theirs, **EVENTS[attack])
    error = refused(lambda: sync("theirs", "outputs", uri=uri), "OutsideFolder", folder=theirs)
    assert error.path == EVENTS[attack]["path"]


def test_the_address_of_a_folder_is_used_only_where_the_user_gives_it(
    theirs: Path, refused: Any, refused_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    State(ADDRESS, "digits").save(theirs)
    refused(lambda: sync("theirs", "outputs"), "UserError", key="--uri", value=ADDRESS)
    assert "give the one that you mean with --uri" in refused_by("sync", "theirs")
    assert "is not opened" in refused_by("ui", "theirs")


def test_a_model_is_not_registered_at_the_address_of_its_folder(
    theirs: Path, here: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    State(ADDRESS, "digits").save(theirs)
    found: list[str] = []
    monkeypatch.setattr("harness.deploy.register_run.promote", lambda *words: found.append(words[2]) or [])
    assert run_cli("register", "theirs", "--name", "m").status == 0
    assert found == [f"sqlite:///{here / 'outputs' / 'mlflow.db'}"]


def test_a_parent_is_looked_up_in_no_other_folder(theirs: Path, here: Path) -> None:
    State(ADDRESS, "digits", runs={"": "the user's"}).save(here)
    (here / "other").mkdir()
    State(ADDRESS, "digits", runs={"": "the user's"}).save(here / "other")
    upload = JournalUpload(theirs, ADDRESS, "digits", here / "outputs")
    assert [upload._parent(parent) for parent in ("../other", str(here), "/")] == [None, None, None]


LINKS: dict[str, Callable[[Path, Path], Any]] = {
    "a link to a file": lambda run, secret: (run / "notes.txt").symlink_to(secret),
    "a link to a folder": lambda run, secret: (run / "notes").symlink_to(secret.parent),
    "a link in the model": lambda run, secret: (run / "model" / "code.py").symlink_to(secret),
    "a link that is relative": lambda run, secret: (run / "notes.txt").symlink_to("../secret"),
    "a link to itself": lambda run, _: (run / "notes.txt").symlink_to("notes.txt"),
    "a pipe": lambda run, _: os.mkfifo(run / "predictions.csv.gz"),
}


@pytest.mark.parametrize("attack", LINKS)
def test_a_folder_holds_files_alone(
    attack: str, theirs: Path, here: Path, refused: Any, refused_by: Any
) -> None:
    (here / "secret").write_text("secret")
    LINKS[attack](theirs, here / "secret")
    refused(lambda: Outputs(Path("outputs")).find("theirs"), "OutsideFolder", folder=theirs)
    for words in (("report", "theirs"), ("sync", "theirs", "--uri", ADDRESS), ("evaluate", "theirs")):
        refused_by(*words)


LOCATIONS = {
    "file:///etc": "http://store.example.org",
    "/root/.ssh": "http://store.example.org",
    "/mlruns/0/../../root/.ssh": "sqlite:////x/mlflow.db",
    "http://evil.example.org/artifacts": "http://store.example.org",
    "http://store.example.org:81/artifacts": "http://store.example.org",
    "mlflow-artifacts://evil.example.org/1": "http://store.example.org",
    "ftp://store.example.org/1": "http://store.example.org",
    "sftp://evil.example.org/1": "http://store.example.org",
    "hdfs://evil/1": "http://store.example.org",
}


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_store_names_files_of_its_own_alone(location: str, refused: Any) -> None:
    refused(lambda: store_address.check_location(location, LOCATIONS[location]), "UserError", value=location)


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts",
        "http://store.example.org/api/2.0/mlflow-artifacts/artifacts/1",
        "s3://bucket/1",
        f"file:///home/user/outputs/mlartifacts/{'0' * 32}/artifacts",
        f"/home/user/mlruns/1/models/m-{'0' * 32}/artifacts",
    ],
)
def test_the_usual_places_of_a_store_are_read(location: str) -> None:
    store_address.check_location(location, "http://store.example.org")


@pytest.mark.parametrize("folder", ["../../../home", "/root", "3/../../.."])
def test_a_study_names_no_folder_elsewhere(folder: str, here: Path, refused: Any) -> None:
    worker: Any = SimpleNamespace(spec=SimpleNamespace(folder=here / "outputs" / "sweeps" / "s-0"))
    claim: Any = SimpleNamespace(resumed=True)
    refused(lambda: ClaimLoop._folder(worker, claim, folder), "OutsideFolder", path=folder)


def test_a_point_of_a_study_sets_swept_keys_alone() -> None:
    with pytest.raises(KeyError):
        Space((), ()).words({"model._target_": "os.system"})


def _numpy(path: Path) -> None:
    np.save(path, np.array([Attack()], dtype=object), allow_pickle=True)


def _npz(path: Path) -> None:
    np.savez(path, inputs=np.array([Attack()], dtype=object), allow_pickle=True)


def _cifar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        content = pickle.dumps(Attack())
        entry = tarfile.TarInfo("cifar-10-batches-py/batches.meta")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


SOURCES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "data/extract=numpy data.extract.path=evil.npy": ("evil.npy", _numpy),
    "data/extract=numpy data.extract.path=evil.npz": ("evil.npz", _npz),
    "data/extract=cifar10 data.extract.path=evil.tar.gz data.extract.checksum=null": ("evil.tar.gz", _cifar),
}


@pytest.mark.parametrize("words", SOURCES)
def test_a_source_unpickles_nothing(words: str, here: Path, marker: Path, refused_by: Any) -> None:
    name, write = SOURCES[words]
    write(here / name)
    refused_by("check", *words.split())


def test_a_parquet_file_rebuilds_no_type_of_pythons(here: Path, marker: Path, run_cli: Any) -> None:
    pickled = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Attack()),
    }
    schema = pa.schema([pa.field("x", pa.int64(), metadata=pickled), pa.field("y", pa.string())])
    table = pa.table({"x": list(range(40)), "y": ["a", "b"] * 20}, schema=schema)
    pyarrow.parquet.write_table(table, here / "evil.parquet")
    words = ["data/extract=parquet", "data.extract.path=evil.parquet", "data.extract.target=y"]
    assert run_cli("check", *words).status in (0, 2)


@pytest.mark.parametrize("name", ["evil.pt", "evil.safetensors", "evil.ckpt"])
def test_weights_are_not_unpickled(name: str, here: Path, marker: Path, refused_by: Any) -> None:
    torch.save({"state_dict": Attack()}, here / name)
    refused_by("check", "model=mlp", f"model.weights={name}")


def test_a_checkpoint_is_not_unpickled(here: Path, marker: Path, refused: Any) -> None:
    torch.save({"state_dict": Attack()}, here / "epoch-1.safetensors")
    refused(lambda: read_named(here / "epoch-1.safetensors"), "UserError")


def test_a_run_controls_no_terminal(theirs: Path, run_cli: Any) -> None:
    """Such sequences clear the screen, set its title, or put a command into the clipboard."""
    attack = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\u202egnp"
    journal, result = theirs / "journal.jsonl", theirs / "result.json"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in events:
        if event["event"] == "start":
            event["name"], event["tags"] = attack, {**event["tags"], attack: attack}
    journal.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    content = json.loads(result.read_text())
    scores = {**content["scores"], f"test/{attack}": content["scores"]["valid/loss"]}
    result.write_text(json.dumps({**content, "command": attack, "scores": scores}))
    for words in (["rerun", "theirs", "--dry"], ["compare", "theirs", "theirs"]):
        answer = run_cli(*words)
        assert answer.status == 0, answer.err
        assert not set("\x1b\x07\u202e") & set(answer.out + answer.err)
        assert "\\x1b]52" in answer.out


LEVELS = "".join(f"level{n}: &level{n} [{', '.join([f'*level{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "content",
    [
        "evil: !!python/object/apply:os.system ['touch ATTACKED']\n",
        f"level0: &level0 [x]\n{LEVELS}",
        f"deep: {'[' * 50_000}{']' * 50_000}\n",
    ],
    ids=["an object", "a hundred thousand million aliases", "lists without end"],
)
def test_a_configuration_makes_no_object_of_pythons_and_fills_no_memory(
    content: str, theirs: Path, refused_by: Any
) -> None:
    file = theirs / "config.yaml"
    file.write_text(content)
    for words in (("rerun", "theirs"), ("evaluate", "theirs")):
        assert "config.yaml is damaged" in refused_by(*words)


@pytest.mark.parametrize("member", ["../../outputs", "/root", "."])
def test_an_ensemble_has_no_member_elsewhere(member: str, theirs: Path, refused: Any) -> None:
    facts = theirs / "model" / "bundle.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps({**content, "members": [member]}))
    refused(lambda: open_predictor(theirs / "model"), "OutsideFolder", path=member)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "{{ 7 * 191 }}{% raw %}", "${oc.env:HOME}"])
def test_a_page_shows_texts_as_they_are(text: str, theirs: Path, run_cli: Any) -> None:
    journal = theirs / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if line["event"] == "start":
            line["name"] = text
            line["tags"]["note"] = text
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run_cli("report", "theirs").status == 0
    page = (theirs / "report.html").read_text()
    assert "<script>alert" not in page
    assert "1337" not in re.sub(r"[\d.]{6,}", "", page)
    assert os.environ["HOME"] not in page or "${oc.env:HOME}" in page


def _pipe(run: Path) -> None:
    (run / "journal.jsonl").unlink()
    os.mkfifo(run / "journal.jsonl")


def _link(run: Path) -> None:
    (run / "packages.txt").unlink()
    (run / "packages.txt").symlink_to("/etc/hostname")


@pytest.mark.parametrize("change", [_pipe, _link])
@pytest.mark.parametrize(
    "words",
    [
        ["report", "theirs"],
        ["compare", "theirs"],
        ["rerun", "theirs", "--dry"],
        ["sync", "theirs"],
        ["data/extract=breast_cancer", "resume=theirs"],
        ["check", "data/extract=breast_cancer", "model=mlp", "model.weights=theirs"],
        [
            "check",
            "data/extract=breast_cancer",
            "model=mlp",
            "model.weights=theirs/model/weights.safetensors",
        ],
    ],
    ids=" ".join,
)
def test_a_pipe_or_a_link_blocks_no_command_and_is_not_followed(
    change: Callable[[Path], None], words: list[str], theirs: Path, refused_by: Any
) -> None:
    change(theirs)
    line = refused_by(*words)
    assert "which is neither a file nor a folder" in line or "which lies outside of it" in line, line


@pytest.mark.parametrize("cell", ["../secret.png", "{here}/secret.png", "link.png"])
def test_a_source_of_a_run_from_elsewhere_lists_only_files_in_its_folder(
    cell: str, here: Path, marker: Path
) -> None:
    from PIL import Image

    from harness.config.compose import compose_exactly
    from harness.prepare.parts import Parts
    from harness.runtime.inner_path import OutsideFolder, confined

    Image.new("L", (4, 4)).save(here / "secret.png")
    (here / "images").mkdir()
    for name in ("a", "b"):
        Image.new("L", (4, 4)).save(here / "images" / f"{name}.png")
    (here / "images" / "link.png").symlink_to(here / "secret.png")
    cell = cell.format(here=here)
    (here / "list.csv").write_text(f"path,class\na.png,1\nb.png,0\n{cell},1\n")
    words = ["data/extract=image_folder", "data.extract.path=images", "data.extract.table=list.csv"]
    extract = Parts(compose_exactly(words)).extract
    assert len(extract()) == 3  # the user's own table may list any file
    with confined(), pytest.raises(OutsideFolder) as caught:
        extract()
    assert caught.value.path == cell
