"""Makes the configuration of a rerun from the stored configuration of a run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.bundle import allowlist
from harness.config.auto_choices import NUMERIC, PASSES, choose_parts
from harness.config.choice_files import CONF, choices, is_group
from harness.config.compose import compose_exactly, compose_to_read
from harness.config.finish_config import chosen
from harness.config.instantiate import target
from harness.config.known_settings import PARTS
from harness.config.overrides import Overrides, as_texts
from harness.config.text_values import texts_quoted
from harness.core.arithmetic_version import EARLIEST
from harness.core.arithmetic_version import KEY as ARITHMETIC
from harness.core.epoch_ranking import KEY as BEST_BY
from harness.core.errors import UserError
from harness.core.fuse_setting import FUSE, OFF
from harness.core.override_text import OverrideText
from harness.replay.rerun_overrides import Words, has, path_of, set_values, without
from harness.runs.setting_effects import groups_without
from harness.runs.stored_run import EVALUATED, StoredRun, changes
from harness.runtime.config_nodes import load_config
from harness.runtime.redact import MASK
from harness.runtime.secret_values import leaves

_FOLLOW = ("model", "data/transform", "data/augment")
"""Groups that `auto` chooses by the kind of the data and the trainer."""


@dataclass(frozen=True)
class Revised:
    """The configuration of a rerun.

    cfg      the configuration; settings that are still `auto` need the rows
    before   the same without the user's overrides
    filled   settings that the stored one lacked, by key, with today's defaults
    notes    sentences about other differences from the stored one
    """

    cfg: DictConfig
    before: DictConfig
    filled: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def require_training(logged: StoredRun) -> None:
    """Refuses a run that trained nothing.

    Raises:
        UserError: it is an evaluation.
    """
    if EVALUATED in logged.tags:
        of = StoredRun(Path(logged.tags["evaluated.folder"])).label
        raise UserError(
            f"{logged.label} is an evaluation of {of} and trained nothing",
            "rerun that one, or repeat this "
            f"one with its own command: {logged.tags.get('command', 'python -m harness evaluate')}",
        )


def revise(logged: StoredRun, words: Words, outputs: Path, allow: Sequence[str] = ()) -> Revised:
    """Returns the stored configuration of a run with the user's changes.

    Settings that affect the results come from it; the folder of the rerun, resuming and the settings of
    sweeps come from the new command.

    Raises:
        UserError: it names a class that is not allowed, an override does not fit it, or a secret is needed.
    """
    stored = logged.config.copy()
    OmegaConf.set_struct(stored, False)
    foreign = allowlist.foreign(logged, outputs)
    if foreign:
        allowlist.check(without(stored, [*words.touched(), *allowlist.NOT_FOREIGN]), allow)
    ours = compose_exactly([])
    notes = _settle(stored, ours, outputs, foreign)
    reference = _as_chosen(stored, logged)
    if not has(stored, ARITHMETIC):
        OmegaConf.update(stored, ARITHMETIC, EARLIEST, force_add=True)
    if not has(stored, FUSE):
        OmegaConf.update(stored, FUSE, OFF, force_add=True)
    filled = _fill(stored, _settings_of_today(), "") | _fill_parts(stored, compose_exactly(reference.texts))
    before = stored.copy()
    if words.groups:
        _choose(stored, words, reference, logged)
    set_values(stored, words.values)
    _follow_monitor(stored, words, logged)
    _require_secrets(_plain(stored, ""))
    return Revised(stored, before, filled, notes)


def quoted_words(logged: StoredRun, words: Sequence[str]) -> list[str]:
    """The words with texts in quotes. The types are those of our choices: a class of a run that came from
    elsewhere is not imported."""

    def chosen() -> DictConfig:
        groups = Overrides.parse(word for word in words if is_group(OverrideText.split(word).key))
        taken = [str(override.key_or_group) for override in groups]
        return compose_exactly([*_as_chosen(logged.config, logged).without(*taken).texts, *groups.texts])

    return texts_quoted(words, chosen)


def _settle(cfg: DictConfig, ours: DictConfig, outputs: Path, foreign: bool) -> list[str]:
    """Replaces the settings that belong to the command and not to the run."""
    old = cfg.get("outputs")
    for key in {*groups_without("rerun"), *(allowlist.NOT_FOREIGN if foreign else ())}:
        OmegaConf.update(cfg, key, _plain(ours, key), merge=False, force_add=True)
    cfg.outputs = str(outputs)
    if foreign:
        return [
            "its configuration was not made here: it is tracked and cached as a run of ours is by default."
        ]
    for key, tail in (("data.cache.folder", "/cache"), ("tracking.outputs", "")):
        if has(cfg, key) and OmegaConf.select(cfg, key) == f"{old}{tail}":
            OmegaConf.update(cfg, key, f"${{outputs}}{tail}", merge=False)
    return []


def _plain(cfg: DictConfig, key: str) -> Any:
    """Returns a node as a plain container with unresolved references; "" is the whole configuration."""
    node = OmegaConf.select(cfg, key) if key else cfg
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def _as_chosen(cfg: DictConfig, logged: StoredRun) -> Overrides:
    """Returns overrides whose composition is as close to the stored configuration as our choices allow."""
    names = {}
    inert = _inert(cfg)
    for part in PARTS:
        group = part.replace(".", "/")
        node = OmegaConf.select(inert, part)
        known = isinstance(node, DictConfig) and isinstance(node.get("_target_"), str)
        name = chosen(inert, group) if known else None
        if name in choices(group) and f"auto.{part}" not in logged.tags:
            names[group] = str(name)
    kind = OmegaConf.select(inert, "data.extract.kind")
    kinds = [] if kind is None else [f"++data.extract.kind={kind}"]
    return Overrides.parse([*as_texts(names), *kinds])


def _inert(cfg: DictConfig) -> DictConfig:
    """Returns a copy without references: an unset variable must not matter if an override replaces it."""

    def still(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: still(value) for key, value in node.items()}
        if isinstance(node, list):
            return [still(value) for value in node]
        return None if isinstance(node, str) and "${" in node else node

    return OmegaConf.create({str(k): still(v) for k, v in dict(_plain(cfg, "")).items()})


def _settings_of_today() -> DictConfig:
    """Returns the settings of conf/config.yaml itself."""
    content = load_config(CONF / "config.yaml")
    assert isinstance(content, DictConfig)
    return OmegaConf.masked_copy(content, [str(k) for k in content if k not in ("defaults", "hydra")])


def _fill(cfg: DictConfig, today: DictConfig, above: str) -> dict[str, Any]:
    """Adds the settings that an earlier version of harness did not have."""
    filled: dict[str, Any] = {}
    content: Any = OmegaConf.to_container(today, resolve=False)
    for name, value in content.items():
        key = f"{above}{name}"
        if not has(cfg, key):
            OmegaConf.update(cfg, key, value, force_add=True)
            filled |= dict(leaves(value, key))
        elif isinstance(value, dict) and value and isinstance(OmegaConf.select(cfg, key), DictConfig):
            filled |= _fill(cfg, today[name], f"{key}.")
    return filled


def _fill_parts(cfg: DictConfig, today: DictConfig) -> dict[str, Any]:
    """Adds the arguments that a part now needs, without those that have a default in the code."""
    filled: dict[str, Any] = {}
    for part in PARTS:
        old, new = OmegaConf.select(cfg, part), OmegaConf.select(today, part)
        if not (isinstance(old, DictConfig) and isinstance(new, DictConfig)):
            continue
        if "_target_" not in old or old["_target_"] != new.get("_target_"):
            continue
        content: Any = OmegaConf.to_container(new, resolve=False)
        for name in _needed(old, part):
            if name in content and name not in old:
                OmegaConf.update(cfg, f"{part}.{name}", content[name], force_add=True)
                filled |= dict(leaves(content[name], f"{part}.{name}"))
    return filled


def _needed(node: DictConfig, key: str) -> Iterator[str]:
    try:
        parameters = inspect.signature(target({"_target_": node["_target_"]}, key)).parameters
    except ValueError:  # written in C
        return
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty:
            yield name


def _choose(cfg: DictConfig, words: Words, reference: Overrides, logged: StoredRun) -> None:
    """Sets the nodes of the chosen groups, and those that `auto` chooses because of them."""
    groups = [override.key_or_group for override in words.groups]
    stored = {override.key_or_group: str(override.value()) for override in reference}
    taken = reference.without(*_FOLLOW)
    kept = taken.without(*groups, *(["data.extract.kind"] if "data/extract" in groups else []))
    before = choose_parts(taken, compose_to_read)
    now = choose_parts(Overrides((*kept, *words.groups)), compose_to_read)
    # A choice that `auto` made is made again; any other choice was the user's and is kept.
    open_ = [group for group in now if group not in groups and stored.get(group) == before.get(group, "")]
    follow = {group: now[group] for group in open_}
    own = {g: stored[g] for g in _FOLLOW if g in stored and g not in (*groups, *follow)}
    named = Overrides((*kept.with_choices(own), *words.groups))
    fresh, base = compose_exactly(named.with_choices(follow).texts), compose_exactly(reference.texts)
    _release(cfg, fresh, logged)
    for override in words.groups:
        node = None if override.package else OmegaConf.select(fresh, path_of(override))
        if OmegaConf.is_config(node) or (override.package is None and has(cfg, path_of(override))):
            OmegaConf.update(cfg, path_of(override), _plain(fresh, path_of(override)), merge=False)
        else:
            _differences(cfg, base, fresh)
    for group, name in follow.items():
        if stored[group] != name:
            path = group.replace("/", ".")
            OmegaConf.update(cfg, path, _plain(fresh, path), merge=False)


def _release(cfg: DictConfig, fresh: DictConfig, logged: StoredRun) -> None:
    """Resets to `auto` what it had chosen from the rows, and the name that was made from them."""
    if "auto.evaluate" in logged.tags:
        OmegaConf.update(cfg, "evaluate", _plain(fresh, "evaluate"), merge=False)
    for key in ("trainer.loss", "trainer.epochs", "trainer.monitor", BEST_BY, NUMERIC, PASSES):
        if f"auto.{key}" in logged.tags and has(cfg, key):
            OmegaConf.update(cfg, key, "auto", merge=False)
    inputs = logged.start["inputs"]
    if inputs and str(cfg.get("name")).endswith(f"-{inputs[0]['name']}"):
        cfg.name = None


def _follow_monitor(cfg: DictConfig, words: Words, logged: StoredRun) -> None:
    """Lets `auto` choose the best epoch's scores again where the user monitors another score."""
    touched = list(words.touched())
    if f"auto.{BEST_BY}" in logged.tags and "trainer.monitor" in touched and BEST_BY not in touched:
        OmegaConf.update(cfg, BEST_BY, "auto", merge=False)


def _differences(cfg: DictConfig, base: DictConfig, fresh: DictConfig) -> None:
    """Sets what a choice that has no place of its own sets."""
    old: Any = OmegaConf.to_container(base, resolve=False)
    new: Any = OmegaConf.to_container(fresh, resolve=False)
    for key, (_, value) in changes(dict(leaves(old)), dict(leaves(new))).items():
        if value != "absent":
            OmegaConf.update(cfg, key, value, force_add=True)


def _require_secrets(content: Any) -> None:
    """Checks that no value is masked: a masked secret cannot be used.

    Raises:
        UserError: a value is masked.
    """
    masked = [key for key, value in leaves(content) if MASK in str(value)]
    if masked:
        keys = " ".join(f"{key}=VALUE" for key in masked)
        what = f"{masked[0]} was" if len(masked) == 1 else f"{', '.join(masked)} were"
        raise UserError(f"{what} secret, and secrets are never stored", f"give {keys}, or '${{oc.env:NAME}}'")
