"""The configuration of an evaluation: that of the run, except for the source of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf, open_dict

from harness.bundle.bundle import Bundle
from harness.config.compose import compose_exactly
from harness.config.overrides import Overrides, normalised
from harness.config.text_values import texts_quoted
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.override_text import OverrideText
from harness.runs.setting_effects import effects_of
from harness.runs.stored_run import EVALUATED, StoredRun
from harness.runtime.redact import MASK
from harness.runtime.secret_values import leaves

GROUPS = ("data/extract", "data/load", "evaluate", "tracking")
"""Groups of which an evaluation may take another choice."""

_ROLES = ("kind", "shape", "target", "id", "time")
"""What a model is trained to read and to predict: another source inherits it unless overridden."""


def configured(logged: StoredRun, bundle: Bundle, words: Sequence[str], outputs: str) -> DictConfig:
    """The stored configuration with the words of the command line applied.

    A choice of a group comes from a fresh composition, a value alone changes the stored one. Roles of columns
    that a new source leaves open are those of the run.

    Args:
        outputs: where the evaluation goes, unless a word says otherwise.

    Raises:
        UserError: a word is about something that an evaluation cannot change, or names no setting.
        hydra.errors.HydraException: there is no such choice, or a word is not in Hydra's grammar.
    """
    cfg: DictConfig = logged.config.copy()
    own = [word for word in words if word != "evaluate=auto"]  # the run's own evaluation is it already
    values = _apply(cfg, Overrides.parse(texts_quoted(own, lambda: _with_chosen(cfg, own))))
    if "data.extract" in values:
        _take_roles(cfg, bundle, values)
    _place(cfg, str(values.get("outputs", outputs)), values)
    with open_dict(cfg):
        cfg.name = values.get("name") or f"evaluate-{logged.name}"
        cfg.resume = {"run": None, "allow": []}
        cfg.production = {"ensemble": False, "refit": False}
        cfg.tags[EVALUATED] = logged.mlflow_id or logged.label
        cfg.tags["evaluated.folder"] = str(logged.folder)
    _require_known(cfg, ["data.extract", "tracking", "evaluate", "data.load"])
    return cfg


def touched(words: Sequence[str]) -> list[str]:
    """The keys whose stored value the words replace."""
    return [OverrideText.split(normalised(word)).key.replace("/", ".") for word in words]


def _with_chosen(cfg: DictConfig, words: Sequence[str]) -> DictConfig:
    """A copy of the stored configuration with the parts that the words choose."""
    chosen: DictConfig = cfg.copy()
    _choose(chosen, Overrides.parse(word for word in words if OverrideText.split(word).key in GROUPS))
    return chosen


def _choose(cfg: DictConfig, groups: Overrides) -> None:
    """Replaces parts by fresh choices."""
    fresh = compose_exactly(groups.texts)
    for override in groups:
        key = override.key_or_group.replace("/", ".")
        OmegaConf.update(cfg, key, OmegaConf.select(fresh, key), merge=False, force_add=True)


def _apply(cfg: DictConfig, parsed: Overrides) -> dict[str, Any]:
    """Changes the configuration in place; what was given, by key: a choice by the key of its group."""
    parsed.check_choices()
    for override in parsed:
        if override.is_delete() or override.is_sweep_override():
            _refuse(str(override.input_line), "it takes KEY=VALUE or GROUP=CHOICE")
        _require_open(str(override.key_or_group), str(override.input_line))
    groups = parsed.where(lambda override: override.key_or_group in GROUPS)
    if groups.parsed:
        _choose(cfg, groups)
    given: dict[str, Any] = {o.key_or_group.replace("/", "."): o.value() for o in groups}
    for override in parsed:
        if override.key_or_group not in GROUPS:
            _set(cfg, override.key_or_group, override.value(), override.is_add())
            given[override.key_or_group] = override.value()
    return given


def _require_open(key: str, word: str) -> None:
    # A part is chosen as a group, or changed setting by setting; it is never replaced by a mapping.
    part = key.replace(".", "/") in GROUPS and key not in GROUPS
    if key in GROUPS or (effects_of(key).evaluation and not part):
        return
    allowed = ", ".join([*GROUPS, "name", "outputs", "tags", "report", "trainer.device"])
    _refuse(word, f"the trained model is not changed, and only {allowed} can be given")


def _refuse(word: str, why: str) -> NoReturn:
    raise UserError(
        f"{word} cannot be part of an evaluation: {why}", "for another training leave out `evaluate`"
    )


def _set(cfg: DictConfig, key: str, value: Any, add: bool) -> None:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    known = list(node) if isinstance(node, DictConfig) else []
    if name not in known and not add and not parent.startswith("tags"):
        raise UserError(f"the run has no setting {key}", near(name, [str(entry) for entry in known]))
    OmegaConf.update(cfg, key, value, merge=False, force_add=True)


def _take_roles(cfg: DictConfig, bundle: Bundle, given: dict[str, Any]) -> None:
    """Roles that the new source has no word about."""
    source = cfg.data.extract
    known = {
        "kind": bundle.kind,
        "shape": None if bundle.image is None else list(bundle.image),
        "target": list(bundle.task.columns or bundle.task.classes) if bundle.task.several else None,
        "id": bundle.id,
        "time": bundle.time,
    }
    if not bundle.task.several:
        known["target"] = bundle.config["data"]["extract"].get("target")
    for name in _ROLES:
        # A source of tables in general says "table"; one of a certain data set knows better.
        left_open = name in source and source[name] in (None, "table")
        if left_open and f"data.extract.{name}" not in given and known[name] is not None:
            source[name] = known[name]


def _place(cfg: DictConfig, outputs: str, given: dict[str, Any]) -> None:
    """Everything that lay in the outputs folder of the run lies in that of the evaluation."""
    old = str(cfg.outputs)
    cfg.outputs = outputs
    if "outputs" in cfg.tracking and "tracking.outputs" not in given:
        cfg.tracking.outputs = outputs
    cache = cfg.data.cache
    if isinstance(cache, DictConfig) and cache.get("folder") == f"{old}/cache":
        cache.folder = f"{outputs}/cache"


def _require_known(cfg: DictConfig, places: list[str]) -> None:
    """Whether no masked secret is needed."""
    for place in places:
        plain: Any = OmegaConf.to_container(OmegaConf.select(cfg, place), resolve=False)
        for key, value in leaves(plain):
            if isinstance(value, str) and MASK in value:
                raise UserError(
                    f"{place}.{key} held a secret, which is never stored ({value})",
                    f"give it anew with {place}.{key}=VALUE",
                )
