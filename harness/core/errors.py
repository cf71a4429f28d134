"""Errors that end a command on purpose, and the sentences that describe them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import UnionType
from typing import Any, Union, get_args, get_origin

from harness.core.error_text import described, error_text
from harness.core.name_list import listed
from harness.core.near_names import near


class UserError(Exception):
    """The request cannot be carried out: one sentence with the rule, the value that broke it, the remedy.

    The command line prints the sentence, exits with status 2 and leaves no folder and no MLflow run.
    A kind of error on which code decides, or that is raised in several places, is a subclass with fields of
    its own; its `rule` and `remedy` follow from them. No code reads the sentence.

    Args:
        rule: what must hold, with the value that was found; no full stop.
        remedy: what to do about it; no full stop. "": the rule says it.
        key: the setting, option or file that the error is about, such as `trainer.optimizer.lr`.
        value: the value that broke the rule.
    """

    def __init__(self, rule: str, remedy: str = "", *, key: str | None = None, value: object = None) -> None:
        super().__init__(rule, remedy)
        self.rule, self.remedy = rule, remedy
        self.key, self.value = key, value

    def __str__(self) -> str:
        text = f"{self.rule}; {self.remedy}" if self.remedy else self.rule
        return text if text.endswith((".", "!", "?", ".)")) else f"{text}."

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the fields, whatever the constructor of a subclass takes."""
        return _restored, (type(self), *self.args), vars(self)

    def with_remedy(self, remedy: str) -> UserError:
        """The same error with a remedy after its own."""
        return _copied(self, remedy=f"{self.remedy.removesuffix('.')}; {remedy}" if self.remedy else remedy)

    def with_end(self, text: str) -> UserError:
        """The same error with a text behind its last sentence."""
        if self.remedy:
            return _copied(self, remedy=f"{self.remedy.removesuffix('.')}{text}")
        return _copied(self, rule=f"{self.rule.removesuffix('.')}{text}")

    def with_rule(self, rule: str) -> UserError:
        """The same error with another rule, such as its own with a place in front."""
        return _copied(self, rule=rule)

    def below(self, part: str, place: str) -> UserError:
        """The same error with its keys below `place` instead of `part`.

        A splitter always names `split.folds`; as the outer one of a nested split, its key is
        `split.outer.folds`, and its choice is `split@split.outer=NAME`.
        """

        def placed(text: str) -> str:
            text = re.sub(rf"\b{re.escape(part)}\.(?=\w)", f"{place}.", text)
            return re.sub(rf"\b{re.escape(part)}=", f"{part}@{place}=", text)

        key = None if self.key is None else placed(self.key)
        return _copied(self, rule=placed(self.rule), remedy=placed(self.remedy), key=key)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the stack of calls."""
        return [f"error: {self}"]


def _restored(kind: type[UserError], *arguments: str) -> UserError:
    return kind.__new__(kind, *arguments)


def _copied(error: UserError, **fields: object) -> UserError:
    made = _restored(type(error), *error.args)
    vars(made).update(vars(error) | fields)
    made.args = (made.rule, made.remedy)
    return made


class UnknownName(UserError):
    """A name that is not among those that are known; the remedy offers the nearest of them.

    Args:
        rule: what the name should be one of, with the name.
        name: what was given.
        known: the names that there are.
        hint: one more sentence behind the nearest names, with its full stop.
        key: as for `UserError`.
    """

    def __init__(
        self, rule: str, name: str, known: Iterable[str], *, hint: str = "", key: str | None = None
    ) -> None:
        names = tuple(known)
        nearest = near(name, names)
        super().__init__(rule, f"{nearest} {hint}".strip(), key=key, value=name)
        self.name, self.known = name, names


class UnknownSetting(UnknownName):
    """No setting has this key.

    Args:
        key: the whole key, such as `sweep.trails`.
        known: keys, or last parts of keys, that exist.
        of: what has no such setting, such as `the run`.
    """

    def __init__(self, key: str, known: Iterable[str], of: str = "") -> None:
        names = tuple(known)
        name = key if key in names or any("." in other for other in names) else key.rpartition(".")[2]
        rule = f"{of} has no setting {key!r}" if of else f"there is no setting {key!r}"
        super().__init__(rule, name, names, key=key)


class UnknownChoice(UnknownName):
    """A group has no choice of this name."""

    def __init__(self, group: str, name: str, choices: Iterable[str]) -> None:
        super().__init__(f"{group} has no choice {name!r}", name, choices, key=group)
        self.group, self.choices = group, self.known


class SettingOfOtherChoice(UserError):
    """A setting that the choice made does not have, and that others of its group have.

    Args:
        key: the setting, such as `model.depth`.
        group: the group of the choice, such as `model`.
        choices: those that have the setting.
    """

    def __init__(self, key: str, group: str, choices: Iterable[str]) -> None:
        able = [f"{group}={choice}" for choice in choices]
        have = f"{listed(able, _MOST_OWNERS)} {'has' if len(able) == 1 else 'have'} it"
        super().__init__(f"there is no setting {key!r} with the choice made", have, key=key)
        self.group, self.choices = group, tuple(choices)


class MissingSetting(UserError):
    """A setting without which there is no run is not in the configuration."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the setting {key} is missing", "remove the override that deletes or replaces it", key=key
        )


class WrongType(UserError):
    """A value that does not fit the annotation of its setting.

    Args:
        key: the setting.
        hint: the annotation.
        described: the annotation in words, such as `a whole number`.
        shown: the value as yaml writes it.
        remedy: what to write instead, where that is known.
    """

    def __init__(
        self, key: str, value: object, hint: object, described: str, shown: str, remedy: str = ""
    ) -> None:
        super().__init__(f"{key} must be {described}, got {shown}", remedy, key=key, value=value)
        self.hint = hint
        # Members of a union, such as int | Literal["auto"] | None; a list of whole numbers is none.
        members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        self.whole_number = int in members and float not in members

    def __reduce__(self) -> tuple[Any, ...]:
        """Leaves out the annotation and the value: not every object can be pickled."""
        fields = vars(self) | {"hint": None, "value": None}
        return _restored, (type(self), *self.args), fields


class Unreadable(UserError):
    """An override that is not in Hydra's grammar."""

    def __init__(self, text: str) -> None:
        key = text.partition("=")[0].lstrip("+~")
        rule = f"the setting {text!r} cannot be read as KEY=VALUE"
        allowed = "plain letters, digits and /.-_"
        remedy = f"a text of more than {allowed} needs quotes within the shell's: \"KEY='a text (1)'\""
        super().__init__(rule, remedy, key=key, value=text)


class FileNotUsable(UserError):
    """A file or folder that a verb needs cannot be read or written."""

    def __init__(self, path: str, reason: str) -> None:
        remedy = "check its name, its folder and the permissions"
        super().__init__(f"{path} cannot be read or written ({reason})", remedy, key=path)
        self.path, self.reason = path, reason


class FolderNotWritable(UserError):
    """The folder of a run or of a sweep cannot be made."""

    def __init__(self, path: str, reason: str) -> None:
        remedy = "choose another with outputs=FOLDER or hydra.run.dir=FOLDER"
        super().__init__(
            f"the folder {path} cannot be written ({reason})", remedy, key="hydra.run.dir", value=path
        )
        self.path, self.reason = path, reason


class UnknownAlias(UnknownName):
    """A registered model has versions, and none of them has this alias."""

    def __init__(self, model: str, alias: str, aliases: Iterable[str]) -> None:
        super().__init__(f"no version of {model} has the alias {alias}", alias, aliases, key="--alias")
        self.model, self.alias = model, alias


class CallbackFailed(Exception):
    """A callback of the user's raised an error, and its `on_error` is fail; the run is recorded as failed.

    Args:
        name: of the callback, in the configuration.
        error: what it raised.
    """

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name, error)
        self.name, self.error = name, error

    def __str__(self) -> str:
        return f"callbacks.{self.name} raised {described(self.error)}"


class Diverged(Exception):
    """The training loss became NaN or infinite; the message says where, and what to try.

    Args:
        message: the whole sentence.
        step: the first step that was not finite, 1 for the first; None: it is not known.
        epoch: 1 for the first; None: it is not known.
    """

    def __init__(self, message: str, *, step: int | None = None, epoch: int | None = None) -> None:
        super().__init__(message)
        self.step, self.epoch = step, epoch


class Unproved(Exception):
    """A debug mode did not show what it is for; the run is recorded as failed."""


class OutOfMemory(Exception):
    """The training does not fit into the memory; the message says which batch size to try."""


class Unfinished(Exception):
    """A sweep ended without the requested result: no trial is complete, or points of a grid are missing."""


class Pruned(Exception):
    """The pruner ended this run early; it is recorded as pruned."""


class Frozen(Pruned):
    """The pruner ended this run for now: its checkpoint stays, from which it may go on later."""


class Interrupted(BaseException):
    """A signal ended the run in order; `signum` gives the exit status 128 + signum.

    Not an `Exception`, so that no handler for ordinary faults swallows it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        """Pickles the signal, which the constructor takes, and not the message."""
        return type(self), (self.signum,)


class ProcessFailed(Exception):
    """Another process of the same training failed, and this one ends with it.

    status    the exit status of that process
    reported  whether that process prints the error itself
    """

    def __init__(self, status: int, sentence: str, reported: bool) -> None:
        super().__init__(sentence)
        self.status = status
        self.reported = reported


_MOST_OWNERS = 3
"""A message names this many choices that have a setting."""


def refused(place: str, error: Exception) -> str:
    """The sentence of a part's error, with the key of the part: `trainer.epochs must be …, got 0.`"""
    text = sentence(error_text(error))
    first, _, rest = text.partition(" ")
    return f"{place}.{text}" if first.isidentifier() and rest.startswith("must") else f"{place}: {text}"


@contextmanager
def refusing(place: str) -> Iterator[None]:
    """Within it, an error that a third party's part raises is a user's mistake at `place`.

    Raises:
        UserError: the message of that error, with the place.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(refused(place, error)) from error


def sentence(text: str) -> str:
    """The text on one line, with a full stop."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
