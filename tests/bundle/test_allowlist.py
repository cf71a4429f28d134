from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.bundle import allowlist
from harness.bundle.foreign_targets import check_targets, place_of
from harness.bundle.foreign_values import NotAllowed, check_values
from harness.config.choice_files import choices
from harness.config.compose import compose, compose_exactly
from harness.core.errors import UnknownChoice, UserError
from harness.runs.stored_run import StoredRun


def naming(target: Any) -> dict[str, Any]:
    return {"model": {"_target_": target}}


def at(key: str, target: str) -> dict[str, Any]:
    """A configuration with one target."""
    content: Any = {"_target_": target}
    for name in reversed(key.split(".")):
        content = {name: content}
    return dict(content)


PLACES = {
    "model": ["harness.model.mlp.MLP", "torch.nn.Linear"],
    "data.extract": ["harness.data.extract.csv.Csv"],
    "data.transform.numeric": ["sklearn.preprocessing.RobustScaler", "sklearn.pipeline.Pipeline"],
    "trainer.loss": ["harness.loss.focal.Focal", "torch.nn.SmoothL1Loss", "torch.nn.modules.loss.MSELoss"],
    "trainer.optimizer": ["torch.optim.Adagrad"],
    "trainer.scheduler": ["torch.optim.lr_scheduler.StepLR"],
    "trainer.method.miner": ["pytorch_metric_learning.miners.TripletMarginMiner"],
    "tracking": ["harness.tracking.mlflow.Mlflow"],
}


@pytest.mark.parametrize(("key", "target"), [(key, name) for key, names in PLACES.items() for name in names])
def test_a_part_that_only_does_its_work_may_be_named_at_its_place_alone(key: str, target: str) -> None:
    allowlist.check(at(key, target))
    elsewhere = "split" if key != "split" else "model"
    with pytest.raises(NotAllowed) as error:
        allowlist.check(at(elsewhere, target))
    assert (error.value.key, error.value.value) == (f"{elsewhere}._target_", target)


def metric(target: str) -> dict[str, Any]:
    return {"evaluate": {"metrics": {"own": {"_target_": target}}}}


@pytest.mark.parametrize(
    "target",
    [
        "torchmetrics.classification.MulticlassMatthewsCorrCoef",
        "torchmetrics.MatthewsCorrCoef",
        "torchmetrics.functional.classification.multiclass_matthews_corrcoef",
        "torchmetrics.functional.regression.mean_squared_error",
        "sklearn.metrics.matthews_corrcoef",
    ],
)
def test_a_metric_of_a_known_library_may_be_named(target: str) -> None:
    allowlist.check(metric(target))


@pytest.mark.parametrize(
    "config",
    [
        metric("torchmetrics.text.BERTScore"),
        metric("torchmetrics.functional.text.bert_score"),
        metric("torchmetrics.utilities.checks.importlib.import_module"),
        metric("my_project.metric.kappa"),
        {"callbacks": {"own": {"_target_": "my_project.callback.Notify"}}},
        naming("sklearn.metrics.matthews_corrcoef"),
        {
            "evaluate": {
                "metrics": {
                    "own": {
                        "_target_": "sklearn.metrics.fbeta_score",
                        "beta": naming("sklearn.metrics.fbeta_score"),
                    }
                }
            }
        },
    ],
)
def test_other_metrics_callbacks_and_functions_elsewhere_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        allowlist.check(config)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "hydra.utils.get_method",
        "hydra.utils.instantiate",
        "functools.reduce",
        "torch.hub.load",
        "torch.load",
        "torch.nn.init.os.system",
        "torch.nn.modules.module.torch.load",
        "torch.nn.utils.parametrize.register_parametrization",
        "torch.optim.optimizer.functools.reduce",
        "sklearn.datasets.fetch_openml",
        "sklearn.utils._joblib.joblib.load",
        "harness.model.pretrained_weights.torch.load",
        "harness.data.extract.cifar10.pickle.loads",
        "harness.data.extract.cifar10._ArrayUnpickler",
        "harness.run.run",
        "harness.tracking.mlflow._Uploader",
        "harness.checkpoint.checkpoint_file.Path",
        "hydra_plugins.harness_launcher.RayLauncher",
        "timm.create_model",
    ],
)
def test_every_other_class_or_function_is_refused_by_any_path(target: str) -> None:
    with pytest.raises(UserError, match=r"this configuration was not made here|cannot be found|not allowed"):
        allowlist.check(naming(target))


@pytest.mark.parametrize("target", [["os", "system"], 3, "os:system", "${oc.env:HOME}", ""])
def test_a_target_must_be_a_plain_name(target: Any) -> None:
    with pytest.raises(UserError, match=r"model\._target_"):
        allowlist.check(naming(target))


def test_a_nested_node_is_looked_at_as_well() -> None:
    inner = {"func": {"_target_": "hydra.utils.get_method", "path": "os.system"}}
    step = {"_target_": "sklearn.preprocessing.FunctionTransformer", **inner}
    with pytest.raises(
        UserError, match=r"data\.transform\.steps\.0\.func\._target_=hydra\.utils\.get_method"
    ):
        allowlist.check({"data": {"transform": {"_target_": "sklearn.pipeline.Pipeline", "steps": [step]}}})


GROUPS = """model trainer trainer/method trainer/loss trainer/optimizer trainer/scheduler trainer/update
trainer/layers trainer/mix data/extract data/transform data/augment data/load split evaluate debug tracking"""
CHOICES = [f"{group}={choice}" for group in GROUPS.split() for choice in choices(group)]


@pytest.mark.slow
@pytest.mark.parametrize("word", CHOICES)
def test_every_choice_of_ours_is_trusted(word: str) -> None:
    owner = {"method": "contrastive", "layers": "supervised"}.get(word.partition("=")[0].partition("/")[2])
    words = [] if owner is None else [f"trainer={owner}"]
    node: Any = OmegaConf.to_container(compose_exactly([*words, word]), resolve=False)
    node.pop("hydra", None)
    key = place_of(word.partition("=")[0].replace("/", "."))
    above, _, name = key.rpartition(".")
    part = (node[above] if above else node)[name]
    content = {above: {name: part}} if above else {name: part}
    check_targets(content, [])
    check_values(_without_references(content), [])


def _without_references(node: Any) -> Any:
    """As a stored configuration, whose references are resolved."""
    if isinstance(node, dict):
        return {key: _without_references(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_references(value) for value in node]
    return None if isinstance(node, str) and "${" in node else node


def test_every_configuration_of_ours_is_trusted() -> None:
    for words in (["trainer=contrastive"], ["data/extract=breast_cancer"], ["trainer=semi_supervised"]):
        allowlist.check(_stored(compose(words)))


def _stored(cfg: Any) -> dict[str, Any]:
    """As `config.yaml` has it: resolved."""
    from harness.runtime.secret_values import Secrets

    return Secrets(cfg).config


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's, which imports others."""
    package = tmp_path / "my_parts"
    package.mkdir()
    lines = ["import os", "from torch.nn import Linear", "class Net: ...", "def net(): ..."]
    (package / "__init__.py").write_text("\n".join(lines))
    (package / "loud.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return "my_parts"


ALLOW = r'with --allow my_parts, or for good in pyproject\.toml with \[tool\.harness\] allow = \["my_parts"\]'


@pytest.mark.parametrize(
    ("target", "allowed", "sentence"),
    [
        ("my_parts.Net", [], ALLOW),
        ("my_parts.loud.Net", [], "was not made here"),  # and is not even imported
        ("my_parts.os.system", ["my_parts"], r"model\._target_=my_parts\.os\.system"),
        ("my_parts_of_others.Net", ["my_parts"], "my_parts_of_others"),
    ],
)
def test_a_package_that_is_not_allowed_is_refused(
    mine: str, target: str, allowed: list[str], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        allowlist.check(naming(target), allowed)


@pytest.mark.parametrize("part", ["Net", "net", "Linear"])
def test_a_package_that_is_allowed_may_be_named(mine: str, part: str) -> None:
    allowlist.check(naming(f"{mine}.{part}"), [mine])


def test_the_project_may_allow_a_package_for_good(mine: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nallow = ["my_parts"]\n')
    allowlist.check(naming("my_parts.Net"))
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\nallow = "my_parts"\n')
    with pytest.raises(UserError, match=r"must be a list of packages, got 'my_parts'; write allow = "):
        allowlist.check(naming("my_parts.Net"))


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("os", "belongs to Python itself"),
        ("a b", "must be a package such as my_package"),
        ("env:", "or env:NAME"),
    ],
)
def test_not_everything_can_be_allowed(word: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        allowlist.check({}, [word])


def test_the_environment_is_read_only_where_the_user_lets_it() -> None:
    config = {"data": {"extract": {"authorization": "${oc.env:SECRET}"}}}
    sentence = r"data\.extract\.authorization reads the environment variable SECRET, .* --allow env:SECRET"
    with pytest.raises(UserError, match=sentence):
        allowlist.check(config)
    with pytest.raises(UserError, match=sentence):
        allowlist.check(config, ["env:OTHER"])
    allowlist.check(config, ["env:SECRET"])


@pytest.mark.parametrize("text", ["${oc.create:1}", "${oc.env:${x}}", "${x.y}", "${oc.env:A,${oc.env:B}}"])
def test_no_other_reference_is_followed(text: str) -> None:
    with pytest.raises(UserError, match="name holds a reference"):
        allowlist.check({"name": text}, ["env:A"])


WORDS = {
    "trainer=contrastive trainer.optimizer._target_=os.system": NotAllowed,
    "trainer=contrastive trainer.optimizer._ta''rget_=os.system": NotAllowed,
    "trainer=contrastive '+trainer.x={_target_:os.system}'": NotAllowed,
    "trainer=contrastive +trainer.x={_tar\\get_:os.system}": UserError,
    "trainer=contrastive trainer.optimizer.lr='${oc.env:HOME}'": NotAllowed,
    "trainer=contrastive +trainer.x='$''{oc.env:HOME}'": NotAllowed,
    "trainer=contrastive +trainer.x=/etc/passwd": NotAllowed,
    "trainer=../../../../tmp/evil": UnknownChoice,
    "trainer=/proc/self/cwd/evil": UnknownChoice,
    "trainer=evil": UnknownChoice,
    "trainer=contrastive data/augment=../evil": UnknownChoice,
    "trainer=contrastive model=mlp": UserError,
    "trainer=contrastive hydra.searchpath=[/tmp]": UserError,
    "trainer=contrastive trainer.loss._target_=os.system": UserError,
}


@pytest.mark.parametrize("words", WORDS)
def test_the_words_of_a_pre_training_are_checked_as_the_rest_is(words: str) -> None:
    allowlist.check({"pretrain": {"words": "trainer=contrastive trainer.epochs=2"}})
    with pytest.raises(WORDS[words]) as error:
        allowlist.check({"pretrain": {"words": words}})
    assert error.value.key == "pretrain.words"


def test_a_run_is_foreign_unless_its_folder_is_one_of_ours(tmp_path: Path) -> None:
    places = {"outputs/runs/a": False, "outputs/sweeps/s-0/3": False, "outputs/fetched/a": True, "a": True}
    for place, answer in places.items():
        assert allowlist.foreign(StoredRun(tmp_path / place), tmp_path / "outputs") is answer
    assert allowlist.foreign(StoredRun(tmp_path / "outputs/runs/a", foreign=True), tmp_path / "outputs")


def test_a_run_from_elsewhere_is_checked_with_its_models_and_tracked_as_ours(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    folder, outputs = tmp_path / "theirs", tmp_path / "outputs"
    shutil.copytree(finished("data/extract=breast_cancer"), folder)
    config = folder / "config.yaml"
    OmegaConf.save(
        OmegaConf.merge(OmegaConf.load(config), {"tracking": {"_target_": "harness.theirs.Tracking"}}), config
    )
    taken = allowlist.adopted(StoredRun(folder), outputs)
    assert taken.foreign
    assert taken.config.tracking._target_ != "harness.theirs.Tracking"
    assert taken.config.outputs == str(outputs)
    facts = folder / "model" / "bundle.json"
    content = json.loads(facts.read_text())
    content["config"]["data"]["transform"]["_target_"] = "os.system"
    facts.write_text(json.dumps(content))
    for ask in (
        lambda: allowlist.adopted(StoredRun(folder), outputs),
        lambda: allowlist.check_models(StoredRun(folder), outputs),
        lambda: allowlist.check_bundle(folder / "model", outputs),
    ):
        with pytest.raises(
            UserError, match=r"^data\.transform\._target_=os\.system is no part that is known"
        ):
            ask()
    ours = StoredRun(outputs / "runs" / "mine")
    assert allowlist.adopted(ours, outputs) is ours


def test_the_code_of_a_model_from_elsewhere_must_be_allowed(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(finished("data/extract=breast_cancer") / "model", folder)
    facts = folder / "bundle.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps({**content, "code": ["/etc/shadow"]}))
    with pytest.raises(UserError, match=r"names code at /etc/shadow .* allow it with --allow shadow\.$"):
        allowlist.check_bundle(folder, tmp_path / "outputs")
    allowlist.check_bundle(folder, tmp_path / "outputs", ["shadow"])


@pytest.mark.parametrize(
    "words",
    [
        "predict theirs in.csv out.csv",
        "predict theirs/model in.csv out.csv",
        "export theirs --format onnx",
        "register theirs --name m",
        "serve theirs",
        "evaluate theirs",
    ],
)
def test_no_verb_builds_what_a_run_from_elsewhere_names(
    words: str, finished: Callable[..., Path], here: Path, run_cli: Any
) -> None:
    shutil.copytree(finished("data/extract=breast_cancer"), here / "theirs")
    facts = here / "theirs" / "model" / "bundle.json"
    content = json.loads(facts.read_text())
    content["config"]["data"]["transform"]["_target_"] = "os.system"
    facts.write_text(json.dumps(content))
    (here / "in.csv").write_text("a\n1\n")
    answer = run_cli(*words.split())
    assert answer.status == 2
    assert "data.transform._target_=os.system is no part that is known to be harmless" in answer.err
