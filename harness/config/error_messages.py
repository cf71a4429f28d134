"""What went wrong, in one sentence and an exit status."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import choices, is_group, yamls
from harness.config.compose import compose
from harness.config.sweep_override_errors import unreadable
from harness.core.errors import (
    Diverged,
    Interrupted,
    OutOfMemory,
    ProcessFailed,
    Unfinished,
    Unproved,
    UserError,
    near,
    sentence,
)

_MOST = 3
"""A message names this many choices that would have a setting."""

_EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Launchers that come with a package of their own, and the extra that brings it."""


def explain(error: BaseException, words: list[str]) -> tuple[int, str, bool]:
    """Exit status, the sentence for the user, and whether the stack of calls belongs beside it."""
    if isinstance(error, Interrupted):
        return 128 + error.signum, "", False
    if isinstance(error, KeyboardInterrupt):
        return 130, "", False
    if isinstance(error, ProcessFailed):
        return error.status, "" if error.reported else f"error: {error}", False
    if isinstance(error, UserError):
        return 2, f"error: {error}", False
    if isinstance(error, HydraException | OmegaConfBaseException) or _raised_by_hydra(error):
        return 2, f"error: {composition(error, words)}", False
    if isinstance(error, Diverged | OutOfMemory | Unproved | Unfinished):
        return 1, f"error: {error}", False
    if isinstance(error, OSError) and error.filename and _before_the_run(error):
        return 2, f"error: {_unwritable(error)}", False
    return 1, f"error: {sentence(f'{type(error).__name__}: {error}')}", True


def composition(error: BaseException, words: list[str]) -> str:
    """Hydra's complaint as rule, value and remedy, with near misses."""
    text = _innermost(error)
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, wrong = error.missing_cfg_file.rpartition("/")
        if group == "hydra/launcher" and wrong in _EXTRAS:
            extra = _EXTRAS[wrong]
            return f"{group}={wrong} is not installed: pip install 'harness[{extra}]'."
        return f"{group} has no choice {wrong!r}; {near(wrong, error.options)}"
    if isinstance(error, OverrideParseException) and "=" not in error.override:
        return _stray(error.override, words)
    if isinstance(error, OverrideParseException) and {"-m", "--multirun"} & set(words):
        return str(unreadable(error.override, text))
    if isinstance(error, OverrideParseException):
        return (
            f"the setting {error.override!r} cannot be read as KEY=VALUE; a text of more than plain letters, "
            "digits and /.-_ stands in quotes within the shell's: \"KEY='a text (1)'\"."
        )
    for pattern, answer in _ANSWERS.items():
        found = re.search(pattern, text)
        if found:
            return answer(found[1], words)
    return sentence(_first_lines(text))


def _stray(word: str, words: list[str]) -> str:
    """A word without `=`, often the rest of a value that the shell took apart at a space."""
    rule = f"the word {word!r} is neither KEY=VALUE nor a verb that stands first"
    key, equals, _ = words[words.index(word) - 1].partition("=") if word in words[1:] else ("", "", "")
    if not equals:
        return f"{rule}."
    return f"{rule}; if it belongs to {key}, the shell needs quotes around the whole: '{key}=A VALUE'."


def _unset(name: str, words: list[str]) -> str:
    return f"the configuration reads the environment variable {name}, which is not set; set it first."


def _without_value(key: str, words: list[str]) -> str:
    return f"{key} has no value yet; give it with {key}=VALUE."


def _ambiguous(word: str, words: list[str]) -> str:
    return (
        f"the setting {word!r} lists several values; run each of them with -m, "
        "or write a list in brackets: KEY=[A,B]."
    )


def _chosen_already(group: str, words: list[str]) -> str:
    return f"{group} has a choice already; replace it with {group}=CHOICE, without a plus."


def _set_already(key: str, words: list[str]) -> str:
    return f"there is a setting {key!r} already; change it without a plus: {key}=VALUE."


def _unknown_key(key: str, words: list[str]) -> str:
    if "/" in key and is_group(key):
        return _foreign_group(key)
    settings = _settings(words, key)
    if settings.get(key) == "mapping":
        return f"{key} takes further settings one by one, with a plus before each: +{key}.NAME=VALUE."
    group, _, leaf = key.rpartition(".")
    room = group.replace(".", "/")
    able = [f"{room}={choice}" for choice, file in _choices(room).items() if _lists(file, leaf)]
    if able:
        more = f" and {len(able) - _MOST} more" if len(able) > _MOST else ""
        have = "has" if len(able) == 1 else "have"
        named = (", " if more else " and ").join(able[:_MOST])
        return f"there is no setting {key!r} with the choice made; {named}{more} {have} it."
    if settings.get(group) == "mapping":
        return f"there is no setting {key!r} yet; add it with a plus before it: +{key}=VALUE."
    if settings.get(group) == "value":
        return f"{group} is one value, without {leaf!r} below it; give it whole: '{group}={{{leaf}: VALUE}}'."
    return f"there is no setting {key!r}; {_near_setting(key, settings)}"


def _near_setting(key: str, settings: dict[str, str]) -> str:
    """The tail of a message: a setting of the same last name, one alike, or what there is beside it."""
    group, _, leaf = key.rpartition(".")
    # What `sweep.space` holds are the keys that were asked for, the wrong one among them.
    known = [
        name
        for name, kind in settings.items()
        if kind == "value" and name != key and not name.startswith("sweep.space.")
    ]
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    if same_leaf:
        return f"did you mean {' or '.join(same_leaf[:3])}?"
    tops = {name.partition(".")[0] for name in settings} - {key}
    close = near(key, {*known, *tops})
    if close.startswith("did"):
        return close
    below = [name[len(group) + 1 :] for name in known if group and name.startswith(f"{group}.")]
    if below:
        return f"{group} has {', '.join(below)}."
    return "`python -m harness --cfg job` prints all there are."


def _choices(room: str) -> dict[str, Path]:
    return yamls(room) if room else {}


def _lists(file: Path, leaf: str) -> bool:
    """Whether the yaml of a choice has a line for that argument."""
    text = file.read_text(encoding="utf-8")
    return re.search(rf"^{re.escape(leaf)}:", text, re.MULTILINE) is not None


def _foreign_group(key: str) -> str:
    """A group that exists, but hangs on another choice than the one made: a method of another trainer."""
    parent, _, leaf = key.rpartition("/")
    owners = [
        f"{parent}={choice}"
        for choice, file in _choices(parent).items()
        if re.search(rf"^\s*- {leaf}:", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    if not owners:
        return f"{key} is a group and takes a choice: {key}={' or '.join(choices(key))}."
    return f"the choice of {parent} made here takes no {key}; it belongs to {' and '.join(owners)}."


def _settings(words: list[str], wrong: str) -> dict[str, str]:
    """Every setting of the configuration without the word that is wrong, as "value" or as "mapping".

    A mapping is one to which settings can be added, such as `tags`.
    """
    others = [word for word in words if "=" in word and not word.lstrip("+~").startswith((wrong, "hydra"))]
    for attempt in (others, [word for word in others if "." not in word.partition("=")[0]], []):
        try:
            cfg = compose(attempt)
        except Exception:
            continue  # another word is wrong as well: look with fewer of them
        return dict(_kinds(OmegaConf.to_container(cfg), ""))
    return {}


def _kinds(node: object, prefix: str) -> Iterable[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if not str(key).startswith("_"):
                yield name, "mapping" if value == {} else "room" if isinstance(value, dict) else "value"
                yield from _kinds(value, name)


_ANSWERS: dict[str, Callable[[str, list[str]], str]] = {
    r"Could not override '([^']+)'": _unknown_key,
    r"Could not delete from config\. '([^']+)'": _unknown_key,
    r"Key '[^']+' is not in struct\s+full_key: (\S+)": _unknown_key,
    r"Environment variable '([^']+)' not found": _unset,
    r"Missing mandatory value: (\S+)": _without_value,
    r"Ambiguous value for argument '([^']+)'": _ambiguous,
    r"An item is already at '([^']+)'": _set_already,
    r"Multiple values for (\S+)\.": _chosen_already,
}
"""What Hydra and OmegaConf say, the interesting part in brackets, and how to say it better."""


def _innermost(error: BaseException) -> str:
    texts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        texts.append(str(error))
    return "\n".join(texts)


def _first_lines(text: str) -> str:
    """Up to the first empty line, with the key in brackets instead of OmegaConf's lines about its types."""
    said = text.split("\n\n")[0].split("\n    full_key: ")[0]
    key = re.search(r"\n    full_key: (\S+)", text)
    return f"{said} (at {key[1]})" if key and key[1] not in said else said


def _raised_by_hydra(error: BaseException) -> bool:
    """Whether Hydra itself ends the stack: it objects to some words with a bare ValueError."""
    trace, module = error.__traceback__, ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    return isinstance(error, ValueError) and module.startswith("hydra.")


def _before_the_run(error: OSError) -> bool:
    """Whether Hydra failed to make the run's folder: the corridor is not on the stack then."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "harness.run":
            return False
        trace = trace.tb_next
    return True


def _unwritable(error: OSError) -> str:
    return (
        f"the folder {error.filename} cannot be written ({error.strerror}); "
        "choose another with outputs=FOLDER or hydra.run.dir=FOLDER."
    )
