from types import SimpleNamespace
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from harness.record.compatibility import changed_settings


@pytest.mark.parametrize(
    ("stored", "same"),
    [
        ("https://h/x?tenant=***&page=1", True),
        ("https://h/x?tenant=ab&page=1", True),  # as a version wrote it that masked passwords alone
        ("https://h/y?tenant=ab&page=1", False),
    ],
)
def test_what_an_earlier_version_did_not_mask_is_no_change(stored: str, same: bool) -> None:
    cfg = OmegaConf.create(
        {"data": {"extract": {"url": "https://h/x?tenant=ab&page=1"}}, "resume": {"allow": []}}
    )
    past, plan = SimpleNamespace(settings={"data.extract.url": stored}), SimpleNamespace(cfg=cfg)
    found = changed_settings(cast(Any, past), cast(Any, plan))
    assert ("data.extract.url" not in found) is same


@pytest.mark.parametrize(("value", "same"), [(None, True), ("benign", False)])
def test_an_argument_that_the_run_did_not_have_yet_is_as_its_default(value: str | None, same: bool) -> None:
    node = {"_target_": "harness.data.extract.bundled.Bundled", "positive": value, "name": "breast_cancer"}
    cfg = OmegaConf.create({"data": {"extract": node}, "resume": {"allow": []}})
    stored = {"data.extract._target_": node["_target_"], "data.extract.name": "breast_cancer"}
    past, plan = SimpleNamespace(settings=stored), SimpleNamespace(cfg=cfg)
    found = changed_settings(cast(Any, past), cast(Any, plan))
    assert found == ({} if same else {"data.extract.positive": ("None", "benign")})
