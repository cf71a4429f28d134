"""Errors as an exit status and one message; the only reader of Hydra's and OmegaConf's messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import all_groups, choices, config_dir, is_group, yamls
from harness.config.compose import compose
from harness.config.sweep_override_errors import unreadable
from harness.config.yaml_shape import wrong_shape
from harness.core.disk_full import disk_full, full_place
from harness.core.error_text import described
from harness.core.errors import (
    Diverged,
    Interrupted,
    OutOfMemory,
    ProcessFailed,
    SettingOfOtherChoice,
    Unfinished,
    UnknownChoice,
    Unproved,
    Unreadable,
    UserError,
    sentence,
)
from harness.core.near_names import nearest
from harness.core.override_text import OverrideText
from harness.runtime.user_exit import CodeExited, as_error

_EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers that need another package, and the extra that installs it."""


_NAMES_ELSEWHERE = {
    "gpus": "hydra.launcher.gpus",
    "learning_rate": "trainer.optimizer.lr",
    "max_epochs": "trainer.epochs",
    "max_steps": "trainer.steps",
    "n_epochs": "trainer.epochs",
    "n_jobs": "sweep.workers",
    "n_trials": "sweep.trials",
    "num_epochs": "trainer.epochs",
    "num_workers": "data.load.workers",
    "random_seed": "seed",
    "random_state": "seed",
}
"""Names of settings in scikit-learn, Lightning, Optuna and others -> our key."""


def explain(error: BaseException, overrides: list[str]) -> tuple[int, str, bool]:
    """Exit status, the message for the user, and whether the traceback belongs beside it."""
    if isinstance(error, Interrupted):
        return 128 + error.signum, "", False
    if isinstance(error, KeyboardInterrupt):
        return 130, "", False
    if isinstance(error, ProcessFailed):
        return error.status, "" if error.reported else f"error: {error}", False
    if isinstance(shown := as_error(error), CodeExited):
        cause = error.__cause__ or error
        return 1, f"error: {sentence(str(shown))}", not isinstance(cause, CodeExited | SystemExit)
    mistake = as_user_error(error, overrides)
    if mistake is None and disk_full(error):
        place = full_place(error)
        where = f" for {place}" if place else ""
        remedy = "make room; then `resume=RUN` or `resume=auto` completes a run that this has stopped"
        return 1, f"error: the disk has no space, no free inodes or no quota left{where}; {remedy}.", False
    if mistake is not None:
        return 2, f"error: {mistake}", False
    if isinstance(error, Diverged | OutOfMemory | Unproved | Unfinished):
        return 1, f"error: {error}", False
    return 1, f"error: {sentence(described(error))}", True


def as_user_error(error: BaseException, overrides: list[str]) -> UserError | None:
    """Returns the error as a `UserError` with its fields; None if it is not the user's mistake.

    Args:
        overrides: the words of the command line, for suggestions.
    """
    if isinstance(error, UserError):
        return error
    return (
        translated(error, overrides) if isinstance(error, HydraException | OmegaConfBaseException) else None
    )


def translated(error: Exception, overrides: list[str]) -> UserError:
    """Returns an error of Hydra or OmegaConf as rule, value and remedy.

    This is the only place that reads messages: those of Hydra and OmegaConf, which carry no fields.
    """
    with config_dir(_named_config_dir(overrides)):
        return _translated(error, overrides)


def _named_config_dir(words: list[str]) -> str | None:
    """The folder of `--config-dir`, whose files the command has read."""
    for place, word in enumerate(words):
        if word in ("--config-dir", "-cd"):
            return next(iter(words[place + 1 :]), None)
        if word.startswith("--config-dir="):
            return word.partition("=")[2]
    return None


def _translated(error: Exception, overrides: list[str]) -> UserError:
    text = _innermost(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, wrong = error.missing_cfg_file.rpartition("/")
        if group == "hydra/launcher" and wrong in _EXTRAS:
            command = f"pip install 'harness[{_EXTRAS[wrong]}]'"
            return UserError(f"{group}={wrong} is not installed: {command}", key=group, value=wrong)
        return UnknownChoice(group, wrong, error.options)
    if isinstance(error, OverrideParseException):
        if "=" not in error.override:
            return _stray(error.override, overrides)
        of_sweep = {"-m", "--multirun"} & set(overrides) and error.override.partition("=")[0].isascii()
        return unreadable(error.override, text) if of_sweep else Unreadable(error.override)
    misshapen = wrong_shape(overrides, _settings([], ""))
    if misshapen is not None:
        return misshapen
    for pattern, answer in _ANSWERS.items():
        match = re.search(pattern, text)
        if match:
            return answer(match[1], overrides)
    return UserError(sentence(_first_lines(text)))


def _stray(word: str, overrides: list[str]) -> UserError:
    """The error for a word without `=`, often the rest of a value that the shell split at a space."""
    rule = f"the word {word!r} is neither KEY=VALUE nor a verb at the beginning"
    before = OverrideText.split(overrides[overrides.index(word) - 1] if word in overrides[1:] else "")
    if before.value is None:
        return UserError(rule, value=word)
    key = f"{before.sign}{before.key}"
    remedy = f"if it belongs to {key}, the shell needs quotes around the whole: '{key}=A VALUE'"
    return UserError(rule, remedy, key=before.key, value=word)


def _unset(name: str, overrides: list[str]) -> UserError:
    rule = f"the configuration reads the environment variable {name}, which is not set"
    return UserError(rule, "set it first", key=name)


def _unresolved(name: str, overrides: list[str]) -> UserError:
    reference = f"${{{name}}}"
    within = [word for word in overrides if reference in word]
    rule = f"{within[0] if within else 'a setting'} refers to the setting {name!r}, which does not exist"
    settings = _settings([word for word in overrides if word not in within], name)
    if name in settings:
        remedy = f"leave out the override that deletes {name}"
    else:
        remedy = f"{_near_setting(name, settings)} Within a text, \\{reference} is no reference"
    return UserError(rule, remedy, key=OverrideText.split(within[0]).key if within else name, value=name)


def _unknown_resolver(name: str, overrides: list[str]) -> UserError:
    within = next((word for word in overrides if f"${{{name}:" in word), "a setting")
    rule = f"{within} calls the resolver {name!r}, which does not exist"
    return UserError(rule, "${oc.env:NAME} reads an environment variable", value=name)


def _without_value(key: str, overrides: list[str]) -> UserError:
    return UserError(f"{key} has no value yet", f"give it with {key}=VALUE", key=key)


def _ambiguous(text: str, overrides: list[str]) -> UserError:
    rule = f"the setting {text!r} lists several values"
    return UserError(rule, "run each of them with -m, or write a list in brackets: KEY=[A,B]", value=text)


def _chosen_already(group: str, overrides: list[str]) -> UserError:
    rule = f"{group} has a choice already"
    if any(text.sign and text.key == group for text in map(OverrideText.split, overrides)):
        return UserError(rule, f"replace it with {group}=CHOICE, without a plus", key=group)
    remedy = f"write `override /{group}: CHOICE` in the defaults list of the yaml file that names another"
    return UserError(rule, remedy, key=group)


def _set_already(key: str, overrides: list[str]) -> UserError:
    remedy = f"change it without a plus: {key}=VALUE"
    return UserError(f"there is a setting {key!r} already", remedy, key=key)


def _no_item(key: str, overrides: list[str]) -> UserError:
    remedy = f"replace one of its items with {key}.0=VALUE, or give it whole: '{key}=[A,B]'"
    return UserError(f"{key} is a list, and there is no such item in it", remedy, key=key)


def _unknown_key(key: str, overrides: list[str]) -> UserError:
    if "/" in key and is_group(key):
        return _foreign_group(key)
    if group := _meant_group(key, overrides):
        rule = f"{key} is a part of a group's name" if is_group(key) else f"there is no setting {key!r}"
        return UserError(rule, f"did you mean {group}?", key=key)
    settings = _settings(overrides, key)
    if settings.get(key) == "mapping":
        rule = f"{key} takes further settings one by one, with a plus before each: +{key}.NAME=VALUE"
        return UserError(rule, key=key)
    if settings.get(key) == "value":  # Hydra says of null, too, that it does not exist
        return UserError(f"{key} is null, and cannot be deleted", f"leave out ~{key}", key=key)
    group, _, leaf = key.rpartition(".")
    path = group.replace(".", "/")
    owners = [choice for choice, file in _choices(path).items() if _lists(file, leaf)]
    if owners:
        return SettingOfOtherChoice(key, path, owners)
    if settings.get(group) == "mapping":
        remedy = f"add it with a plus before it: +{key}=VALUE"
        return UserError(f"there is no setting {key!r} yet", remedy, key=key)
    if settings.get(group) == "value":
        remedy = f"give it whole: '{group}={{{leaf}: VALUE}}'"
        return UserError(f"{group} is one value, without {leaf!r} below it", remedy, key=key)
    return UserError(f"there is no setting {key!r}", _near_setting(key, settings), key=key)


def _meant_group(key: str, overrides: list[str]) -> str:
    """Groups that a key without a slash may mean, with its value: `data/extract=iris` for `data=iris`."""
    typed = (OverrideText.split(word) for word in overrides)
    values = [text.value for text in typed if text.key == key and text.value]
    groups = [name for name in all_groups() if key in (name.partition("/")[0], name.rpartition("/")[2])]
    return " or ".join(
        f"{name}={value}"
        for name in groups
        for value in values
        if name != key and set(value.split(",")) <= {*choices(name)}
    )


def _near_setting(key: str, settings: dict[str, str]) -> str:
    """The remedy: a setting with the same last name, one with a similar name, or those beside it."""
    group, _, leaf = key.rpartition(".")
    # `sweep.space` holds the keys as typed, the wrong one among them.
    known = [
        name
        for name, kind in settings.items()
        if kind == "value" and name != key and not name.startswith("sweep.space.")
    ]
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    if same_leaf:
        return f"did you mean {' or '.join(same_leaf[:3])}?"
    tops = {name.partition(".")[0] for name in settings} - {key}
    if ours := _NAMES_ELSEWHERE.get(leaf):
        return f"did you mean {ours}?"
    close = nearest(key, {*known, *tops})
    if close:
        return f"did you mean {' or '.join(close)}?"
    below = [name[len(group) + 1 :] for name in known if group and name.startswith(f"{group}.")]
    if below:
        return f"{group} has {', '.join(below)}."
    return "`python -m harness --cfg job` prints all settings."


def _choices(group: str) -> dict[str, Path]:
    return yamls(group) if group else {}


def _lists(file: Path, leaf: str) -> bool:
    """Whether the yaml of a choice has a line for that argument."""
    text = file.read_text(encoding="utf-8")
    return re.search(rf"^{re.escape(leaf)}:", text, re.MULTILINE) is not None


def _foreign_group(key: str) -> UserError:
    """The error for a group of another choice than the one made, such as a method of another trainer."""
    parent, _, leaf = key.rpartition("/")
    owners = [
        f"{parent}={choice}"
        for choice, file in _choices(parent).items()
        if re.search(rf"^\s*- {leaf}:", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    if not owners:
        named = " or ".join(choices(key))
        return UserError(f"{key} is a group and takes a choice: {key}={named}", key=key)
    rule = f"the chosen {parent} has no {key}"
    return UserError(rule, f"it belongs to {' and '.join(owners)}", key=key)


def _settings(overrides: list[str], wrong: str) -> dict[str, str]:
    """Every setting of the configuration without the wrong override, as "value" or as "mapping".

    A mapping is one to which settings can be added, such as `tags`.
    """
    others = [
        word for word in overrides if "=" in word and not word.lstrip("+~").startswith((wrong, "hydra"))
    ]
    groups = [word for word in others if "." not in OverrideText.split(word).key]
    for tried in (others, groups, []):
        try:
            cfg = compose(tried)
        except Exception:
            continue  # another override is wrong as well: compose with fewer of them
        return dict(_kinds(OmegaConf.to_container(cfg), ""))
    return {}


def _kinds(node: object, prefix: str) -> Iterable[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if not str(key).startswith("_"):
                yield name, "mapping" if value == {} else "node" if isinstance(value, dict) else "value"
                yield from _kinds(value, name)


_ANSWERS: dict[str, Callable[[str, list[str]], UserError]] = {
    r"Could not override '([^']+)'": _unknown_key,
    r"Could not delete from config\. '([^']+)'": _unknown_key,
    r"Key '[^']+' is not in struct\s+full_key: (\S+)": _unknown_key,
    r"Environment variable '([^']+)' not found": _unset,
    r"Interpolation key '([^']+)' not found": _unresolved,
    r"Unsupported interpolation type (\S+)": _unknown_resolver,
    r"Missing mandatory value: (\S+)": _without_value,
    r"Ambiguous value for argument '([^']+)'": _ambiguous,
    r"An item is already at '([^']+)'": _set_already,
    r"Multiple values for (\S+)\.": _chosen_already,
    r"list index out of range\s+full_key: (\S+)\[\d+\]": _no_item,
    r"Index '[^']*' \(str\) is not an int\s+full_key: (\S+)\.[^.\s]+": _no_item,
}
"""Patterns of Hydra's and OmegaConf's messages, with the key or value in brackets -> maker of the error."""


def _innermost(error: BaseException) -> str:
    texts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        texts.append(str(error))
    return "\n".join(texts)


def _first_lines(text: str) -> str:
    """Up to the first empty line, with the key in brackets instead of OmegaConf's lines about its types."""
    message = text.split("\n\n")[0].split("\n    full_key: ")[0]
    key = re.search(r"\n    full_key: (\S+)", text)
    return f"{message} (at {key[1]})" if key and key[1] not in message else message
