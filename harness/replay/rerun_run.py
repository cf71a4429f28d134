"""Repeats one stored run as a new run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf

from harness.bundle import allowlist
from harness.config.choice_files import CONF
from harness.config.compose import register_resolvers
from harness.config.instantiate import check
from harness.core.name_list import listed
from harness.data.cache.command_scope import command as one_command
from harness.prepare.plan import make_plan
from harness.replay import rerun_differences
from harness.replay.rerun_config import Revised, quoted_words, require_training, revise
from harness.replay.rerun_overrides import read
from harness.run import run
from harness.runs.new_folder import check_run_folder
from harness.runs.outputs import Outputs
from harness.runs.run_result import Result
from harness.runs.setting_effects import below, effects_of
from harness.runs.stored_run import StoredRun, changes
from harness.runtime.config_nodes import load_config
from harness.runtime.inner_path import confined
from harness.runtime.secret_values import Secrets, leaves
from harness.runtime.stored_file import configured_by

_MOST_KEYS = 5
_ENDS = {"pruned": "pruned", "failed": "ended by a fault", "interrupted": "stopped"}


@dataclass(frozen=True)
class Again:
    """The options of a rerun.

    words    overrides of the stored configuration
    outputs  the folder of runs, in which the rerun is stored as well
    allow    packages that a configuration from elsewhere may name
    dry      whether to stop before the training, with nothing written
    command  the command that repeats the rerun
    """

    words: Sequence[str]
    outputs: Path
    allow: Sequence[str] = ()
    dry: bool = False
    command: str = ""


@dataclass(frozen=True)
class Repeated:
    """The outcome of a rerun.

    equal   whether the scores are those of the run to the last bit; None where they were not compared
    folder  of the new run; None where nothing was trained
    result  the content of its `result.json`
    """

    equal: bool | None = None
    folder: Path | None = None
    result: Result | None = None


def rerun(logged: StoredRun, asked: Again, say: Callable[[str], None] = print) -> Repeated:
    """Runs the stored configuration of a run, with its data version and seed, and compares the scores.

    With the same code, packages, data and machine they are equal to the last bit; differences of these are
    printed before the training.

    Args:
        say: prints a line.

    Raises:
        UserError: a word does not fit the run, or it cannot be made again; raised before anything is written.
    """
    words = read(quoted_words(logged, asked.words))
    old = logged.result
    require_training(logged)
    with nullcontext() if asked.words else configured_by(logged.config_file):
        revised = revise(logged, words, asked.outputs, asked.allow)
        if "name" not in words.touched():
            name = _free_name(logged, asked.outputs)
            for cfg in (revised.cfg, revised.before):
                OmegaConf.update(cfg, "name", name)
        check(revised.cfg)
    folder = _fresh(asked.outputs) if words.folder is None else Path(words.folder)
    check_run_folder(folder, resumes=revised.cfg.resume.run is not None)
    own = not any(key.startswith("data") for key in words.touched())
    foreign = allowlist.foreign(logged, asked.outputs)
    with one_command(many=True), confined(foreign and own):  # the rows are looked at first, and read once
        plan = make_plan(revised.cfg)
        digest = plan.table.digest
        changed = _changed(revised, plan.cfg) if asked.words else {}
        for line in _opening(logged, revised, changed, digest):
            say(line)
        if asked.dry:
            say("It would run so; nothing was trained, and nothing is written.")
            return Repeated()
        new = run(revised.cfg, folder, command=asked.command, chosen=words.folder is not None)
    same_data = digest == logged.tags.get("data.digest", digest)
    texts = "" if same_data else "the data is another"
    if any(effects_of(key).scores for key in changed):
        texts = "settings were changed"
    return Repeated(_compare(old, rerun_differences.as_stored(new), texts, say), folder, new)


def _fresh(outputs: Path) -> Path:
    """Returns a new folder, named like that of any run."""
    setup_globals()
    register_resolvers()
    pattern: Any = load_config(CONF / "config.yaml").hydra.run
    named = OmegaConf.create({"outputs": str(outputs), "run": pattern})
    assert isinstance(named, DictConfig)
    return Path(str(named.run.dir))


def _free_name(logged: StoredRun, outputs: Path) -> str:
    """`a-rerun`, `a-rerun-2` … of a run `a`: a name must find one run only."""
    stem = re.sub(r"-rerun(-\d+)?$", "", logged.name)
    taken = {run.name for run in Outputs(outputs).single()}
    names = itertools.chain([f"{stem}-rerun"], (f"{stem}-rerun-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _changed(revised: Revised, cfg: DictConfig) -> dict[str, tuple[Any, Any]]:
    """Returns the user's changes, key -> (old, new); of a replaced part only its `_target_`."""
    old, new = (dict(leaves(Secrets(config).config)) for config in (revised.before, cfg))
    differences = changes(old, new)
    parts = [key.removesuffix("_target_") for key in differences if key.endswith("._target_")]
    return {
        key: pair
        for key, pair in differences.items()
        if not below(key, ("resume",))
        and not any(key.startswith(part) and key != f"{part}_target_" for part in parts)
    }


def _opening(
    logged: StoredRun, revised: Revised, changed: Mapping[str, tuple[Any, Any]], digest: str
) -> Iterator[str]:
    """Yields the lines that are printed before the rerun: what is run, and remarks."""
    seed = revised.cfg.seed
    name = revised.cfg.name
    named = "" if name is None else f", as {name}"
    yield f"Rerun of {logged.label} ({logged.name}) from its stored configuration, seed {seed}{named}."
    if changed:
        texts = [f"{key.removesuffix('._target_')} {old} -> {new}" for key, (old, new) in changed.items()]
        yield f"Changed: {listed(texts, _MOST_KEYS)}."
    if revised.filled:
        texts = [f"{key}={value}" for key, value in revised.filled.items()]
        yield f"! an earlier harness made it; today's defaults fill in {listed(texts, _MOST_KEYS)}."
    for note in revised.notes:
        yield f"! {note}"
    if logged.fold is not None:
        yield f"! a rerun trains every fold, and not fold {logged.fold} alone."
    if logged.result is None or logged.result.status != "finished":
        ended = "has no end" if logged.result is None else f"was {_ENDS[logged.result.status]}"
        yield f"! that run {ended}: its scores are not those of a whole run."
    for difference in rerun_differences.surroundings(logged):
        yield f"! {difference}."
    other = rerun_differences.data(logged, digest)
    if other is not None:
        yield f"! {other}."


def _compare(old: Result | None, new: Result, why_not: str, say: Callable[[str], None]) -> bool | None:
    """Prints both scores and, unless `why_not` is given, whether they are equal; None: not compared."""
    if old is None or not old.scores:
        say("There are no scores of that run to compare with.")
        return None
    for line in rerun_differences.side_by_side(old, new):
        say("".join(part for part, _ in line).rstrip())
    if old.status != "finished" or new.status != "finished":
        why_not = why_not or "one of the two did not finish"
    if why_not:
        say(f"Not compared bit by bit: {why_not}.")
        return None
    say(rerun_differences.verdict(old, new))
    return not rerun_differences.unequal(old, new)
