"""Fitted transforms from elsewhere: of today's format, and of that of earlier versions."""

from __future__ import annotations

import functools
import io
import json
import operator
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import FeatureAgglomeration
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import _testing

from harness.bundle import fitted_state
from harness.bundle.row_predictor import RowPredictor

SCALER = "sklearn.preprocessing.StandardScaler"

PARTS: dict[str, tuple[Any, str]] = {
    "a class of Python": (
        {"part": ["subprocess.Popen", {"args": "touch ATTACKED", "shell": True}, {}]},
        "subprocess.Popen",
    ),
    "a function of Python": ({"part": ["os.system", {"command": "touch ATTACKED"}, {}]}, "os.system"),
    "what a helper module imported": (
        {"part": ["sklearn.utils._testing.check_output", {"args": ["touch", "ATTACKED"]}, {}]},
        "sklearn.utils._testing.check_output",
    ),
    "what a public module imported": (
        {"part": ["sklearn.preprocessing.os.system", {}, {}]},
        "sklearn.preprocessing.os.system",
    ),
    "a loader of a library": ({"part": ["joblib.load", {"filename": "ATTACKED"}, {}]}, "joblib.load"),
    "a search that evaluates text": (
        {
            "part": [
                "sklearn.model_selection.GridSearchCV",
                {"estimator": None, "param_grid": {"dict": []}},
                {},
            ]
        },
        "sklearn.model_selection.GridSearchCV",
    ),
    "a reader of files": (
        {"part": ["sklearn.feature_extraction.text.CountVectorizer", {"input": "filename"}, {}]},
        "sklearn.feature_extraction.text.CountVectorizer",
    ),
    "memory that compiled code reads": (
        {"part": ["sklearn.tree.DecisionTreeRegressor", {}, {}]},
        "sklearn.tree.DecisionTreeRegressor",
    ),
    "a part with a cache of pickles": (
        {"part": ["sklearn.cluster.FeatureAgglomeration", {"memory": "cache"}, {}]},
        "sklearn.cluster.FeatureAgglomeration",
    ),
    "a pipeline with a cache of pickles": (
        {"part": ["sklearn.pipeline.Pipeline", {"steps": [], "memory": "cache"}, {}]},
        "sklearn.pipeline.Pipeline with memory='cache'",
    ),
    "an attribute that hides a method": (
        {"part": [SCALER, {}, {"transform": 1}]},
        f"the attribute 'transform' of {SCALER}",
    ),
    "the class of an object": (
        {"part": [SCALER, {}, {"__class__": 1}]},
        f"the attribute '__class__' of {SCALER}",
    ),
    "a value of an unknown kind": ({"eval": "open('ATTACKED', 'w')"}, "a value of the kind 'eval'"),
    "a data type of raw memory": ({"dtype": "V8"}, "the data type 'V8'"),
}
"""By what it is: a value in the place of the fitted parts, and the field `what` of the refusal."""


@pytest.mark.parametrize("attack", PARTS)
def test_a_state_names_no_other_class(attack: str, theirs: Path, refused: Any) -> None:
    content, what = PARTS[attack]
    _replace(theirs, parts={"dict": [["numeric", content], ["categorical", None]]})
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform", what=what)


@pytest.mark.parametrize(
    "content",
    [
        {"function": 0},
        {"type": "os.system"},
        {"array": "../../0"},
        {"sparse": ["csr_matrix", [2, 2], {"array": "0"}, {"array": "0"}, {"array": "0"}]},
        {"scalar": ["os.system", "touch ATTACKED"]},
    ],
    ids=["function", "type", "array", "sparse", "scalar"],
)
def test_a_state_holds_nothing_that_no_fit_makes(content: Any, theirs: Path, refused: Any) -> None:
    _replace(
        theirs, parts={"dict": [["numeric", {"part": [SCALER, {}, {"mean_": content, "x_": {"0": 0}}]}]]}
    )
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform")


@pytest.mark.parametrize("name", ["../../../secret", "/etc/hostname", "0.bin"])
def test_a_state_reads_no_file_elsewhere(name: str, theirs: Path, here: Path, refused: Any) -> None:
    (here / "secret").write_text("secret")
    folder = theirs / "model" / "transform"
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "arrays": {"$file": name}}))
    if name == "0.bin":
        (folder / name).unlink()
        (folder / name).symlink_to(here / "secret")
    refused(lambda: RowPredictor(theirs / "model"), "OutsideFolder", folder=folder, path=name)


def test_a_state_that_is_nested_without_end(theirs: Path, refused: Any) -> None:
    folder = theirs / "model" / "transform"
    (folder / "state.json").write_text('{"parts": ' + "[" * 100_000 + "]" * 100_000 + "}")
    refused(lambda: RowPredictor(theirs / "model"), "DamagedFile", path=folder / "state.json")


def test_weights_that_are_a_pickle(theirs: Path, refused: Any) -> None:
    weights = theirs / "model" / "weights.safetensors"
    weights.write_bytes(_pickled())
    refused(lambda: RowPredictor(theirs / "model"), "UserError", key=str(weights))


OLD: dict[str, Callable[[], Any]] = {
    "a function of Python": lambda: FunctionTransformer(os.system),
    "a function of a helper module": lambda: FunctionTransformer(_testing.check_output),
    "a function of the standard library": lambda: FunctionTransformer(subprocess.check_output),
    "a partial call": lambda: FunctionTransformer(functools.partial(os.system, "touch ATTACKED")),
    "a method of an object": lambda: FunctionTransformer(StandardScaler().fit),
    "a getter of attributes": lambda: FunctionTransformer(operator.attrgetter("__class__")),
    "a cache of pickles": lambda: Pipeline([("scaler", StandardScaler())], memory="cache"),
    "a cache of a part": lambda: FeatureAgglomeration(memory="cache"),
}
"""Parts as skops wrote them for an earlier version, which trusted all that began with `sklearn.`."""


def as_skops(chains: Any) -> bytes:
    import skops.io  # takes a second, which each of pytest's workers would spend

    content: bytes = skops.io.dumps(chains)
    return content


@pytest.mark.parametrize("attack", OLD)
def test_a_state_of_an_earlier_version_holds_no_callable_and_no_cache(
    attack: str, theirs: Path, refused: Any
) -> None:
    chains = {"numeric": make_pipeline(OLD[attack]()), "categorical": None}
    _replace(theirs, transformer=as_skops(chains))
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform")


def _node(module: str, name: str) -> dict[str, Any]:
    content = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}}
    content["key_types"] = {"content": []}
    return {"__class__": name, "__module__": module, "__loader__": "ObjectNode", "content": content}


def _array(file: str) -> dict[str, Any]:
    names = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode"}
    return {**names, "type": "numpy", "file": file}


def _pickled() -> bytes:
    class Attack:
        def __reduce__(self) -> Any:
            return (os.system, ("touch ATTACKED",))

    stream = io.BytesIO()
    np.save(stream, np.array([Attack()], dtype=object), allow_pickle=True)
    return stream.getvalue()


SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, bytes]]] = {
    "a class of Python": (_node("subprocess", "Popen"), {}),
    "a class of a helper module": (_node("sklearn.utils._testing", "TempMemmap"), {}),
    "a class under a public name": (_node("sklearn.preprocessing", "StandardScaler"), {}),
    "an array of pickles": (_array("0.npy"), {"0.npy": _pickled()}),
    "an array that is absent": (_array("../../../secret.npy"), {}),
    "an unknown loader": ({**_node("os", "system"), "__loader__": "FunctionNode"}, {}),
}


@pytest.mark.parametrize("attack", SCHEMAS)
def test_a_file_of_an_earlier_version_that_was_made_by_hand(attack: str, theirs: Path, refused: Any) -> None:
    schema, files = SCHEMAS[attack]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in files.items():
            archive.writestr(name, content)
    _replace(theirs, transformer=stream.getvalue())
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform")


def test_a_function_under_the_name_of_a_helper_module(theirs: Path, refused: Any) -> None:
    """Scikit-learn's helpers import functions of Python, and earlier versions trusted all of its names."""
    chains = {"numeric": make_pipeline(FunctionTransformer(subprocess.check_output)), "categorical": None}
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_skops(chains))) as given,
        zipfile.ZipFile(stream, "w") as archive,
    ):
        for name in given.namelist():
            content = given.read(name).replace(b'"subprocess"', b'"sklearn.utils._testing"')
            archive.writestr(name, content)
    _replace(theirs, transformer=stream.getvalue())
    what = "sklearn.utils._testing.check_output"
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform", what=what)


def test_an_archive_that_unpacks_without_end(
    theirs: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.data.transform.skops_file._LARGEST", 1000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(_array("0.npy")))
        archive.writestr("0.npy", bytes(100_000))
    _replace(theirs, transformer=stream.getvalue())
    refused(lambda: RowPredictor(theirs / "model"), "UntrustedState", key="data.transform")


def test_the_command_line_answers_in_one_sentence(theirs: Path, here: Path, refused_by: Any) -> None:
    (here / "rows.csv").write_text("mean radius\n1\n")
    _replace(theirs, parts={"part": ["os.system", {"command": "touch ATTACKED"}, {}]})
    for words in (("predict", "theirs", "rows.csv", "out.csv"), ("evaluate", "theirs", "tracking=none")):
        assert "which is no estimator of scikit-learn" in refused_by(*words)
    assert not (here / "out.csv").exists()


def _replace(run: Path, **values: Any) -> None:
    """Puts values into the stored state."""
    folder = run / "model" / "transform"
    state = fitted_state.load(folder)
    if "transformer" in values:
        state = {key: state[key] for key in ("columns", "origins", "task")}
    fitted_state.save(folder, {**state, **values})
