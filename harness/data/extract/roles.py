"""Roles: which column of a frame is the target, the group, the id, and what a model may see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from harness.errors import UserError, near
from harness.table import Aim, Kind, Table


@dataclass(frozen=True)
class Roles:
    """The options that every table source shares.

    target    the column to predict, or None
    group     the column whose rows belong together, or None
    id        the column that names a row, or None
    features  the columns a model may see, in order; None: all that have no other role
    drop      columns to leave out altogether
    task      whether the target is a class or a number; "auto" reads it off the column
    kind      "image": the features are the pixels of an image of `shape`
    shape     [C, H, W] of such an image; a table of kind "table" has none
    """

    target: str | None
    group: str | None
    id: str | None
    features: list[str] | None
    drop: list[str]
    task: Aim
    kind: Kind
    shape: list[int] | None

    def __post_init__(self) -> None:
        if self.kind == "image" and (self.shape is None or len(self.shape) != 3 or min(self.shape) < 1):
            raise ValueError(f"shape must be [channels, height, width] where kind=image, got {self.shape}")

    def assign(self, frame: pd.DataFrame, name: str, source: str) -> Table:
        """The frame as a Table.

        Raises:
            UserError: a column that is not there, two roles that contradict each other, no
                features, or a number of pixel columns that is not C * H * W.
        """
        self._require_columns(frame, name)
        frame = frame.drop(columns=self.drop).reset_index(drop=True)
        features = self.features
        if features is None:
            features = [c for c in frame.columns if c not in (self.target, self.group, self.id)]
        if not features:
            raise UserError(
                f"{name} has no column left as a feature; name some with data.extract.features=[COLUMN, …]."
            )
        return Table(
            frame,
            tuple(features),
            target=() if self.target is None else (self.target,),
            group=self.group,
            id=self.id,
            kind=self.kind,
            shape=self._image_shape(len(features), name),
            name=name,
            source=source,
            aim=self.task,
        )

    def _require_columns(self, frame: pd.DataFrame, name: str) -> None:
        roles = {"target": self.target, "group": self.group, "id": self.id}
        named = [(role, column) for role, column in roles.items() if column is not None]
        named += [("features", column) for column in self.features or []]
        named += [("drop", column) for column in self.drop]
        for role, column in named:
            if column not in frame.columns:
                raise UserError(
                    f"data.extract.{role} names the column {column!r}, which {name} does not have; "
                    f"{near(column, map(str, frame.columns))}"
                )
        for role, column in named:
            if role != "drop" and column in self.drop:
                self._refuse_both("drop", role, column)
            if role in ("group", "id") and column == self.target:
                self._refuse_both("target", role, column)
        self._require_features()

    def _refuse_both(self, first: str, second: str, column: str) -> None:
        raise UserError(
            f"data.extract.{first} and data.extract.{second} both name the column {column!r}; "
            "take it out of one."
        )

    def _require_features(self) -> None:
        features = self.features or []
        if self.target in features:
            raise UserError(
                f"data.extract.features names the target {self.target!r}, which a model must not see; "
                "take it out."
            )
        twice = [column for column in features if features.count(column) > 1]
        if twice:
            raise UserError(f"data.extract.features names the column {twice[0]!r} twice; take one out.")

    def _image_shape(self, features: int, name: str) -> tuple[int, int, int] | None:
        if self.kind != "image" or self.shape is None:
            return None
        channels, height, width = self.shape
        if math.prod(self.shape) != features:
            raise UserError(
                f"data.extract.shape={self.shape} asks for {math.prod(self.shape)} pixel columns, and {name} "
                f"has {features} features; mend data.extract.shape, or leave columns out with "
                "data.extract.drop."
            )
        return channels, height, width
