import numpy as np
import pytest
from sklearn import datasets

from harness.core.errors import UserError


def test_linnerud_has_three_targets(make):
    table, theirs = make("sklearn")(), datasets.load_linnerud()
    assert table.target == ("Weight", "Waist", "Pulse")
    assert table.features == ("Chins", "Situps", "Jumps")
    assert np.array_equal(table.frame[list(table.target)], theirs.target)
    assert np.array_equal(table.frame[list(table.features)], theirs.data)
    assert (table.task.kind, table.name) == ("regression", "linnerud")


def test_a_data_set_with_its_own_choice_is_the_same_here(make):
    one, two = make("sklearn", name="wine")(), make("wine")()
    assert one.frame.equals(two.frame)
    assert (one.target, one.features, one.source) == (two.target, two.features, two.source)


def test_a_label_without_a_role_does_not_become_a_feature(make):
    table = make("sklearn", name="digits")()
    assert (table.target, len(table.features)) == (("digit",), 64)
    table = make("sklearn", name="linnerud", target="Pulse")()
    assert table.features == ("Chins", "Situps", "Jumps")
    assert make("sklearn", name="linnerud", drop=["Waist"])().target == ("Weight", "Pulse")
    assert make("sklearn", name="linnerud", features=["Weight"], target="Pulse")().features == ("Weight",)
    assert make("sklearn", name="digits", group="writer")().groups[0] == 0


def test_nothing_is_downloaded(make, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    words = (
        "data.extract.name=california_housing is not on this machine, and nothing is downloaded unasked; get "
        'it with python -c "from sklearn.datasets import fetch_california_housing as fetch; fetch'
    )
    with pytest.raises(UserError, match=words):
        make("sklearn", name="california_housing")()


def test_what_was_downloaded_before_is_read(make, monkeypatch):
    def fetch_covtype(download_if_missing):
        assert not download_if_missing
        return {"data": np.eye(2), "target": np.array([1, 2])}

    monkeypatch.setattr(datasets, "fetch_covtype", fetch_covtype)
    table = make("sklearn", name="covtype")()
    assert (table.features, table.labels.tolist()) == (("x0", "x1"), [1, 2])


def test_an_unknown_name_is_refused_with_near_names(make):
    words = r"data.extract.name must be a data set of scikit-learn, got 'wines'; did you mean wine\?"
    with pytest.raises(UserError, match=words):
        make("sklearn", name="wines")


def test_the_fingerprint_is_the_version_of_scikit_learn(make):
    import sklearn

    assert (
        make("sklearn").fingerprint() == make("iris").fingerprint() == f"scikit-learn {sklearn.__version__}"
    )
