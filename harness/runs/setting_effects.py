"""What each setting affects: scores, resuming, the name of a sweep, reruns and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal


@dataclass(frozen=True)
class Effects:
    """The defaults are those of a setting of an experiment's parts, such as `model.widths`.

    scores       whether a score may depend on it: `compare` shows it, and a rerun with another value is not
                 expected to give equal scores
    resume       whether a resumed run must have the same value; checkpoints store a digest of these settings
    names_sweep  whether an override of it makes another sweep: part of the digest in the sweep's folder name
    rerun        whether a rerun takes it from the stored run; otherwise from the new command
    foreign      whether it may be taken from a configuration that was made elsewhere
    evaluation   whether an evaluation of a stored model may change it
    """

    scores: bool = True
    resume: bool = True
    names_sweep: bool = True
    rerun: bool = True
    foreign: bool = True
    evaluation: bool = False


_PART = Effects()
_READ_ANEW = Effects(evaluation=True)
_LABEL = Effects(scores=False, evaluation=True)
_KEPT_BESIDE = Effects(scores=False, resume=False, names_sweep=False)
_OF_COMMAND = Effects(scores=False, resume=False, names_sweep=False, rerun=False, foreign=False)
# Overrides of `sweep` define the search, except for those of its length and its resources, listed below.
_SEARCH = Effects(scores=False, resume=False, rerun=False, foreign=False)

EFFECTS: dict[str, Effects] = {
    "seed": _PART,
    "data": _PART,
    "data.extract": _READ_ANEW,
    "data.load": _READ_ANEW,
    "data.cache": Effects(scores=False, resume=False, names_sweep=False, foreign=False, evaluation=True),
    "split": _PART,
    # A run keeps its scores when the seal is opened.
    "split.sealed": _KEPT_BESIDE,
    "pretrain": _PART,
    "model": _PART,
    "trainer": _PART,
    "trainer.device": _READ_ANEW,
    "evaluate": _READ_ANEW,
    "evaluate.importance": Effects(scores=False, resume=False, names_sweep=False, evaluation=True),
    "callbacks": _KEPT_BESIDE,
    "fuse": _PART,
    "debug": _PART,
    # A resumed run keeps its name, its tags and its run in MLflow.
    "name": _LABEL,
    "tags": _LABEL,
    "tracking": Effects(scores=False, names_sweep=False, foreign=False, evaluation=True),
    "tracking.outputs": Effects(
        scores=False, resume=False, names_sweep=False, foreign=False, evaluation=True
    ),
    "outputs": Effects(
        scores=False, resume=False, names_sweep=False, rerun=False, foreign=False, evaluation=True
    ),
    "report": Effects(scores=False, resume=False, names_sweep=False, evaluation=True),
    "baseline": Effects(scores=False, resume=False, names_sweep=False, evaluation=True),
    "checkpoint": _KEPT_BESIDE,
    "production": _KEPT_BESIDE,
    "production.calibrate": _PART,
    "harness": _KEPT_BESIDE,
    "hydra": _KEPT_BESIDE,
    "resume": _OF_COMMAND,
    "sweep": _SEARCH,
    **{
        f"sweep.{name}": _OF_COMMAND
        for name in (
            *("name", "trials", "hours", "stagnation", "workers", "storage", "test", "keep", "predictions"),
            *("extendable", "budget", "until", "price_hour", "price_kwh", "currency"),
            *("retries", "fail_fast", "failures", "timeout", "recycle", "isolate", "lease", "patience"),
        )
    },
}
"""The effects by setting or group of settings; the longest key that matches is used."""


@cache  # every run looks up the same few hundred keys
def effects_of(key: str) -> Effects:
    """Returns the effects of a dotted key; a key that is not listed has the defaults."""
    words = key.split(".")
    places = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((EFFECTS[place] for place in places if place in EFFECTS), _PART)


def affecting_scores(texts: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings, as text by dotted key, on which scores may depend."""
    return {key: text for key, text in texts.items() if effects_of(key).scores}


def fixed_on_resume(texts: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings that must be the same in a resumed run."""
    return {key: text for key, text in texts.items() if effects_of(key).resume}


def groups_without(effect: Literal["rerun", "foreign"]) -> list[str]:
    """Returns the settings, or whole groups of them, that do not have an effect."""
    groups = [key for key, effects in EFFECTS.items() if not getattr(effects, effect)]
    return [key for key in groups if not below(key, [other for other in groups if other != key])]


def below(key: str, groups: Iterable[str]) -> bool:
    """Whether a dotted key is one of the groups, or belongs to one."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)
