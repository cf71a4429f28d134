from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from harness.config.compose import compose
from harness.config.instantiate import build, check, check_nodes, fitting, target
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.protocol import ColumnPart
from harness.model.mlp import MLP
from harness.trainer.contrastive_method import ContrastiveMethod


class Parent:
    def __init__(self, *, depth: int, name: str = "x") -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self.depth, self.name = depth, name


class Child(Parent):
    """Passes on what it does not take itself."""

    def __init__(self, *, width: float | None, **parents: Any) -> None:
        super().__init__(**parents)
        self.width = width


class Open:
    def __init__(self, **anything: Any) -> None:
        self.given = anything


class Faulty:
    def __init__(self) -> None:
        raise ZeroDivisionError("of its own")


class Refusing:
    def __init__(self, *, why: str) -> None:
        raise UserError(f"{why}, says the part.")


class Untold:
    """An annotation that does not evaluate checks nothing."""

    def __init__(self, value: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821, UP037
        self.value = value


class Holder:
    def __init__(
        self, *, parts: list[Any], kind: Literal["a", "b"] = "a", child: Parent | None = None
    ) -> None:
        self.parts, self.kind, self.child = parts, kind, child


class Chained:
    """Items of lists that must be parts: of a class, or with the methods of a protocol."""

    def __init__(
        self, *, parents: list[Parent] | None = None, columns: list[ColumnPart] | None = None
    ) -> None:
        self.parts = parents, columns


def node(cls: type, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{__name__}.{cls.__name__}", **arguments}


def test_a_node_becomes_its_object_with_nested_nodes_and_plain_lists() -> None:
    made = build(OmegaConf.create(node(Holder, parts=[node(Child, width=1.5, depth=2), 3], kind="b")), "part")
    assert isinstance(made.parts, list)
    assert isinstance(made.parts[0], Child)
    assert (made.parts[0].width, made.parts[0].depth, made.parts[1], made.kind) == (1.5, 2, 3, "b")


def test_a_partial_node_becomes_a_callable() -> None:
    describe = build({"_target_": "harness.model.mlp.MLP", "_partial_": True, **MLP_ARGUMENTS}, "model")
    assert describe((4,))(torch.zeros(2, 4)).shape == (2, 8)


MLP_ARGUMENTS = {"widths": [8], "dropout": 0.0, "norm": "none", "activation": "relu", "weights": None}


def test_a_target_is_found_without_being_called() -> None:
    assert target({"_target_": "harness.model.mlp.MLP"}, "model") is MLP
    assert target(node(Faulty), "part") is Faulty


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"width": 1.0, "depth": 0}, "part.depth must be at least 1, got 0."),
        ({"width": 1.0, "dept": 1}, "part: .*dept.*"),
    ],
)
def test_an_error_of_a_constructor_has_its_key(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}$"):
        build(node(Child, **arguments), "part")


def test_an_error_of_a_nested_part_has_its_full_key() -> None:
    with pytest.raises(UserError, match=r"^part\.parts.*depth must be at least 1, got 0\.$"):
        build(node(Holder, parts=[node(Parent, depth=0)]), "part")


def test_a_refusal_of_the_parts_own_passes_and_a_fault_stays_a_fault() -> None:
    with pytest.raises(UserError, match=r"^because, says the part\.$"):
        build(node(Refusing, why="because"), "part")
    with pytest.raises(ZeroDivisionError, match="of its own"):
        build(node(Faulty), "part")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            node(Child, width=1, depth=1, nope=2),
            r"part\.nope is no argument of .*; there are depth, name and width\.",
        ),
        (node(Parent, depth=1, nam="y"), r".* \(leave it out with '~part\.nam'\); did you mean name\?"),
        (node(Parent), r".*Parent needs the argument 'depth'; give it with part\.depth=VALUE\."),
        (node(Child, depth=1), r".*Child needs the argument 'width'; give it with part\.width=VALUE\."),
        (node(Parent, depth="deep"), r"part\.depth must be a whole number, got 'deep'\."),
        (node(Child, width="wide", depth=1), r"part\.width must be a number or null, got 'wide'\."),
        (node(Child, width=1, depth=1.5), r"part\.depth must be a whole number, got 1\.5\."),
        (node(Holder, parts=[], kind="c"), r"part\.kind must be one of a, b, got 'c'\."),
        (node(Holder, parts=[node(Parent)]), r".* 'depth'; give it with part\.parts\[0\]\.depth=VALUE\."),
        (node(Chained, parents=["x"]), r"part\.parents must be a list, each a part with .*, got \['x'\]\."),
        (
            node(Chained, parents=[node(Child, width=1, depth=1), "x"]),
            r"part\.parents\[1\] must be a part with a _target_, got 'x'\.",
        ),
        (
            node(Chained, parents=[node(Open)]),
            r"part\.parents\[0\] must be a Parent, got .*Open\.$",
        ),
        (
            node(Chained, columns=[{"_target_": "sklearn.impute.SimpleImputer"}, 3]),
            r"part\.columns\[1\] must be a part with a _target_, got 3\.",
        ),
        (
            node(Chained, columns=[{"_target_": "torch.nn.Identity"}]),
            r"part\.columns\[0\] must have the methods fit, transform and get_params, got torch.*Identity\.",
        ),
        (node(Faulty, x=1), r"part\.x is no argument of .*Faulty [^;]*\.$"),
        ({"_target_": "torch.nn.Nope"}, r"part\._target_=torch\.nn\.Nope cannot be found: .* PYTHONPATH\."),
        (
            {"_target_": "nope.Nope"},
            r"part\._target_=nope\.Nope cannot be found: No module named 'nope'\. .*",
        ),
        ({"_target_": "os.system"}, r"part\._target_=os\.system is not allowed, because it can run any .*"),
        ({"_target_": "math.pi"}, r"part\._target_=math\.pi is no class or function; .*"),
        ({"_target_": None}, r"part\._target_ must be the dotted name of a class or function, got None\."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_built(value: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}$"):
        check_nodes(value, "part")


@pytest.mark.parametrize(
    "value",
    [
        node(Child, width=None, depth=2, name="y"),
        node(Open, anything=1, goes=[2]),
        node(Untold, value=3),
        node(Holder, parts=[1, "a", node(Open)]),
        {**node(Parent), "_partial_": True},
        {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
        {"_target_": "builtins.dict", "a": 1},
        node(Chained, parents=[node(Child, width=1, depth=1), {**node(Open), "_partial_": True}], columns=[]),
        node(Chained, columns=[{"_target_": "sklearn.pipeline.make_pipeline"}]),
        [node(Parent, depth=1)],
        3,
    ],
)
def test_what_fits_passes(value: Any) -> None:
    check_nodes(value, "part")


def test_the_composed_default_passes() -> None:
    check(compose([]))


def test_a_method_of_another_family_is_refused_with_those_that_fit() -> None:
    fit = fitting(ContrastiveMethod, "trainer.method")
    assert {"simclr", "byol", "column_pairs"} <= set(fit)
    assert "fixmatch" not in fit
    wrong = {"_target_": "torch.nn.Identity"}
    cfg = compose(["trainer=contrastive"])
    cfg.trainer.method = wrong
    with pytest.raises(UserError) as caught:
        check(cfg)
    assert str(caught.value) == (
        "trainer.method must be a ContrastiveMethod, got torch.nn.Identity; there are "
        f"{listed(fit, most=len(fit))}."
    )


def test_a_module_for_a_module_passes() -> None:
    check_nodes({"_target_": "harness.trainer.contrast.metric.Metric", **METHOD}, "trainer.method")
    assert issubclass(nn.CrossEntropyLoss, nn.Module)


METHOD = {"loss": {"_target_": "torch.nn.CrossEntropyLoss"}, "miner": None, "labels": True, "projection": [4]}


class Foreign:
    """Of a library that names a type which it imports for its type checker alone."""

    def __init__(self, trials: int = 3, weights: Unheard | None = None) -> None:  # type: ignore[name-defined]  # noqa: F821
        self.trials = trials
        self.weights = weights


def test_an_annotation_that_does_not_evaluate_leaves_the_others_to_be_checked() -> None:
    given = node(Foreign, trials="few", weights=3)
    with pytest.raises(UserError, match=r"^part\.trials must be a whole number, got 'few'\.$"):
        check_nodes(given, "part")
    check_nodes({**given, "trials": 2}, "part")
