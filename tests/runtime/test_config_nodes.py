from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf, ReadonlyConfigError
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import CONF
from harness.runtime.config_nodes import copied, load_config, load_plain, put


def test_every_yaml_of_ours_is_read_as_omegaconf_reads_it() -> None:
    files = sorted(CONF.rglob("*.yaml"))
    assert len(files) > 100
    for file in files:
        ours, theirs = load_config(file), OmegaConf.load(file)
        assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(theirs), file
        assert type(ours) is type(theirs)
        assert load_plain(file) == OmegaConf.to_container(theirs), file


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1e-3\nb: 1.e3\nc: .5\nd: 1_000\ne: 0x1f\nf: 012\ng: 1:30",
        "a: 2024-01-01\nb: yes\nc: ~\nd: '1'\ne: nan\nf: -.inf\ng: 1e5",
        "a: ${b}\nb: [1, {c: ü}]\nd: ???\n? 3\n: x",
        "[1, two]",
        "a string",
    ],
)
def test_values_and_keys_mean_what_they_mean_to_omegaconf(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    theirs = OmegaConf.load(file)
    assert OmegaConf.to_yaml(load_config(file)) == OmegaConf.to_yaml(theirs)
    assert repr(load_plain(file)) == repr(OmegaConf.to_container(theirs))


@pytest.mark.parametrize("text", ["a: ${", "a: !!binary YQ==", "? [1]\n: 2", "a: !!set {b}"])
def test_what_is_no_configuration_is_refused_as_omegaconf_does(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    ends = []
    for load in (OmegaConf.load, load_config, load_plain):
        try:
            loaded = load(file)
            ends.append(OmegaConf.to_container(loaded) if OmegaConf.is_config(loaded) else loaded)
        except (OmegaConfBaseException, yaml.YAMLError) as error:
            ends.append((type(error), str(error)))
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize(
    "text", ["a: [1\nb: 2", "\ta: 1", "a: 'x", "a: 1\na: 2", "a: b: c", "!!python/name:os.system"]
)
def test_a_fault_of_the_text_has_the_message_of_omegaconf(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(yaml.YAMLError) as theirs:
        OmegaConf.load(file)
    with pytest.raises(type(theirs.value)) as ours:
        load_config(file)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 50_000 + "]" * 50_000,
        "a: " + "{b: " * 50_000 + "}" * 50_000,
        "- " * 50_000 + "a",
        "? " * 50_000 + "a",
        "\n".join(" " * level + "a:" for level in range(3_000)),
        "\n".join(" " * level + "- [" for level in range(400)),
        "\n".join(" " * level + "a: {b: " for level in range(400)),
    ],
    ids=["lists", "mappings", "dashes", "keys", "indentation", "lists within lines", "mappings within lines"],
)
def test_no_depth_ends_the_process(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((RecursionError, yaml.YAMLError)):
        load_config(file)


CONTENTS = [None, True, 1, 1.0, "a", "${lr}", "???", [1, {"b": "${lr}"}], {}, {"b": {"c": "${.d}", "d": 2}}]


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
def test_what_is_put_into_a_configuration_is_what_omegaconf_makes_of_it(content: object) -> None:
    for before in CONTENTS:
        theirs = OmegaConf.create({"lr": 0.1, "part": {"value": before, "other": 1}})
        theirs.part.value = content
        first, second = (
            OmegaConf.create({"lr": lr, "part": {"value": before, "other": 1}}) for lr in (0.1, 0.2)
        )
        for ours in (first, second):
            put(ours.part, "value", content)
        assert OmegaConf.to_yaml(first) == OmegaConf.to_yaml(theirs)
        assert repr(first._get_node("part")) == repr(theirs._get_node("part"))
        theirs.lr = 0.2  # references lead to the values of the own configuration
        assert OmegaConf.to_container(second.part, resolve=True) == OmegaConf.to_container(
            theirs.part, resolve=True
        )
        node, expected = (cfg.part._get_node("value") for cfg in (second, theirs))
        assert type(node) is type(expected)
        assert node._get_full_key("") == expected._get_full_key("") == "part.value"
        again = copied(second)
        if isinstance(content, dict):
            second.part.value.b = 3  # the next one does not have it
            assert again.part.value != second.part.value
        put(again.part, "value", content)
        assert again == theirs


def test_a_missing_key_is_added_and_a_read_only_configuration_refuses_both() -> None:
    cfg = OmegaConf.create({"a": 1})
    OmegaConf.set_struct(cfg, True)
    put(cfg, "b", 2)
    assert cfg == {"a": 1, "b": 2}
    OmegaConf.set_readonly(cfg, True)
    for key in ("a", "c"):
        with pytest.raises(ReadonlyConfigError):
            put(cfg, key, 3)


def test_a_changed_copy_leaves_the_original_and_other_copies_as_they_were() -> None:
    original = OmegaConf.create({"a": {"b": 1, "c": [2, {"d": 3}]}, "e": "${a.b}"})
    text = OmegaConf.to_yaml(original)
    one, other = copied(original), copied(original)
    one.a.b = {"f": 4}
    one.a.pop("c")
    one.e = 5
    other.a.c.pop(0)
    other.a.c[0].d = None
    other.a.b = "text"
    OmegaConf.set_readonly(other.a, True)
    with pytest.raises(ReadonlyConfigError):
        other.a.b = 6
    assert OmegaConf.to_yaml(original) == text
    assert one == {"a": {"b": {"f": 4}}, "e": 5}
    assert other == {"a": {"b": "text", "c": [{"d": None}]}, "e": "text"}
    one.a.b = 7
    assert one.a._get_node("b")._get_full_key("") == "a.b"
    assert copied(one) == one
