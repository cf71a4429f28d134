from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import FeatureAgglomeration
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from harness.core.errors import UserError
from harness.data.transform import skops_file
from harness.data.transform.fitted_parts import Parts
from harness.data.transform.stored_estimators import PACKAGES, UntrustedState, stored_class

DRAWN = np.random.default_rng(0)
NUMBERS = DRAWN.normal(size=(60, 6))
GAPS = np.where(DRAWN.random((60, 6)) < 0.1, np.nan, NUMBERS)
COLOURS = np.where(DRAWN.random((60, 2)) < 0.1, np.nan, DRAWN.choice(["r", "g", "b"], (60, 2)).astype(object))
TARGETS = DRAWN.integers(0, 3, 60)

PARTS = [
    *((part, GAPS) for part in (SimpleImputer(strategy="median", add_indicator=True), KNNImputer())),
    (MissingIndicator(), GAPS),
    (SimpleImputer(strategy="most_frequent"), COLOURS),
    (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, max_categories=2), COLOURS),
    (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), COLOURS),
    *((TargetEncoder(target_type=kind), COLOURS) for kind in ("multiclass", "continuous")),
    *(
        (part, NUMBERS)
        for part in (
            StandardScaler(),
            MinMaxScaler(),
            RobustScaler(),
            MaxAbsScaler(),
            Normalizer(),
            Binarizer(),
            PolynomialFeatures(),
            PowerTransformer(),
            QuantileTransformer(n_quantiles=10),
            KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
            SplineTransformer(),
            PCA(2),
            FastICA(2, random_state=0),
            TruncatedSVD(2, random_state=np.random.RandomState(0)),
            LinearDiscriminantAnalysis(),
            SelectKBest(f_classif, k=2),
            VarianceThreshold(),
            Nystroem(n_components=5, random_state=0),
            RBFSampler(random_state=0),
            GaussianRandomProjection(2, random_state=0),
            SparseRandomProjection(2, random_state=0),
            FunctionTransformer(np.tanh),
            Pipeline([("inner", StandardScaler()), ("pass", "passthrough")]),
            FeatureUnion([("one", PCA(1)), ("two", StandardScaler())]),
            ColumnTransformer(
                [("a", FunctionTransformer(np.exp), [0]), ("b", "drop", slice(1, 3))], remainder=PCA(1)
            ),
        )
    ),
]


def fitted(part: Any, block: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"numeric": make_pipeline(clone(part)).fit(block, TARGETS), "categorical": None}


def transformed(chains: Any, block: np.ndarray) -> list[Any]:
    made = chains["numeric"].transform(block)
    return [str(value) for value in np.asarray(made.toarray() if hasattr(made, "toarray") else made).ravel()]


@pytest.mark.parametrize(("part", "block"), PARTS, ids=[type(part).__name__ for part, _ in PARTS])
def test_a_part_transforms_as_it_was_fitted(part: Any, block: np.ndarray) -> None:
    chains, parts = fitted(part, block), Parts([part])
    packed, arrays = parts.pack(chains)
    restored = Parts([clone(part)]).unpack(json.loads(json.dumps(packed)), load(save(arrays)))
    assert transformed(restored, block) == transformed(chains, block)
    again, same = parts.pack(restored)
    assert again == packed
    assert all(np.array_equal(array, same[name], equal_nan=True) for name, array in arrays.items())


def as_skops(chains: Any) -> bytes:
    """Chains as an earlier version wrote them."""
    import skops.io  # takes a second, which each of pytest's workers would spend

    content: bytes = skops.io.dumps(chains)
    return content


OF_TODAY = (FunctionTransformer, ColumnTransformer, SelectKBest, SplineTransformer, TruncatedSVD)
"""Their files hold functions, splines or random numbers, which skops kept in nodes of their own."""


@pytest.mark.parametrize(
    ("part", "block"),
    [pair for pair in PARTS if not isinstance(pair[0], (*OF_TODAY, SparseRandomProjection))],
)
def test_a_file_of_an_earlier_version_is_read(part: Any, block: np.ndarray) -> None:
    chains = fitted(part, block)
    restored = skops_file.read(as_skops(chains), Parts([part]))
    assert transformed(restored, block) == transformed(chains, block)


class Doubler(BaseEstimator, TransformerMixin):
    """A part of the user's, with a function and a part within."""

    def __init__(self, inner: Any, weight: Callable[..., Any] = np.abs) -> None:
        self.inner, self.weight = inner, weight

    def fit(self, rows: np.ndarray, targets: Any = None) -> Doubler:
        self.inner_ = clone(self.inner).fit(rows)
        self.factors_ = {"two": np.float64(2), "none": (None, float("nan"), -np.inf)}
        return self

    def transform(self, rows: np.ndarray) -> np.ndarray:
        return self.weight(self.inner_.transform(rows)) * self.factors_["two"]


def test_a_part_of_the_users_is_rebuilt_only_where_the_configuration_names_it() -> None:
    part = Doubler(StandardScaler())
    chains = fitted(part, NUMBERS)
    packed, arrays = Parts([part]).pack(chains)
    restored = Parts([Doubler(StandardScaler())]).unpack(packed, arrays)
    assert transformed(restored, NUMBERS) == transformed(chains, NUMBERS)
    for stored in (lambda: Parts([PCA()]).unpack(packed, arrays), lambda: Parts([PCA()]).pack(chains)):
        with pytest.raises(UserError) as error:
            stored()
        assert error.value.key == "data.transform"


@pytest.mark.parametrize(("part", "own"), [(RandomTreesEmbedding(3), True), (FeatureAgglomeration(2), False)])
def test_a_part_whose_state_is_no_array_is_refused_before_it_is_stored(part: Any, own: bool) -> None:
    with pytest.raises(UserError) as error:
        Parts([part] if own else []).pack(fitted(part, NUMBERS))
    assert error.value.key == "data.transform"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_class_of_the_list_is_public_and_defined_there(package: str) -> None:
    from importlib import import_module

    found = []
    for name in vars(import_module(package)):
        try:
            found.append(stored_class(f"{package}.{name}"))
        except UntrustedState:
            continue
    assert found
    assert all(cls.__module__.startswith(package) for cls in found)
