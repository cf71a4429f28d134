"""harness/model/timm.py, with stand-ins for the library: it is optional and imports torchvision."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.model.timm import Timm


class Network(nn.Module):
    """As timm's: `num_features` channels are pooled when it has no classes."""

    num_features = 5

    def __init__(self, in_chans: int, img_size: int = 224) -> None:
        super().__init__()
        self.img_size = img_size
        self.stem = nn.Conv2d(in_chans, 5, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.stem(images).mean(dim=(2, 3))


class WideHead(Network):
    head_hidden_size = 9


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A library of two networks; the list fills with the keywords of `create_model`."""
    seen: list[dict[str, Any]] = []

    def create_model(name: str, pretrained: bool, num_classes: int, **options: Any) -> nn.Module:
        seen.append({"name": name, "pretrained": pretrained, "num_classes": num_classes, **options})
        return {"resnet18": Network, "mobilenetv3": WideHead}[name.split(".")[0]](**options)

    library = ModuleType("timm")
    library.list_models = lambda: ["resnet18", "mobilenetv3"]  # type: ignore[attr-defined]
    library.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", library)
    return seen


def refusal(name: str = "resnet18", options: dict[str, Any] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        Timm((3, 8, 8), name=name, options=options or {})
    return str(caught.value)


def test_the_network_has_no_classes_the_channels_of_the_images_and_no_download(
    calls: list[dict[str, Any]],
) -> None:
    model = Timm((2, 8, 8), name="resnet18", options={"img_size": 8})
    images = torch.randn(4, 2, 8, 8)
    assert calls == [
        {"name": "resnet18", "pretrained": False, "num_classes": 0, "in_chans": 2, "img_size": 8}
    ]
    assert model.width == 5
    assert torch.equal(model(images), model.model(images))


def test_a_tag_after_the_name_is_let_through(calls: list[dict[str, Any]]) -> None:
    Timm((3, 8, 8), name="resnet18.a1_in1k", options={})
    assert calls[0]["name"] == "resnet18.a1_in1k"


@pytest.mark.usefixtures("calls")
def test_the_width_is_that_before_the_classifier_where_it_differs_from_the_features() -> None:
    assert Timm((3, 8, 8), name="mobilenetv3", options={}).width == 9


@pytest.mark.usefixtures("calls")
def test_weights_have_the_names_of_the_library_and_lose_their_classifier(tmp_path: Path) -> None:
    source = Network(3)
    torch.save(source.state_dict() | {"fc.weight": torch.ones(10, 5)}, tmp_path / "w.pt")
    model = Timm((3, 8, 8), name="resnet18", options={}, weights=str(tmp_path / "w.pt"))
    assert torch.equal(model.model.stem.weight, source.stem.weight)


@pytest.mark.usefixtures("calls")
def test_an_unknown_name_is_refused_with_near_names_or_the_list() -> None:
    assert refusal("resnet81") == (
        "model.name must be a model of timm, and 'resnet81' is none; did you mean resnet18?"
    )
    assert refusal("zzz").endswith("'zzz' is none; timm.list_models() gives the names.")


@pytest.mark.usefixtures("calls")
def test_an_unknown_option_is_refused_with_timms_message() -> None:
    message = refusal(options={"depth": 3})
    assert message.startswith(
        "model.options must be keywords of timm's resnet18, and it refuses {'depth': 3} ("
    )
    assert message.endswith("unexpected keyword argument 'depth'); take out what it does not know.")


def test_an_absent_timm_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert refusal() == (
        "model=timm needs the package timm, which is not installed; "
        "install it with: pip install 'harness[timm]'."
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "RuntimeError: operator torchvision::nms does not exist",
        ),
        ("import absent_torchvision", "ModuleNotFoundError: No module named 'absent_torchvision'"),
    ],
)
def test_a_timm_that_breaks_when_imported_is_distinguished_from_an_absent_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "timm.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    assert refusal() == (
        f"model=timm needs the package timm, and importing it fails ({reason}); "
        "install a torchvision that was built for this torch, or choose another model."
    )
