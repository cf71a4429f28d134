from __future__ import annotations

import signal

import pytest
from hydra.errors import HydraException, MissingConfigException, OverrideParseException

from harness.config.error_messages import explain, translated
from harness.core.errors import Diverged, Interrupted, UserError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UserError("it is wrong."), (2, "error: it is wrong.", False)),
        (Diverged("it grew."), (1, "error: it grew.", False)),
        (ZeroDivisionError("by nothing"), (1, "error: ZeroDivisionError: by nothing.", True)),
        (ZeroDivisionError("in\ntwo lines"), (1, "error: ZeroDivisionError: in two lines.", True)),
        (OSError("no file name"), (1, "error: OSError: no file name.", True)),
        (Interrupted(signal.SIGTERM), (143, "", False)),
        (Interrupted(signal.SIGINT), (130, "", False)),
        (KeyboardInterrupt(), (130, "", False)),
        (HydraException("Hydra objects"), (2, "error: Hydra objects.", False)),
    ],
)
def test_an_error_is_a_status_and_a_sentence(error: BaseException, expected: tuple[int, str, bool]) -> None:
    assert explain(error, []) == expected


@pytest.mark.parametrize(
    ("original", "sentence"),
    [
        ("Missing mandatory value: a.b\n    full_key: a.b", "a.b has no value yet; give it with a.b=VALUE."),
        (
            "Interpolation key 'x' not found\n    full_key: a.b\n    object_type=dict",
            "a setting refers to the setting 'x', which does not exist; `python -m harness --cfg job` prints "
            "all settings. Within a text, \\${x} is no reference.",
        ),
        ("first\nsecond\n\nthird", "first second."),
        (
            "Environment variable 'X' not found",
            "the configuration reads the environment variable X, which is not set; set it first.",
        ),
        (
            "Multiple values for model. To override",
            "model has a choice already; replace it with model=CHOICE, without a plus.",
        ),
    ],
)
def test_a_message_of_hydra_becomes_one_sentence_with_a_remedy(original: str, sentence: str) -> None:
    assert str(translated(HydraException(original), ["+model=mlp"])) == sentence


@pytest.mark.parametrize(
    ("launcher", "extra"), [("joblib", "joblib"), ("submitit_local", "slurm"), ("submitit_slurm", "slurm")]
)
def test_a_launcher_that_is_not_installed_is_reported_with_its_extra(launcher: str, extra: str) -> None:
    error = MissingConfigException("…", missing_cfg_file=f"hydra/launcher/{launcher}", options=["local"])
    assert str(translated(error, [])) == (
        f"hydra/launcher={launcher} is not installed: pip install 'harness[{extra}]'."
    )


def test_a_launcher_that_does_not_exist_is_reported_with_near_names() -> None:
    error = MissingConfigException("…", missing_cfg_file="hydra/launcher/slrm", options=["local", "slurm"])
    assert str(translated(error, [])) == "hydra/launcher has no choice 'slrm'; did you mean slurm?"


def test_a_near_miss_is_found_although_another_word_is_wrong_as_well() -> None:
    error = HydraException("Could not override 'trainer.epoch'.")
    sentence = str(translated(error, ["trainer.epoch=3", "model=nope", "split.nope=1"]))
    assert sentence == "there is no setting 'trainer.epoch'; did you mean trainer.epochs?"


def test_a_key_of_the_search_space_is_no_near_miss_of_itself() -> None:
    error = HydraException("Could not override 'trainer.epoch'.")
    sentence = str(translated(error, ["++sweep.space.trainer.epoch=[1,2]"]))
    assert sentence == "there is no setting 'trainer.epoch'; did you mean trainer.epochs?"


def test_a_value_that_the_shell_split_is_reported_with_its_key() -> None:
    error = OverrideParseException(override="a,y", message="mismatched input")
    assert str(translated(error, ["data.extract.query=select", "a,y", "from", "visit"])) == (
        "the word 'a,y' is neither KEY=VALUE nor a verb at the beginning; if it belongs to "
        "data.extract.query, the shell needs quotes around the whole: 'data.extract.query=A VALUE'."
    )


def test_an_unreadable_override_is_shown_with_the_way_to_quote() -> None:
    error = OverrideParseException(override="a=b=c", message="mismatched input")
    assert str(translated(error, [])) == (
        "the setting 'a=b=c' cannot be read as KEY=VALUE; a text of more than plain letters, digits and /.-_ "
        "needs quotes within the shell's: \"KEY='a text (1)'\"."
    )
