"""harness/model/pretrained_weights.py"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.model.mlp import MLP
from harness.model.pretrained_weights import load
from harness.model.resnet import ResNet


def mlp(weights: str | None = None, width: int = 4) -> MLP:
    return MLP((3,), widths=[width, 2], dropout=0.0, norm="batch", activation="relu", weights=weights)


def resnet(shape: tuple[int, int, int], stem: Any, weights: str | None = None) -> ResNet:
    return ResNet(
        shape, block="basic", layers=[1, 1, 1, 1], stem=stem, zero_init_residual=False, weights=weights
    )


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def same(first: nn.Module, second: nn.Module) -> bool:
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())


def test_a_safetensors_file_fills_the_model(tmp_path: Path) -> None:
    source = mlp()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert same(mlp(str(tmp_path / "w.safetensors")), source)


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(dict, id="plain"),
        pytest.param(lambda state: {"state_dict": state, "epoch": 3}, id="state_dict"),
        pytest.param(lambda state: {"model": state, "optimizer": {"lr": 0.1}}, id="model"),
        pytest.param(lambda state: prefixed(state, "module."), id="DataParallel"),
        pytest.param(lambda state: {"state_dict": prefixed(state, "model._orig_mod.")}, id="Lightning"),
        pytest.param(
            lambda state: prefixed(state, "model.") | {"loss.weight": torch.ones(2)}, id="with-a-loss-beside"
        ),
    ],
)
def test_a_torch_checkpoint_fills_the_model_however_it_is_wrapped(tmp_path: Path, pack: Any) -> None:
    source = mlp()
    torch.save(pack(source.state_dict()), tmp_path / "w.pt")
    assert same(mlp(str(tmp_path / "w.pt")), source)


@pytest.mark.parametrize("name", ["fc.weight", "head.bias", "heads.head.weight", "classifier.1.weight"])
def test_a_classifier_is_left_out_where_the_model_has_none(tmp_path: Path, name: str) -> None:
    source = mlp()
    torch.save(source.state_dict() | {name: torch.ones(10)}, tmp_path / "w.pt")
    assert same(mlp(str(tmp_path / "w.pt")), source)


def test_a_head_that_the_model_has_is_filled(tmp_path: Path) -> None:
    source, model = (nn.Sequential() for _ in range(2))
    source.add_module("head", nn.Linear(2, 2))
    model.add_module("head", nn.Linear(2, 2))
    torch.save(source.state_dict(), tmp_path / "w.pt")
    load(model, str(tmp_path / "w.pt"))
    assert same(model, source)


def test_counters_of_batches_may_lack_as_in_files_older_than_they_are(tmp_path: Path) -> None:
    source = mlp()
    old = {name: each for name, each in source.state_dict().items() if "num_batches" not in name}
    torch.save(old, tmp_path / "w.pt")
    assert same(mlp(str(tmp_path / "w.pt")), source)


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    source = mlp()
    torch.save(source.state_dict(), tmp_path / "w.pt")
    assert same(mlp("~/w.pt"), source)


def refusal(build: Any) -> str:
    with pytest.raises(UserError) as caught:
        build()
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none.pt")
    assert refusal(lambda: mlp(path)) == (
        f"model.weights must name a file of weights, and there is none at {path}; "
        "give a path that exists, or model.weights=null for random weights."
    )


class Unsafe:
    def __reduce__(self) -> Any:
        return (print, ("this ran on loading",))


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.pt", b"hello world, not weights"), ("empty.pth", b""), ("short.safetensors", b"abc")],
)
def test_an_unreadable_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(lambda: mlp(str(tmp_path / name))) == (
        "model.weights must be a safetensors file or a torch checkpoint of tensors that loads with "
        f"weights_only=True, and {tmp_path / name} is neither; save the network's state_dict() to a new file."
    )


@pytest.mark.parametrize("content", [Unsafe(), [torch.ones(2)], {"epoch": 3}, {1: torch.ones(2)}])
def test_a_pickle_of_anything_but_tensors_by_name_is_refused_and_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any
) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert "or a torch checkpoint of tensors that loads with weights_only=True" in refusal(
        lambda: mlp(str(tmp_path / "w.pt"))
    )
    assert capsys.readouterr().out == ""


def test_a_file_of_another_model_is_refused_with_a_few_names_of_both(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    torch.save({"a": torch.ones(1), "b": torch.ones(1), "c": torch.ones(1), "d": torch.ones(1)}, path)
    assert refusal(lambda: mlp(path)) == (
        "model.weights must hold tensors of this model, such as layers.0.bias, layers.0.weight, "
        f"layers.1.bias and 11 more, and {path} has none of them but a, b, c and 1 more; "
        "choose the model that the file was saved from."
    )


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    state = mlp().state_dict()
    del state["layers.4.bias"]
    torch.save(state, path)
    assert refusal(lambda: mlp(path)) == (
        f"model.weights must hold every tensor of this model, and {path} lacks layers.4.bias; "
        "choose the model and options that the file was saved from."
    )


def test_a_file_with_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    torch.save(mlp().state_dict() | {"layers.8.bias": torch.ones(2)}, path)
    assert refusal(lambda: mlp(path)) == (
        f"model.weights must hold tensors of this model only, and {path} has layers.8.bias; "
        "choose the model and options that the file was saved from."
    )


def test_another_shape_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    torch.save(mlp(width=5).state_dict(), path)
    assert refusal(lambda: mlp(path)) == (
        f"model.weights must have the shapes of this model, and in {path} layers.0.weight is (5, 3) "
        "instead of (4, 3); choose the model and options that the file was saved from."
    )


@pytest.mark.parametrize(("saved", "asked"), [("imagenet", "small"), ("small", "imagenet")])
def test_another_stem_is_refused_with_the_stem_that_fits(tmp_path: Path, saved: str, asked: str) -> None:
    path = str(tmp_path / "w.pt")
    torch.save(resnet((3, 32, 32), saved).state_dict(), path)
    assert refusal(lambda: resnet((3, 32, 32), asked, path)).endswith(f"; set model.stem={saved}.")
    assert same(resnet((3, 32, 32), saved, path), torch_model(path, saved))


def torch_model(path: str, stem: str) -> ResNet:
    model = resnet((3, 32, 32), stem)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model


def test_another_number_of_channels_is_refused_with_the_number_that_fits(tmp_path: Path) -> None:
    path = str(tmp_path / "w.pt")
    torch.save(resnet((3, 32, 32), "small").state_dict(), path)
    message = refusal(lambda: resnet((1, 32, 32), "small", path))
    assert re.search(
        r"conv1\.weight is \(64, 3, 3, 3\) instead of \(64, 1, 3, 3\); give images of 3 channels\.$", message
    )


def test_a_checkpoint_of_another_pickle_protocol_loads_without_a_word(tmp_path: Path) -> None:
    path, saved = tmp_path / "w.pt", mlp().state_dict()
    torch.save(saved, path, pickle_protocol=3)
    torch.testing.assert_close(mlp(str(path)).state_dict(), saved)
