from types import SimpleNamespace
from typing import Any, cast

import pytest
from omegaconf import DictConfig, OmegaConf

from harness.record.compatibility import changed_settings


def changed(stored: dict[str, str], cfg: DictConfig, table: str = "new", **chosen: str) -> dict[str, Any]:
    """What differs from a run of the table "old"."""
    past = SimpleNamespace(settings=stored, start={"tags": {"data.digest": "old"}})
    plan = SimpleNamespace(cfg=cfg, chosen=chosen, table=SimpleNamespace(digest=table))
    return changed_settings(cast(Any, past), cast(Any, plan))


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
    found = changed({"data.extract.url": stored}, cfg)
    assert ("data.extract.url" not in found) is same


@pytest.mark.parametrize(("value", "same"), [(None, True), ("benign", False)])
def test_an_argument_that_the_run_did_not_have_yet_is_as_its_default(value: str | None, same: bool) -> None:
    node = {"_target_": "harness.data.extract.bundled.Bundled", "positive": value, "name": "breast_cancer"}
    cfg = OmegaConf.create({"data": {"extract": node}, "resume": {"allow": []}})
    stored = {"data.extract._target_": node["_target_"], "data.extract.name": "breast_cancer"}
    found = changed(stored, cfg)
    assert found == ({} if same else {"data.extract.positive": ("None", "benign")})


@pytest.mark.parametrize(("table", "same"), [("old", True), ("new", False)])
def test_settings_of_the_extraction_may_differ_where_the_table_is_the_same(table: str, same: bool) -> None:
    cfg = OmegaConf.create({"data": {"extract": {"missing": [], "trim": True}}, "resume": {"allow": []}})
    found = changed({"data.extract.missing": "['NA']"}, cfg, table)
    assert found == (
        {} if same else {"data.extract.missing": ("['NA']", "[]"), "data.extract.trim": ("absent", "True")}
    )


def test_a_value_that_was_left_to_the_data_and_is_stored_now_is_no_change() -> None:
    cfg = OmegaConf.create({"data": {"transform": {"size": [8, 8]}}, "resume": {"allow": []}})
    size = {"data.transform.size": "[8, 8]"}
    assert changed({"data.transform.size": "None"}, cfg, **size) == {}
    assert changed({"data.transform.size": "[4, 4]"}, cfg, **size) == {
        "data.transform.size": ("[4, 4]", "[8, 8]")
    }
