from __future__ import annotations

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from harness.evaluate import probes


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_standardising_uses_the_bank_alone_and_silences_constants() -> None:
    bank = torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    queries = torch.tensor([[5.0, 6.0]], dtype=torch.float64)
    inside, asked = probes.standardise(bank, queries)
    assert inside.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert asked.tolist() == [[3.0, 0.0]]


def test_a_feature_that_varies_by_rounding_alone_counts_as_constant() -> None:
    bank = torch.tensor([[1.0], [1.0 + 1e-7]], dtype=torch.float64)
    assert probes.standardise(bank, bank)[0].tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_nearest_equal_those_of_a_naive_loop(count: int) -> None:
    bank, queries = draw(30, 4), draw(11, 4, seed=1)
    found = probes.nearest(bank, queries, count)
    for row, query in enumerate(queries):
        distances = [math.dist(query.tolist(), other.tolist()) for other in bank]
        assert found[row].tolist() == sorted(range(30), key=distances.__getitem__)[:count]


def test_a_small_bank_gives_all_it_has() -> None:
    assert probes.nearest(draw(2, 3), draw(5, 3), 9).shape == (5, 2)


def test_a_vote_equals_that_of_scikit_learn_where_no_two_classes_tie() -> None:
    bank, queries = draw(60, 3), draw(1500, 3, seed=1)
    targets = (bank[:, 0] > 0).long()
    labels = targets[probes.nearest(bank, queries, 5)]
    expected = KNeighborsClassifier(5).fit(bank, targets).predict(queries)
    assert probes.vote(labels).tolist() == expected.tolist()


def test_of_equal_votes_the_nearest_wins() -> None:
    labels = torch.tensor([[2, 1, 1, 2, 0], [0, 1, 2, 1, 2], [4, 3, 2, 1, 0]])
    assert probes.vote(labels).tolist() == [2, 1, 4]


@pytest.mark.parametrize("l2", [0.1, 1.0, 30.0])
def test_the_logistic_probe_equals_scikit_learn(l2: float) -> None:
    bank, queries = draw(200, 6), draw(300, 6, seed=1)
    targets = (bank @ draw(6, 4, seed=2) + draw(200, 4, seed=3)).argmax(dim=1) * 2  # codes with gaps
    predicted, converged = probes.logistic(bank, targets, queries, l2, 1000)
    model = LogisticRegression(C=1 / l2, max_iter=5000, tol=1e-8).fit(bank, targets)
    assert converged
    assert predicted.tolist() == model.predict(queries).tolist()


def test_two_classes_share_the_penalty_between_two_columns() -> None:
    bank, queries = draw(100, 3), draw(300, 3, seed=1)
    targets = (bank[:, 0] + draw(100, seed=2) > 0.3).long()
    predicted, _ = probes.logistic(bank, targets, queries, 1.0, 1000)
    model = LogisticRegression(C=2.0, max_iter=5000, tol=1e-8).fit(bank, targets)
    assert predicted.tolist() == model.predict(queries).tolist()


def test_a_logistic_probe_that_did_not_converge_is_reported() -> None:
    bank = draw(50, 5)
    targets = (bank[:, 0] > 0).long()
    assert probes.logistic(bank, targets, bank, 1e-3, 2)[1] is False


def test_a_single_class_is_the_answer_everywhere() -> None:
    predicted, converged = probes.logistic(draw(5, 2), torch.full((5,), 3), draw(4, 2), 1.0, 10)
    assert predicted.tolist() == [3] * 4
    assert converged


@pytest.mark.parametrize("width", [3, 60])
def test_the_ridge_probe_equals_scikit_learn(width: int) -> None:
    bank, queries = draw(40, width), draw(20, width, seed=1)
    bank = bank - bank.mean(dim=0)
    targets = 7 + bank[:, 0] + draw(40, seed=2)
    expected = Ridge(alpha=2.0).fit(bank, targets).predict(queries)
    assert probes.ridge(bank, targets, queries, 2.0).numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (1, 4), (9, 1)])
def test_rankme_is_the_entropy_of_the_singular_values(shape: tuple[int, int]) -> None:
    features = draw(*shape)
    singular = torch.linalg.svdvals(features).tolist()
    shares = [value / sum(singular) for value in singular]
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    assert probes.rankme(features).item() == pytest.approx(expected, rel=1e-6)


def test_rankme_counts_equal_directions_and_sees_collapse() -> None:
    assert probes.rankme(torch.eye(6, dtype=torch.float64)).item() == pytest.approx(6.0)
    assert probes.rankme(torch.ones(20, 6, dtype=torch.float64)).item() == pytest.approx(1.0, abs=1e-5)
    assert probes.rankme(torch.zeros(20, 6, dtype=torch.float64)).item() == 1.0
    assert math.isnan(probes.rankme(torch.full((2, 2), math.nan, dtype=torch.float64)))


def test_few_distances_at_a_time_find_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, queries = draw(30, 4), draw(11, 4, seed=1)
    at_once = probes.nearest(bank, queries, 3)
    for most in (60, 7):  # two queries at a time, and one that is more than is allowed
        monkeypatch.setattr(probes, "_DISTANCES_AT_ONCE", most)
        assert torch.equal(probes.nearest(bank, queries, 3), at_once)
