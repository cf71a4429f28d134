import numpy as np
import pytest
from sklearn import datasets

from harness.data.extract import bundled
from harness.data.extract.bundled import Bundled

TARGETS = {"breast_cancer": "diagnosis", "wine": "cultivar", "iris": "species", "diabetes": "progression"}


def extract(name, kind="table", shape=None, target=None, group=None):
    return Bundled(
        name=name,
        kind=kind,
        shape=shape,
        target=target,
        group=group,
        id=None,
        time=None,
        features=None,
        drop=[],
        task="auto",
        infinite="error",
        keep=[],
    )()


def digits():
    return extract("digits", "image", [1, 8, 8], "digit", "writer")


def test_the_digits_are_those_of_scikit_learn():
    table, theirs = digits(), datasets.load_digits(as_frame=True)
    assert list(table.features) == theirs.feature_names
    assert np.array_equal(table.frame[list(table.features)], theirs.data)
    assert np.array_equal(table.labels, theirs.target)
    assert table.shape == (1, 8, 8)
    assert table.task.classes == tuple("0123456789")


def test_the_digits_are_the_same_where_scikit_learn_keeps_them_elsewhere(monkeypatch):
    expected = digits()
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    assert digits().digest == expected.digest


def test_the_digits_have_fourteen_writers_one_after_the_other():
    starts = [0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667, 1797]
    groups = digits().groups
    for writer in range(14):
        assert (groups[starts[writer] : starts[writer + 1]] == writer).all()
    assert "writer" not in digits().features


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris"])
def test_the_classes_have_their_names_and_the_columns_theirs(name):
    table, theirs = extract(name, target=TARGETS[name]), getattr(datasets, f"load_{name}")()
    assert list(table.features) == list(theirs.feature_names)
    assert np.array_equal(table.frame[list(table.features)], theirs.data)
    assert table.labels.tolist() == [theirs.target_names[code] for code in theirs.target]
    assert table.task.classes == tuple(sorted(theirs.target_names))


def test_a_tumour_is_malignant_or_benign():
    assert extract("breast_cancer", target="diagnosis").labels.value_counts().to_dict() == {
        "benign": 357,
        "malignant": 212,
    }


def test_diabetes_has_a_number_as_target_and_unscaled_features():
    table = extract("diabetes", target="progression")
    assert table.task.kind == "regression"
    assert table.labels.head(3).tolist() == [151.0, 75.0, 141.0]
    assert table.frame["age"].head(3).tolist() == [59.0, 48.0, 72.0]


@pytest.mark.parametrize(("name", "labels"), [("digits", {"digit", "writer"}), ("wine", {"cultivar"})])
def test_a_label_without_a_role_does_not_become_a_feature(name, labels):
    shape = [1, 8, 8] if name == "digits" else None
    table = extract(name, "image" if shape else "table", shape)
    assert not labels & set(table.features)
    assert not table.target
