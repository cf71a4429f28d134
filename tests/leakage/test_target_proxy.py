import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.holdout import halves, without_repeats
from harness.leakage.single_feature import comparable, guess_class, guess_number
from harness.leakage.target_copy import find_target_copy
from harness.leakage.target_proxy import find_target_proxy

NONE = np.empty(0, dtype=np.int64)


def dealt(count, folds=5, seed=0) -> list[Fold]:
    parts = np.array_split(np.random.default_rng(seed).permutation(count), folds)
    rows = np.arange(count)
    return [Fold(k, np.setdiff1d(rows, part), NONE, np.sort(part)) for k, part in enumerate(parts)]


def ratio(count) -> list[Fold]:
    rows = np.random.default_rng(0).permutation(count)
    cuts = (rows[: count * 7 // 10], rows[count * 7 // 10 : count * 8 // 10], rows[count * 8 // 10 :])
    return [Fold(0, *(np.sort(cut) for cut in cuts))]


def table(y, **features) -> Table:
    return Table(pd.DataFrame({**features, "y": y}), tuple(features), target=("y",))


rng = np.random.default_rng(1)
COUNT = 400
CLASS = rng.integers(0, 3, COUNT)
NUMBER = np.exp(rng.normal(size=COUNT))
NOISE = rng.normal(size=COUNT)
STEPS = np.clip(NUMBER.round(), 0, 4) + 0.5

ORACLES = {
    "a number per class and noise": (CLASS, CLASS * 10 + NOISE * 0.1),
    "a text per class, two of one": (CLASS, np.where(NOISE > 1, CLASS + 3, CLASS).astype(str)),
    "missing in one class": (CLASS == 1, np.where(CLASS == 1, np.nan, NOISE)),
    "the score that made the classes": (NOISE > 0.3, NOISE),
    "the target rounded": (NUMBER, NUMBER.round(2)),
    "its logarithm": (NUMBER, np.log(NUMBER)),
    "another unit": (NUMBER, 32 - 1.8 * NUMBER),
    "the target as text in steps": (STEPS, STEPS.astype(str)),
}
HONEST = {
    "right on 98 of 100": (CLASS, np.where(rng.random(COUNT) < 0.98, CLASS, (CLASS + 1) % 3)),
    "a text that differs in every row": (CLASS, [f"{label}-{row}" for row, label in enumerate(CLASS)]),
    "a row number": (CLASS, np.arange(COUNT)),
    "one class nearly always": (np.arange(COUNT) < 2, np.zeros(COUNT)),
    "a correlation of .99": (NUMBER, np.log(NUMBER) + 0.14 * NOISE),
    "nothing": (NUMBER, np.zeros(COUNT)),
    "missing throughout": (CLASS, np.full(COUNT, np.nan)),
}


@pytest.mark.parametrize(
    "folds", [ratio(COUNT), dealt(COUNT), dealt(COUNT, COUNT)], ids=["ratio", "k", "one"]
)
@pytest.mark.parametrize("name", ORACLES)
def test_a_feature_that_determines_the_target_is_found(name, folds):
    target, leak = ORACLES[name]
    found = find_target_proxy(table(target, honest=NOISE[::-1].copy(), leak=leak), folds)
    assert found.severity == "warning", name
    assert found.sentence.startswith("feature 'leak' alone predicts 'y' of ")
    assert found.sentence.endswith(
        "; if it is not known before the target, remove it with 'data.extract.drop=[leak]'."
    )


@pytest.mark.parametrize(
    "folds", [ratio(COUNT), dealt(COUNT), dealt(COUNT, COUNT)], ids=["ratio", "k", "one"]
)
@pytest.mark.parametrize("name", HONEST)
def test_a_strong_or_an_empty_feature_is_not(name, folds):
    target, honest = HONEST[name]
    found = find_target_proxy(table(target, honest=honest), folds)
    assert (found.severity, found.sentence) == (
        "fine",
        "None of 1 features alone predicts the target of 400 held-out rows.",
    )


def test_several_features_that_determine_the_target_are_named_with_their_accuracy():
    rows = table(CLASS, a=CLASS * 2.0, b=NOISE, c=CLASS * 1.0)
    assert find_target_proxy(rows, dealt(COUNT)).sentence == (
        "feature 'a' alone predicts 'y' of 400 of 400 held-out rows and feature 'c' alone predicts 'y' of "
        "400 of 400 "
        "held-out rows; if it is not known before the target, remove it with 'data.extract.drop=[a,c]'."
    )


def test_a_feature_that_determines_the_target_in_known_groups_only_is_fine_in_folds_by_group():
    group = np.repeat(np.arange(40), 10)
    rows = table(rng.integers(0, 3, 40)[group], room=group.astype(str))
    assert find_target_proxy(rows, dealt(COUNT)).severity == "warning"
    whole = [np.flatnonzero(group % 4 == k) for k in range(4)]
    by_group = [Fold(k, np.setdiff1d(np.arange(COUNT), part), NONE, part) for k, part in enumerate(whole)]
    assert find_target_proxy(rows, by_group).severity == "fine"


def test_too_few_rows_are_not_judged():
    found = find_target_proxy(table([0, 1] * 10, a=[0, 1] * 10), dealt(20))
    assert found.sentence == "Too few labelled rows are held out to check single features."
    alone = [Fold(0, np.arange(COUNT), NONE, NONE)]
    assert find_target_proxy(table(CLASS, a=CLASS), alone).sentence == found.sentence


def test_rows_without_a_target_are_not_judged():
    target = np.where(np.arange(COUNT) < 100, CLASS, np.nan)
    found = find_target_proxy(table(target, a=NOISE), dealt(COUNT))
    assert found.sentence == "None of 1 features alone predicts the target of 100 held-out rows."


def test_each_of_several_targets_is_judged():
    frame = pd.DataFrame({"a": NUMBER * 3, "u": NOISE, "v": NUMBER})
    found = find_target_proxy(Table(frame, ("a",), target=("u", "v")), dealt(COUNT))
    assert found.sentence.startswith("feature 'a' alone predicts 'v' of 400 held-out rows with r2 1.0000; if")


def test_the_two_sides_are_the_test_parts_in_turn_and_a_repeat_adds_none():
    folds = dealt(10, 5) + dealt(10, 5, seed=1)
    parts = halves(folds, np.ones(10, dtype=bool), 1)
    assert sorted(parts.one) == sorted(np.concatenate([folds[k].test for k in (0, 2, 4)]))
    assert sorted(parts.other) == sorted(np.concatenate([folds[k].test for k in (1, 3)]))
    assert [fold.number for fold in without_repeats(folds)] == [0, 1, 2, 3, 4]


def test_the_sides_of_one_fold_are_its_training_rows_and_its_others_the_known_ones_alone():
    (fold,) = ratio(20)
    known = np.arange(20) != fold.train[0]
    parts = halves([fold], known, 1)
    assert parts.one.tolist() == fold.train[1:].tolist()
    assert parts.other.tolist() == [*fold.valid, *fold.test]


def test_the_more_features_the_fewer_rows_are_judged():
    (fold,) = ratio(20_000)
    known = np.ones(20_000, dtype=bool)
    sizes = [[len(side) for side in halves([fold], known, features)] for features in (1, 1000, 10**6)]
    assert sizes == [[5000, 5000], [2000, 2000], [200, 200]]


def test_the_class_of_the_nearest_value_is_guessed():
    fit, classes = np.array([0.0, 1.0, 1.0, 1.0, 4.0]), np.array([2, 0, 1, 1, 0])
    held = np.array([-5.0, 0.4, 0.6, 1.0, 2.4, 2.6, 9.0])
    assert guess_class(fit, classes, held, amounts=True).tolist() == [2, 2, 1, 1, 1, 0, 0]
    assert guess_class(fit, classes, np.array([1.0, 2.0]), amounts=False).tolist() == [1, 0]


def test_a_number_is_guessed_on_the_line_between_the_means_of_two_values():
    fit, numbers = np.array([0.0, 2.0, 2.0]), np.array([1.0, 4.0, 6.0])
    assert guess_number(fit, numbers, np.array([-1.0, 1.0, 2.0, 3.0]), amounts=True).tolist() == [1, 3, 5, 5]
    assert guess_number(fit, numbers, np.array([1.0, 2.0]), amounts=False).tolist() == [11 / 3, 5]


def test_missing_numbers_are_a_bin_of_their_own_and_infinite_ones_are_in_the_last():
    values, amounts = comparable(pd.Series([4.0, np.nan, 8.0, np.inf, -np.inf]))
    assert amounts
    assert values.tolist() == [1.0, -1.0, 2.0, 2.0, 1.0]
    largest, _ = comparable(pd.Series([-1.7e308, 1.7e308, np.nan]))
    assert np.isfinite(largest).all()


def test_dates_are_amounts_and_text_is_not():
    days, amounts = comparable(pd.Series(pd.to_datetime(["2026-01-02", "2026-01-01", None])))
    assert amounts
    assert days.tolist() == [21600.0, 0.0, -21601.0]
    assert comparable(pd.Series(["b", "a", "b"]))[0].tolist() == [0, 1, 0]
    assert not comparable(pd.Series(["b", "a"]))[1]


NAMES = np.array(["ill", "well", "dead"])[CLASS]


@pytest.mark.parametrize(
    ("target", "same"),
    [
        (CLASS, CLASS),
        (CLASS, 7 - CLASS * 2),
        (NAMES, CLASS),
        (CLASS, NAMES),
        (NAMES, np.where(CLASS == 1, np.nan, CLASS)),
        (NUMBER, NUMBER),
        (NUMBER, NUMBER * (1 + 1e-9)),
        (np.where(np.arange(COUNT) < 50, NUMBER, np.nan), NUMBER),
    ],
)
def test_the_target_by_another_name_is_an_error(target, same):
    found = find_target_copy(table(target, honest=NOISE, same=same))
    assert (found.check, found.severity) == ("equals", "error")
    assert found.sentence == (
        "feature 'same' is a copy of the target 'y': it determines the target in every row; remove it with "
        "'data.extract.drop=[same]'."
    )


def test_all_its_names_are_to_be_dropped():
    found = find_target_copy(table(CLASS, a=CLASS, b=NOISE, c=NAMES))
    assert found.sentence == (
        "feature 'a' (and 'c' as well) is a copy of the target 'y': it determines the target in every row; "
        "remove "
        "it with 'data.extract.drop=[a,c]'."
    )


@pytest.mark.parametrize(
    ("target", "other"),
    [
        (CLASS, np.where(np.arange(COUNT) == 7, (CLASS + 1) % 3, CLASS)),
        (CLASS, np.minimum(CLASS, 1)),
        (CLASS, np.arange(COUNT)),
        (NUMBER, NUMBER * 2),
        (NUMBER, NUMBER.astype(str)),
        ([0, 1] * 5, [0, 1] * 5),
    ],
)
def test_what_differs_in_a_row_is_another_column_and_few_rows_agree_by_chance(target, other):
    found = find_target_copy(table(target, other=other))
    assert (found.severity, found.sentence) == ("fine", "None of 1 features is a copy of the target.")


def test_16_rows_of_two_even_classes_are_no_chance():
    assert find_target_copy(table([0, 1] * 8, same=[5, 3] * 8)).severity == "error"


def test_a_name_whose_rows_share_one_class_is_found_though_some_names_are_held_out_whole():
    random = np.random.default_rng(0)
    sizes = random.integers(1, 25, 40)
    patient = np.repeat(np.arange(40), sizes)
    outcome = np.array(["well", "ill"])[random.integers(0, 2, 40)[patient]]
    names = np.array([f"patient {number}" for number in patient])
    finding = find_target_proxy(table(outcome, patient=names), ratio(len(patient)))
    assert finding.severity == "warning"
    assert finding.sentence.startswith("feature 'patient' alone predicts 'y' of ")
    shuffled = find_target_proxy(table(random.permutation(outcome), patient=names), ratio(len(patient)))
    assert shuffled.severity == "fine"
