"""Projections of a representation to two dimensions.

A projection is fitted on the standardised features of training rows and shows those of another part, so
that visible clusters are not an effect of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from harness.core.errors import UserError

Method = Literal["pca", "umap"]


@dataclass(frozen=True)
class Panel:
    """One representation of the rows.

    name    whose it is: "trained", "random encoder" or "raw input"
    points  (n, 2) float64
    shares  of the training rows' variance, along either axis; None where the projection is not linear
    """

    name: str
    points: np.ndarray
    shares: tuple[float, float] | None


@dataclass(frozen=True)
class Projection:
    """The same rows of a part in one panel or several.

    targets  (n,) int64 class codes (-1: unlabelled) or float64 numbers (NaN: unlabelled); None where a
             row has no target, or several
    classes  the labels in the order of their codes; empty for numbers
    """

    method: Method
    part: str
    panels: tuple[Panel, ...]
    targets: np.ndarray | None
    classes: tuple[str, ...]


def project(method: Method, name: str, bank: Tensor, queries: Tensor) -> Panel:
    """Projects `queries`, (m, D), by axes fitted on `bank`, (n, D) float64; both are standardised."""
    if method == "umap":
        return Panel(name, umap(bank, queries), None)
    points, shares = pca(bank, queries)
    return Panel(name, points.cpu().numpy(), shares)


def pca(bank: Tensor, queries: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """(m, 2) scores on the first two principal components of the bank, and their shares of its variance.

    The components are eigenvectors of the smaller Gram matrix of the centred bank. Each points to where
    its largest loading is positive, so that the picture does not mirror itself from one machine to the
    next. A component that the bank does not have, for want of rows or features, is 0.
    """
    mean = bank.mean(dim=0)
    centred = bank - mean
    rows, width = centred.shape
    primal = width <= rows
    gram = centred.T @ centred if primal else centred @ centred.T
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(0)[:2].clamp(min=0), vectors.flip(1)[:, :2]
    total = gram.diagonal().sum()
    real = values > total * width * torch.finfo(values.dtype).eps
    if not primal:
        vectors = centred.T @ vectors / values.sqrt().clamp(min=torch.finfo(values.dtype).tiny)
    largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    vectors = torch.where(real, vectors * torch.where(largest < 0, -1.0, 1.0), 0.0)
    missing = (0, 2 - len(values))
    points = pad((queries - mean) @ vectors, missing)
    first, second = pad(torch.where(real, values / total, 0.0), missing).tolist()
    return points, (first, second)


def require_umap() -> None:
    """Checks, before anything is trained, that UMAP can be used.

    Raises:
        UserError: umap-learn is not installed.
    """
    if find_spec("umap") is None:
        raise UserError(
            "evaluate.projection=umap needs the package umap-learn, which is not installed",
            "run pip install 'harness[umap]', or use evaluate.projection=pca",
            key="evaluate.projection",
        )


def umap(bank: Tensor, queries: Tensor) -> np.ndarray:
    """(m, 2) coordinates in a UMAP embedding of the bank (arXiv 1802.03426), the same at each call."""
    from umap import UMAP

    neighbours = max(2, min(15, len(bank) - 1))
    embedding = UMAP(n_neighbors=neighbours, min_dist=0.1, init="pca", random_state=0, n_jobs=1)
    embedding.fit(bank.cpu().numpy())
    return np.asarray(embedding.transform(queries.cpu().numpy()), dtype=np.float64)
