import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler, TargetEncoder

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.transform.sequence import Sequence

OPTIONS = {
    "length": 3,
    "step": None,
    "target": "constant",
    "pad": "front",
    "mask": True,
    "numeric": [],
    "categorical": [],
    "dates": [],
    "cyclic": False,
}
EVENTS = pd.DataFrame(
    {
        "who": ["b", "a", "b", "b", "a", "b", "c", "b"],
        "when": [4, 2, 1, 3, 1, 2, 9, 5],
        "x": [40.0, 20.0, 10.0, 30.0, 15.0, 25.0, 90.0, 50.0],
        "y": ["ill", "well", "ill", "ill", "well", "ill", "well", "ill"],
        "late": [0, 1, 0, 1, 0, 0, 1, 1],
        "ward": ["n", "s", "n", "n", "s", "n", "s", "n"],
    }
)
GAPS = EVENTS.astype({"who": object}).assign(
    who=EVENTS.who.mask(EVENTS.index == 3, None), when=EVENTS.when.mask(EVENTS.index == 3)
)


def sequence(**changes) -> Sequence:
    return Sequence(**(OPTIONS | changes))


def table(frame=EVENTS, **roles) -> Table:
    roles = {"target": ("y",), "id": "who", "time": "when"} | roles
    return Table(frame, ("x",), kind="sequence", name="visits", **roles)


def transformed(source=None, rows=None, **changes) -> torch.Tensor:
    transform = sequence(**changes)
    made = transform.arrange(table() if source is None else source, lambda size: True)
    rows = np.arange(len(made)) if rows is None else np.asarray(rows)
    transform.fit(made, rows, made.task)
    return transform(made).take(np.arange(len(made)))


def arranged(source=None, **changes) -> Table:
    return sequence(**changes).arrange(table() if source is None else source, lambda size: False)


def test_the_latest_events_of_each_id_come_in_the_order_of_time_padded_in_front():
    assert transformed().tolist() == [
        [[0, 0], [15, 1], [20, 1]],
        [[30, 1], [40, 1], [50, 1]],
        [[0, 0], [0, 0], [90, 1]],
    ]


def test_padding_may_come_after_the_events_and_the_mask_may_be_left_out():
    found = transformed(pad="back", mask=False)
    assert found[..., 0].tolist() == [[15, 20, 0], [30, 40, 50], [90, 0, 0]]
    assert found.shape == (3, 3, 1)


def test_without_a_time_the_events_keep_the_order_of_the_rows():
    found = transformed(table(time=None), mask=False)
    assert found[..., 0].tolist() == [[0, 20, 15], [30, 25, 50], [0, 0, 90]]


def test_events_of_one_time_keep_the_order_of_the_rows():
    frame = EVENTS.assign(when=1)
    assert transformed(table(frame), mask=False)[1, :, 0].tolist() == [30, 25, 50]


@pytest.mark.parametrize(
    ("length", "step", "windows"),
    [
        (3, 1, [[10, 25, 30], [25, 30, 40], [30, 40, 50]]),
        (3, 2, [[10, 25, 30], [30, 40, 50]]),
        (2, 2, [[25, 30], [40, 50]]),
        (4, 5, [[25, 30, 40, 50]]),
        (6, 1, [[0, 10, 25, 30, 40, 50]]),
    ],
    ids=str,
)
def test_windows_slide_by_their_step_up_to_the_last_event(length, step, windows):
    only = EVENTS[EVENTS.who == "b"].reset_index(drop=True)
    found = transformed(table(only, target=()), length=length, step=step, mask=False)
    assert found[..., 0].tolist() == windows


def test_a_sample_has_the_id_target_group_and_latest_time_of_its_events():
    made = arranged(table(group="ward"))
    assert made.frame.to_dict("list") == {
        "who": ["a", "b", "c"],
        "when": [2, 5, 9],
        "y": ["well", "ill", "well"],
        "ward": ["s", "n", "s"],
    }
    assert made.events["x"].tolist() == [15, 20, 10, 25, 30, 40, 50, 90]
    assert made.spans.tolist() == [[0, 2], [4, 7], [7, 8]]
    assert (made.group, made.kind, made.features) == ("ward", "sequence", ("x",))


def test_windows_of_one_id_are_a_group_unless_another_is_named():
    assert arranged(length=2, step=1).group == "who"
    assert arranged(table(group="ward"), length=2, step=1).group == "ward"
    assert arranged().group is None


def test_the_target_of_the_last_event_may_be_the_windows():
    made = arranged(table(target=("late",)), length=2, step=1, target="last")
    assert made.frame["who"].tolist() == ["a", "b", "b", "b", "b", "c"]
    assert made.frame["late"].tolist() == [1, 0, 1, 0, 1, 1]


def test_a_target_known_at_one_event_of_an_id_is_the_samples():
    frame = EVENTS.assign(y=[None, None, "ill", None, "well", None, None, None])
    assert arranged(table(frame)).frame["y"].fillna("?").tolist() == ["well", "ill", "?"]


@pytest.mark.parametrize(
    ("frame", "roles", "rule", "remedy"),
    [
        (
            EVENTS,
            {"target": ("late",)},
            "target 'late' must be one within each 'who', and 'a' has 0 and 1",
            "target=last",
        ),
        (
            EVENTS,
            {"group": "late"},
            "group 'late' must be one within each 'who', and 'a' has 0 and 1",
            "choose another",
        ),
        (EVENTS, {"id": None}, "joins the events of an id, and visits names none", "data.extract.id=COLUMN"),
        (GAPS, {}, "every event needs its id, and column 'who' of visits", ""),
        (GAPS.assign(who="a"), {}, "every event needs its time, and column 'when' of visits", ""),
    ],
    ids=["target", "group", "no id", "id of an event", "time of an event"],
)
def test_events_that_cannot_be_joined_are_refused(frame, roles, rule, remedy):
    with pytest.raises(UserError) as caught:
        arranged(table(frame, **roles))
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy
    assert "row 3" in caught.value.rule or frame is EVENTS


def test_a_table_that_was_not_arranged_is_refused():
    with pytest.raises(
        UserError, match=r"takes events that are joined to sequences, and visits holds none; set"
    ):
        sequence().fit(table(), np.arange(2), table().task)


def test_statistics_are_those_of_the_events_in_the_training_windows():
    found = transformed(rows=[0, 1], numeric=[StandardScaler()], mask=False)
    seen = np.array([15.0, 20, 30, 40, 50])  # 10 and 25 are before the window of "b"
    expected = (np.array([30.0, 40, 50]) - seen.mean()) / seen.std()
    assert np.allclose(found[1, :, 0], expected)
    assert found[0, 0].tolist() == [0]


def test_an_encoder_with_targets_gets_those_of_the_training_windows():
    source = Table(EVENTS, ("ward",), target=("y",), id="who", time="when", kind="sequence", name="visits")
    encoder = TargetEncoder(smooth=0.0)
    found = transformed(source, categorical=[encoder], mask=False)
    # "n" comes with "ill" alone, which is class 0; "s" with "well".
    assert found[..., 0].tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 1]]


def test_an_array_of_sequences_is_taken_as_it_is():
    array = np.arange(24.0).reshape(2, 4, 3)
    frame = pd.DataFrame({"y": ["a", "b"]})
    source = Table(frame, (), target=("y",), kind="sequence", array=array)
    assert np.array_equal(transformed(source, mask=False), array[:, 1:])
    assert np.array_equal(transformed(source, length=5)[:, 1:, :3], array)


def test_an_arranged_table_is_left_as_it_is():
    made = arranged()
    assert sequence().arrange(made, lambda size: True) is made


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("length", "length must be 1 event or more, got 0"),
        ("step", "step must be 1 event or more, or null, got 0"),
    ],
)
def test_values_out_of_range_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        sequence(**{name: 0})
