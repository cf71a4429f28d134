from __future__ import annotations

import pickle

import pytest

from harness.core.errors import (
    FolderNotWritable,
    Interrupted,
    MissingSetting,
    SettingOfOtherChoice,
    UnknownAlias,
    UnknownChoice,
    UnknownName,
    UnknownSetting,
    UserError,
    WrongType,
    refused,
    refusing,
    sentence,
)
from harness.core.near_names import near

CHOICES = ["mlp", "resnet18"]


@pytest.mark.parametrize(
    ("error", "text", "key"),
    [
        (UserError("a must be 1, got 2", "set a=1", key="a"), "a must be 1, got 2; set a=1.", "a"),
        (UserError("a is not there"), "a is not there.", None),
        (UserError("A whole sentence."), "A whole sentence.", None),
        (
            UnknownName("there is no verb 'chek'", "chek", ["check", "ls"], hint="(A setting is KEY=VALUE.)"),
            "there is no verb 'chek'; did you mean check? (A setting is KEY=VALUE.)",
            None,
        ),
        (
            UnknownSetting("sweep.trails", ["trials", "hours"]),
            "there is no setting 'sweep.trails'; did you mean trials?",
            "sweep.trails",
        ),
        (
            UnknownSetting("seeds", ["seed", "a.b"], "the run"),
            "the run has no setting 'seeds'; did you mean seed?",
            "seeds",
        ),
        (
            UnknownChoice("model", "resnet81", CHOICES),
            "model has no choice 'resnet81'; did you mean resnet18?",
            "model",
        ),
        (
            SettingOfOtherChoice("model.depth", "model", CHOICES),
            "there is no setting 'model.depth' with the choice made; model=mlp and model=resnet18 have it.",
            "model.depth",
        ),
        (
            SettingOfOtherChoice("model.depth", "model", list("abcde")),
            "there is no setting 'model.depth' with the choice made; "
            "model=a, model=b, model=c and 2 more have it.",
            "model.depth",
        ),
        (
            MissingSetting("seed"),
            "the setting seed is missing; remove the override that deletes or replaces it.",
            "seed",
        ),
        (
            WrongType("seed", 1.5, int, "a whole number", "1.5"),
            "seed must be a whole number, got 1.5.",
            "seed",
        ),
        (
            FolderNotWritable("/proc/x", "No such file"),
            "the folder /proc/x cannot be written (No such file); "
            "choose another with outputs=FOLDER or hydra.run.dir=FOLDER.",
            "hydra.run.dir",
        ),
        (
            UnknownAlias("iris", "prod", ["champion"]),
            "no version of iris has the alias prod; there is only champion.",
            "--alias",
        ),
    ],
)
def test_the_sentence_follows_from_the_fields_and_survives_a_process(
    error: UserError, text: str, key: str | None
) -> None:
    assert (str(error), error.key) == (text, key)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.key) == (type(error), text, key)


def test_an_error_can_be_placed_and_given_another_rule_or_remedy() -> None:
    error = UserError("split.folds must be 2 or more, got 1", "take split=none", key="split.folds", value=1)
    placed = error.below("split", "split.outer")
    text = "split.outer.folds must be 2 or more, got 1; take split@split.outer=none."
    assert (str(placed), placed.key, placed.value) == (text, "split.outer.folds", 1)
    assert str(error.with_remedy("or more rows")) == f"{str(error)[:-1]}; or more rows."
    assert str(error.with_rule("no")) == "no; take split=none."
    choice = UnknownChoice("model", "mpl", CHOICES).with_rule("in the preset, model has no choice 'mpl'")
    assert isinstance(choice, UnknownChoice)
    assert str(choice) == "in the preset, model has no choice 'mpl'; did you mean mlp?"


def test_the_nearest_words_are_offered_best_first() -> None:
    assert near("resnet05", ["mlp", "resnet18", "resnet50"]) == "did you mean resnet50 or resnet18?"
    assert near("trainr", ["pretrain", "tracking", "trainer"]) == "did you mean trainer?"  # much nearer


def test_where_nothing_is_near_all_are_listed_up_to_twenty() -> None:
    assert near("x", ["b", "a"]) == "there are a and b."
    assert near("x", ["a"]) == "there is only a."
    assert near("x", []) == ""
    assert str(UnknownChoice("model", "x", [])) == "model has no choice 'x'."
    assert str(UnknownName("x is no run", "x", [], hint="Start one.")) == "x is no run; Start one."
    names = [f"name{number:02}" for number in range(23)]
    assert near("x", names) == f"there are {', '.join(names[:20])} and 3 more."


def test_numbers_are_no_near_misses_and_a_series_is_written_with_its_ends() -> None:
    assert near("99", [str(number) for number in range(30)]) == "there are 0 to 29."
    assert near("11", ["12", "1", "10"]) == "there are 1, 10 and 12."
    assert near("2", ["0", "1"]) == "there are 0 and 1."


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("epochs must be at least 1, got 0", "trainer.epochs must be at least 1, got 0."),
        ("Invalid learning rate: -1", "trainer: Invalid learning rate: -1."),
        ("two\nlines", "trainer: two lines."),
        ("", "trainer: ValueError."),
    ],
)
def test_what_a_part_refuses_is_reported_with_its_place(message: str, expected: str) -> None:
    assert refused("trainer", ValueError(message)) == expected
    with pytest.raises(UserError) as caught, refusing("trainer"):
        raise ValueError(message)
    assert str(caught.value) == expected
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_sentence_that_is_one_already_passes_unchanged() -> None:
    with pytest.raises(UserError, match=r"^as it is\.$"), refusing("trainer"):
        raise UserError("as it is")
    assert sentence("Is it?") == "Is it?"


def test_a_signal_and_a_full_memory_are_no_user_errors() -> None:
    with pytest.raises(MemoryError), refusing("trainer"):
        raise MemoryError
    with pytest.raises(Interrupted), refusing("trainer"):
        raise Interrupted(2)
