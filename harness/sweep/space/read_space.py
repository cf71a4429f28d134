"""Reads the search space from the command line and `sweep.space`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override

from harness.config.overrides import Overrides, name_of
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.sweep.space.condition import Condition
from harness.sweep.space.condition_order import with_ancestors
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.grid_points import grid
from harness.sweep.space.interval import Interval
from harness.sweep.space.override_grammar import Grammar
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_key import OWN, check_sweepable
from harness.sweep.space.swept_value import word

_ENTRY = ("values", "when")


def read_space(
    typed: Overrides, more: Mapping[str, Any], loader: ConfigLoader, own: Collection[str] = OWN
) -> Space:
    """The search space of a sweep.

    The command line wins: a key that it sets is no dimension, whatever `more` says; of a key that it sweeps,
    `more` may still say when it is there, which the command line has no words for. Its keys come first.

    Args:
        typed: on the command line; overrides with several values are swept.
        more: `sweep.space`, in plain containers: by key, values in Hydra's grammar (a text), a list of
            choices, one value, or {values: …, when: …}; `when` is `OTHER=A,B` (any of these), or a list of
            such (all of them). A key is in one piece, `model.depth`, or comes apart, {model: {depth: …}}.
        loader: knows the choices of each group.
        own: see `check_swept`.

    Raises:
        UserError: the space is empty somewhere, contradicts itself, or is not for a sweep to vary.
    """
    grammar = Grammar(loader)
    overrides = [grammar.checked(override) for override in typed]
    _check_once(overrides)
    swept = {name_of(override): override for override in overrides if override.is_sweep_override()}
    fixed = {name_of(override): override for override in overrides if not override.is_sweep_override()}
    for key in swept:
        check_sweepable(key, own)
    dimensions = {key: grammar.dimension(override) for key, override in swept.items()}
    entries = [entry for entry in _entries(more, own) if entry.key not in fixed]
    for entry in entries:
        if entry.key not in dimensions:
            dimensions[entry.key] = _dimension(entry, grammar)
    for entry in entries:
        when = tuple(_condition(text, entry, dimensions, fixed, grammar) for text in entry.when)
        dimensions[entry.key] = replace(dimensions[entry.key], when=when)
    words = (str(override.input_line) for override in overrides if name_of(override) in fixed)
    return _consistent(tuple(words), tuple(dimensions.values()))


def check_swept(typed: Overrides, own: Collection[str] = OWN) -> None:
    """Whether trials may differ in all keys that were typed with several values.

    Must be called before the sweep's settings are read, which `sweep=tpe,random` does not have.

    Args:
        own: the first parts of keys that belong to the sweep as a whole.

    Raises:
        UserError: one belongs to the sweep as a whole.
    """
    for override in typed:
        if override.is_sweep_override():
            check_sweepable(name_of(override), own)


@contextmanager
def _within(place: str) -> Iterator[None]:
    """What is refused of a text in yaml is refused at its place."""
    try:
        yield
    except UserError as error:
        raise UserError(f"in {place}, {error}") from error


@dataclass(frozen=True)
class _Entry:
    """One key of `sweep.space`; `values` is None where the command line has them."""

    key: str
    plus: str
    values: Any
    when: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"sweep.space.{self.key}"


def _entries(more: Mapping[str, Any], own: Collection[str]) -> list[_Entry]:
    entries: dict[str, _Entry] = {}
    for written, content in _flat(more):
        key = written.lstrip("+")
        plus = written.removesuffix(key)
        if key in entries:
            raise UserError(
                f"sweep.space holds {key} twice, written in two ways", "write one of them", key="sweep.space"
            )
        check_sweepable(key, own)
        values, when = content, None
        if isinstance(content, Mapping):
            _check_entry(key, content)
            values, when = content.get("values"), content.get("when")
        entries[key] = _Entry(key, plus, values, _texts(key, when))
    return list(entries.values())


def _flat(more: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The entries with their keys in one piece: Hydra makes of +sweep.space.model.depth=… two mappings."""
    for written, content in more.items():
        key = f"{above}.{written}" if above else str(written)
        if isinstance(content, Mapping) and content and not any(part in content for part in _ENTRY):
            for part in content:
                if get_close_matches(str(part), _ENTRY, cutoff=0.7):  # `value`, `vales`, `whem`
                    raise _unknown_part(key, part)
            yield from _flat(content, key)
        else:
            yield key, content


def _check_entry(key: str, content: Mapping[str, Any]) -> None:
    for part in content:
        if part not in _ENTRY:
            raise _unknown_part(key, part)


def _unknown_part(key: str, part: Any) -> UserError:
    return UserError(
        f"sweep.space.{key} takes values and when, got {part}",
        "an entry is KEY: VALUES or KEY: {values: VALUES, when: OTHER=CHOICE}",
        key=f"sweep.space.{key}",
    )


def _texts(key: str, when: Any) -> tuple[str, ...]:
    texts = [] if when is None else [when] if isinstance(when, str) else when
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise UserError(
            f"sweep.space.{key}.when must be OTHER=CHOICE, or a list of such, got {when!r}",
            key=f"sweep.space.{key}.when",
            value=when,
        )
    return tuple(texts)


def _dimension(entry: _Entry, grammar: Grammar) -> Dimension:
    if entry.values is None:
        raise UserError(f"{entry.place} holds no value", f"give one or more: {entry.key}: [A, B, C]")
    if isinstance(entry.values, str):
        with _within("sweep.space"):
            return grammar.dimension(grammar.parse(f"{entry.plus}{entry.key}={entry.values}"))
    listed = entry.values if isinstance(entry.values, list | tuple) else [entry.values]
    return grammar.choices(entry.place, entry.key, listed, entry.plus)


def _condition(
    text: str,
    entry: _Entry,
    dimensions: Mapping[str, Dimension],
    fixed: Mapping[str, Override],
    grammar: Grammar,
) -> Condition:
    place = f"{entry.place}.when"
    with _within(place):
        override = grammar.parse(text)
        wanted = grammar.dimension(override).values()
    key = name_of(override)
    if key in fixed:
        raise UserError(
            f"{place} is {text}, which never changes, because {fixed[key].input_line} holds for all trials",
            f"sweep over {key}, or leave out that condition",
        )
    others = [other for other in dimensions if other != entry.key]
    if key not in others:
        raise UserError(f"{place} looks at {key}, which is not swept", near(key, others))
    parent = dimensions[key]
    if isinstance(parent, Interval):
        raise UserError(
            f"{place} looks at {key}, an interval", f"a condition needs listed values: {key}=A,B,C"
        )
    known = parent.values()
    for value in wanted:
        if value not in known:
            raise UserError(
                f"{place} asks for {key}={word(value)}, which is not among the values of {key}",
                near(word(value), map(word, known)),
            )
    return Condition(key, tuple(wanted))


def _check_once(overrides: Sequence[Override]) -> None:
    """Checks that a swept key is given once; of fixed overrides, Hydra takes the last."""
    first: dict[str, Override] = {}
    for override in overrides:
        other = first.setdefault(name_of(override), override)
        if other is not override and (other.is_sweep_override() or override.is_sweep_override()):
            raise UserError(
                f"{name_of(override)} is given twice, as {other.input_line} and as {override.input_line}",
                "write one of them",
            )


def _consistent(fixed: tuple[str, ...], dimensions: tuple[Dimension, ...]) -> Space:
    try:
        space = Space(fixed, dimensions)
    except ValueError as error:
        raise UserError(
            f"the conditions of sweep.space form a cycle: {error}", "remove one of them", key="sweep.space"
        ) from error
    for dimension in dimensions:
        looked_at = [condition.key for condition in dimension.when]
        points = grid(with_ancestors(looked_at, dimensions))
        if not any(dimension.active(point) for point in points):
            conditions = " and ".join(condition.description for condition in dimension.when)
            raise UserError(
                f"sweep.space.{dimension.key}.when contradicts itself: no point has {conditions}",
                "leave one out",
                key=f"sweep.space.{dimension.key}.when",
            )
    return space
