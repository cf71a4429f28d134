from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.sweep_location import FINISHED, SweepLocation, check_name, find_location, sweep_state

WORDS = ["a=1,2", "b=3"]
AIM = (Objective("valid/accuracy", "maximize"),)


def cfg(
    *,
    name: str | None = None,
    storage: str | None = None,
    resume: str | None = None,
    folder: str = "outputs/sweeps/${sweep_folder:a,b,c}",
    words: tuple[str, ...] = (),
) -> DictConfig:
    """The part of a composed multirun that says where it is."""
    return OmegaConf.create(
        {
            "outputs": "outputs",
            "resume": {"run": resume},
            "sweep": {"name": name, "storage": storage},
            "hydra": {
                "sweep": {"dir": folder, "subdir": "${hydra.job.num}"},
                "overrides": {"hydra": list(words), "task": WORDS},
            },
        }
    )


def begin(name: str, *, status: str | None = None, url: str | None = None) -> Path:
    """A sweep of this name, as one that ran here leaves it."""
    folder = Path("outputs/sweeps") / name
    (folder / "0").mkdir(parents=True)
    study = load_or_create(open_storage(url, folder), name, AIM)
    if status is not None:
        (folder / "result.json").write_text(json.dumps({"status": status}))
    if status == "finished":
        study.set_user_attr(FINISHED, True)
    return folder


def test_the_first_sweep_of_some_words_is_number_zero_of_their_digest(here: Path) -> None:
    place = find_location(cfg(), WORDS)
    assert place.folder == Path("outputs/sweeps") / place.study
    assert place.url is None
    assert place.study.endswith("-0")
    assert len(place.study) == len("01234567-0")
    assert find_location(cfg(), WORDS[::-1]) == place
    assert list(here.iterdir()) == []


def test_the_same_command_continues_until_its_sweep_is_finished(here: Path) -> None:
    begin("mine-0")
    assert find_location(cfg(name="mine"), WORDS).study == "mine-0"
    (here / "outputs/sweeps/mine-0/result.json").write_text('{"status": "interrupted"}')
    assert find_location(cfg(name="mine", resume="auto"), WORDS).study == "mine-0"
    (here / "outputs/sweeps/mine-0/result.json").write_text('{"status": "finished"}')
    assert find_location(cfg(name="mine"), WORDS).study == "mine-1"


def test_a_named_sweep_continues_even_if_it_is_finished(here: Path) -> None:
    folder = begin("mine-0", status="finished")
    for wanted in ("mine-0", str(folder), str(folder.absolute())):
        place = find_location(cfg(resume=wanted), WORDS)
        assert (place.folder.absolute(), place.study) == (folder.absolute(), "mine-0")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"resume": "mine-1"}, r"^resume=mine-1 cannot be done: there is no such .*; did you mean mine-0\?$"),
        ({"resume": "outputs/runs/x"}, r": that folder holds no study.journal; name the folder of a sweep"),
        (
            {"folder": "a/b", "resume": "mine-0"},
            r"^resume=mine-0 and hydra.sweep.dir=a/b name a sweep each; ",
        ),
        (
            {"folder": " "},
            r"^hydra.sweep.dir must not be empty; give hydra.sweep.dir=FOLDER, or leave it out",
        ),
        (
            {"words": ("hydra.sweep.subdir=x",)},
            r"^hydra.sweep.subdir cannot be chosen: a trial's folder is .*;",
        ),
        (
            {"storage": "sqlite:///nowhere/a.db"},
            r"^sweep.storage: the folder \S+/nowhere of .*; make it, or ",
        ),
        *[
            ({"name": name}, r"^sweep\.name must be letters, digits, '\.', '_' and '-', with ")
            for name in ("", " ", "a/b", "../x", ".hidden", "a b", "-x")
        ],
    ],
)
def test_what_names_no_sweep_is_refused_before_anything_is_written(
    here: Path, settings: dict[str, Any], sentence: str
) -> None:
    begin("mine-0")
    (here / "outputs/runs/x").mkdir(parents=True)
    before = sorted(here.rglob("*"))
    with pytest.raises(UserError, match=sentence):
        find_location(cfg(**settings), WORDS)
    assert sorted(here.rglob("*")) == before


def test_a_folder_of_ones_own_is_the_sweeps(here: Path) -> None:
    place = find_location(cfg(folder="my/sweep", resume="auto"), WORDS)
    assert place == SweepLocation(Path("my/sweep"), "sweep", None)
    assert find_location(cfg(folder="."), WORDS).study == here.name


@pytest.mark.parametrize("name", [None, "a", "lr_2.5-b", "größe"])
def test_other_names_may_be_given(name: str | None) -> None:
    check_name(name)


def test_a_database_knows_the_sweeps_of_other_machines(here: Path) -> None:
    url = "sqlite:///studies.db"
    begin("mine-0", url=url)
    (here / "outputs").rename(here / "elsewhere")
    assert find_location(cfg(name="mine", storage=url), WORDS) == SweepLocation(
        Path("outputs/sweeps/mine-0"), "mine-0", f"sqlite:///{here}/studies.db"
    )
    study = load_or_create(open_storage(url, here), "mine-0", AIM)
    study.set_user_attr(FINISHED, True)
    assert find_location(cfg(name="mine", storage=url), WORDS).study == "mine-1"
    assert find_location(cfg(resume="mine-0", storage=url), WORDS).study == "mine-0"
    assert find_location(cfg(name="mine"), WORDS).study == "mine-0"  # without the database


def test_the_trials_of_another_storage_keep_their_folder(here: Path) -> None:
    begin("mine-0")
    assert find_location(cfg(name="mine", storage="sqlite:///studies.db"), WORDS).study == "mine-1"
    begin("mine-1", url="sqlite:///studies.db")
    assert find_location(cfg(name="mine", storage="sqlite:///studies.db"), WORDS).study == "mine-1"
    assert find_location(cfg(name="mine"), WORDS).study == "mine-0"


def test_a_sweep_that_the_database_does_not_hold_is_refused(here: Path) -> None:
    url = "sqlite:///studies.db"
    begin("mine-0", url=url)
    with pytest.raises(UserError) as caught:
        find_location(cfg(resume="mine-1", storage=url), WORDS)
    assert str(caught.value) == (
        f"resume=mine-1 cannot be done: sqlite:///{here}/studies.db holds no sweep of that name; "
        "did you mean mine-0?"
    )


def test_looking_for_a_sweep_makes_no_database(here: Path) -> None:
    place = find_location(cfg(name="mine", storage="sqlite:///studies.db"), WORDS)
    assert sweep_state(place, 60) == "begin"
    assert list(here.iterdir()) == []


def test_a_sweep_begins_continues_or_is_joined(here: Path) -> None:
    from harness.sweep.study.study_lock import study_lock
    from harness.sweep.study.trial_queue import TrialQueue

    place = find_location(cfg(name="mine"), WORDS)
    assert sweep_state(place, 60) == "begin"
    folder = begin("mine-0")
    assert sweep_state(place, 60) == "continue"
    study = load_or_create(open_storage(None, folder), "mine-0", AIM)
    queue = TrialQueue(study, study_lock(None, folder, "mine-0"), name="here-0", presence="p")
    queue.send_heartbeat("working")
    assert sweep_state(place, 60) == "join"
    queue.send_heartbeat("left")
    assert sweep_state(place, 60) == "continue"
