"""The schemas of the groups: they admit every yaml file of ours, and refuse wrong keys, types and choices."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from omegaconf import OmegaConf
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from harness.config.choice_files import CONF
from harness.config.group_schema import all_schemas, schema_file

EXAMPLE = CONF.parent / "examples" / "own_project"
Schemas = dict[str, dict[str, Any]]
Faults = Callable[[str, Any], list[str]]


def faults_by(schemas: Schemas) -> Faults:
    """`faults(group, content)`: what a file of the group does wrong, a line each."""
    resources = [(name, Resource.from_contents(schema, DRAFT7)) for name, schema in schemas.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    of = {name: Draft7Validator(schema, registry=registry) for name, schema in schemas.items()}
    return lambda group, content: [str(e.message) for e in of[schema_file(group)].iter_errors(content)]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return all_schemas()


@pytest.fixture(scope="module")
def faults(schemas: Schemas) -> Faults:
    return faults_by(schemas)


def contents(conf: Path) -> Iterator[tuple[str, Path, Any]]:
    for file in sorted(conf.rglob("*.yaml")):
        group = file.parent.relative_to(conf).as_posix()
        yield ("config" if group == "." else group), file, OmegaConf.to_container(OmegaConf.load(file))


def test_every_yaml_file_of_ours_fits_and_with_a_wrong_key_value_or_choice_it_does_not(
    faults: Faults,
) -> None:
    wrong = []
    tried = 0
    for group, file, content in contents(CONF):
        assert not faults(group, content), file
        if file.name == "slurm.yaml":  # inherits settings that only another package knows
            continue
        for fault in faulty(content):
            tried += 1
            wrong += [] if faults(group, fault) else [f"{file.relative_to(CONF)}: {fault}"]
    assert not wrong, "\n".join(wrong)
    assert tried > 500


def faulty(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of a file's content with one fault each."""
    yield {**content, "nonsense": 1}
    for key, value in content.items():
        scalar = isinstance(value, bool | int | float | str)
        if scalar and not key.startswith("_"):
            yield {**content, key: [{"a": 1}]}
    for number, entry in enumerate(content.get("defaults", ())):
        if isinstance(entry, dict) and "hydra/" not in str(entry):
            changed = copy.deepcopy(content)
            changed["defaults"][number] = dict.fromkeys(entry, "nonsense")
            yield changed


@pytest.mark.parametrize(
    ("group", "content", "fault"),
    [
        ("model", {"_target_": "harness.model.mlp.MLP", "dropuot": 0.1}, "'dropuot' was unexpected"),
        ("model", {"_target_": "harness.model.mlp.MLP", "norm": "bach"}, "'bach' is not valid"),
        ("model", {"_target_": "harness.model.mpl.MLP"}, "'harness.model.mpl.MLP' is not valid"),
        ("model", {"_target_": "my_package.Net", "anything": 1}, None),
        ("model", {"_target_": "harness.model.mlp.MLP", "dropout": "${other.key}"}, None),
        ("experiment", {"trainer": {"optimizer": {"lr": "fast"}}}, "is not valid"),
        ("experiment", {"trainer": {"optimizer": {"lr": 0.1}}, "seed": 1}, None),
        ("experiment", {"split": {"guard": "of"}}, "is not valid"),
        ("experiment", {"sed": 1}, "'sed' was unexpected"),
        ("experiment", {"defaults": [{"override /model": "mpl"}]}, "is not valid"),
        ("experiment", {"defaults": [{"override /model": "mlp"}]}, None),
        ("sweep", {"trials": 1.5}, "is not of type 'integer', 'null', 'string'"),
    ],
)
def test_what_is_refused_and_what_is_not(faults: Faults, group: str, content: Any, fault: str | None) -> None:
    found = faults(group, content)
    assert fault in found[0] if fault else not found


def test_descriptions_are_comments_and_docstrings_and_defaults_those_of_the_yaml_file(
    schemas: Schemas,
) -> None:
    split = schemas["split.schema.json"]["definitions"]["harness.split.kfold.KFold"]
    assert split["properties"]["valid"]["description"].startswith("fraction of")
    assert split["properties"]["guard"]["description"].startswith("The leakage guard: warn, error")
    assert split["properties"]["seed"]["default"] == 0
    adamw = schemas["trainer.optimizer.schema.json"]["definitions"]["torch.optim.AdamW"]["properties"]
    assert adamw["lr"] == {
        "type": ["number", "string"],
        "pattern": r"^(\$\{|\?\?\?$)",
        "patternErrorMessage": "Give a number, ${another.setting} or ???.",
        "default": 0.003,
        "description": "learning rate (default: 1e-3). A tensor LR",
    }
    assert adamw["weight_decay"]["description"] == "of the weights, times the learning rate, in each step"
    models = schemas["choices.schema.json"]["definitions"]["model"]["anyOf"][0]
    described = dict(zip(models["enum"], models["enumDescriptions"], strict=True))
    assert described["mlp"] == "multilayer perceptron, the plain choice for a table of features"


def test_a_project_has_schemas_of_its_own_parts_and_the_verb_writes_them(
    here: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLE)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    answer = run_cli("schema", f"--into={here / 'made'}", "--json")
    files = json.loads(answer.out)["result"]["files"]
    schemas = {
        Path(file).name: json.loads(Path(file).read_text()) for file in (here / "made").glob("*.schema.json")
    }
    assert {Path(file).name for file in files.values()} == schemas.keys() - {"choices.schema.json"}
    faults = faults_by(schemas)
    for group, file, content in contents(EXAMPLE / "conf"):
        assert not faults(group, content), file
    model = {"_target_": "own_project.model.Residual", "_partial_": True}
    assert faults("model", {**model, "blocks": "two"})
    assert faults("model", {**model, "blokcs": 2})
    settings = json.loads((here / "made" / "vscode-settings.json").read_text())["yaml.schemas"]
    assert ["conf/data/extract/*.yaml"] in settings.values()
    assert run_cli("schema", f"--into={here / 'made'}").status == 0  # again, over the old ones
    (here / "made" / "mine.txt").touch()
    again = run_cli("schema", f"--into={here / 'made'}")
    assert again.status == 2
    assert "has other files, such as mine.txt" in again.err
    assert (here / "made" / "mine.txt").exists()
